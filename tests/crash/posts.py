"""Posted facts as traffic: single, batches under a key, chunks of files, large bodies; each is found by its ids."""

from __future__ import annotations

import hashlib
import itertools
import random
import sqlite3
from collections import Counter, defaultdict
from typing import Any

import msgspec

from tests.crash.caller import Answer, Caller
from tests.crash.traffic import Found, Key, RefusedError, Traffic

_PAGE = 1000
_LOOKED_UP = 5
_REPEATED = 20
_WAITING = "SELECT count(*) FROM inbox WHERE fact = ? AND number < (SELECT max(number) FROM inbox)"
ALL = {"start": "2020-01-01T00:00:00Z"}


class Posts(Traffic):
    """Posts of one kind of fact; a thing is a post, there when all its facts are there."""

    service, status = "api", "200"
    event_types = ()
    fact: str
    way: str
    id_column: str
    facts_each = 1
    by_inbox = True
    may_repeat = True
    """Whether a post that was not answered is sent again in the next life, as a client would."""

    def __init__(self) -> None:
        super().__init__()
        self._chance = random.Random(self.name)
        self._headers: dict[str, dict[str, str]] = {}

    def wounds(self, state: sqlite3.Connection) -> dict[str, int]:
        """Count what waits in the inbox; of its last row nobody knows whether it was loaded."""
        if not self.by_inbox:
            return {}
        return {f"{self.fact} in the inbox": state.execute(_WAITING, [self.fact]).fetchone()[0]}

    async def prepare(self, caller: Caller) -> None:
        """Need nothing."""

    def owed(self, _found: Found) -> set[Key]:
        """Nothing is told of facts."""
        return set()

    def key(self, _event: dict[str, Any]) -> Key | None:
        """Nothing is told of facts."""
        return None

    def made(self, word: str, number: int) -> dict[str, Any]:
        """Return one fact of a post; its id ends with the number."""
        return {self.id_column: f"{self.name}/{word}/{number}"}

    def headers(self, _word: str) -> dict[str, str]:
        """Return what tells the server that it has a post already."""
        return {}

    async def send(self, caller: Caller, word: str) -> str:
        """Post the facts that belong to a word."""
        if word not in self._headers:
            self._headers[word] = self.headers(word)
        lines = b"\n".join(msgspec.json.encode(self.made(word, number)) for number in range(self.facts_each))
        self.last = await caller.post(f"/api/v1/{self.way}", lines, self._headers[word])
        self.check(self.last)
        return word

    def check(self, answer: Answer) -> None:
        """Raise RefusedError unless all was taken, now or before."""
        body = answer.body or {}
        if answer.status != 200 or body.get("rejected") or not (body["accepted"] == self.facts_each or "again" in body):
            raise RefusedError(f"{answer.status} {answer.body}")

    async def find(self, caller: Caller) -> list[Found]:
        """List all facts of the kind: a post that is there in part is a thing that nobody sent."""
        if self.may_repeat:
            unanswered = self.ledger.sent - self.ledger.acknowledged.keys()
            for word in [word for word in self._headers if word in unanswered][:_REPEATED]:
                self.ledger.again += 1
                assert await self.attempt(caller, word)
        numbers: dict[str, Counter[str]] = defaultdict(Counter)
        skip = 0
        while True:
            asked = {"fact": self.fact, "limit": _PAGE, "skip": skip, **ALL}
            answer = await caller.own("POST", "/api/v1/facts", asked)
            assert answer.status == 200, answer
            for row in answer.body["rows"]:
                name, _, rest = row[self.id_column].partition("/")
                if name == self.name:
                    word, _, number = rest.partition("/")
                    numbers[word][number] += 1
            skip = answer.body.get("next_skip", 0)
            if not skip:
                break
        await self._look_up(caller, numbers)
        found = []
        for word, counted in numbers.items():
            if len(counted) < self.facts_each:
                found.append(Found(f"{len(counted)} of {self.facts_each} facts of {word}", word))
            found += [Found(word, word)] * max(counted.values())
        return found

    async def _look_up(self, caller: Caller, numbers: dict[str, Counter[str]]) -> None:
        """Find some by their ids, old ones and new ones."""
        words = sorted(numbers)
        for word in self._chance.sample(words, min(_LOOKED_UP, len(words))):
            number = self._chance.choice(sorted(numbers[word]))
            wanted = f"{self.name}/{word}/{number}"
            answer = await caller.own("POST", "/api/v1/facts", {"fact": self.fact, "id": wanted, **ALL})
            ids = Counter(row[self.id_column] for row in answer.body["rows"])  # the other legs of a call come, too
            assert ids[wanted] == numbers[word][number], f"{wanted} is found {ids[wanted]} times by its id"


class Singles(Posts):
    """Requests that were answered elsewhere, one a post; they are rolled up."""

    name, fact, way, id_column = "singles", "requests", "requests", "ms_cv"
    operation = "PostRequests"
    may_repeat = False

    def made(self, word: str, number: int) -> dict[str, Any]:
        """Return a request."""
        asked = {"service": "chat", "operation": "SendChatMessage", "status": 299, "duration_ms": 2.5}
        return super().made(word, number) | asked

    async def complaints(self, caller: Caller, found: list[Found]) -> list[str]:
        """Complain unless the rollup counts what the facts do: a question that looks at ids needs the facts."""
        where = [{"column": "status", "values": ["299"]}]
        one = {"column": "ms_cv", "values": [""], "op": "is not"}
        told = []
        for conditions in (where, [*where, one]):
            body = {"measures": ["requests.count", "requests.duration_avg"], "where": conditions, **ALL}
            answer = await caller.own("POST", "/api/v1/ask", body)
            assert answer.status == 200, answer
            told.append([point["values"] for point in answer.body["points"]])
        right = [[len(found), 2.5]] if found else told[1]
        if told[0] == told[1] == right:
            return []
        return [f"{self.name}: {len(found)} are there; the rollup says {told[0]}, the facts {told[1]}"]


class Batches(Posts):
    """Calls, some a post, under a key."""

    name, fact, way, id_column = "batches", "calls", "calls", "leg_id"
    operation = "PostCalls"
    facts_each = 20

    def made(self, word: str, number: int) -> dict[str, Any]:
        """Return a call."""
        return super().made(word, number) | {"outcome": "answered", "call_id": f"call of {word}"}

    def headers(self, word: str) -> dict[str, str]:
        """Return the key."""
        return {"idempotency-key": f"key of {word}"}


class Imports(Posts):
    """Samples in chunks of files: each client's life is a file, each chunk goes straight into the store."""

    name, fact, way, id_column = "imports", "samples", "samples", "call_id"
    operation = "PostSamples"
    facts_each = 50
    by_inbox = False

    def __init__(self) -> None:
        super().__init__()
        self._turns: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))

    def headers(self, word: str) -> dict[str, str]:
        """Return the next chunk of the client's file."""
        file = self.file(word)
        return {"trunkline-chunk": f"{file}/{next(self._turns[file])}"}

    def file(self, word: str) -> str:
        """Return the mark of the file that a word is part of."""
        return hashlib.sha256(word.rpartition(".")[0].encode()).hexdigest()


class Straight(Posts):
    """Events of calls in bodies so large that they go straight into the store, each at most once."""

    name, fact, way, id_column = "straight", "call_events", "call-events", "call_id"
    operation = "PostCallEvents"
    facts_each = 120
    by_inbox = False
    may_repeat = False

    def made(self, word: str, number: int) -> dict[str, Any]:
        """Return an event."""
        return super().made(word, number) | {"name": "ringing", "text": "x" * 600}
