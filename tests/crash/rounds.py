"""Rounds: traffic runs, the server is killed, started again on the same folder, judged, and killed again."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.crash import autopsy, judge
from tests.crash.aims import Aim, Glance
from tests.crash.autopsy import Wounds
from tests.crash.caller import Caller
from tests.crash.life import Life
from tests.crash.receiver import Receiver, receiving
from tests.crash.traffic import Found, Key, Traffic
from trunkline.clock import monotonic, rfc3339

CLIENTS = 8
"""Of each kind of traffic, at once."""

LONGEST_PAUSE_S = 0.06
MOST_HELD = 2
START_S = 1.2
FEWEST, MOST = 25, 80
"""How many things are acknowledged in a life before its moment may come."""

ABSORBED_S = 0.005
"""How long answers that a frozen process had already given may take to be read."""

PATIENCE_S = 20.0
"""How long nothing may wait and nothing come before what is missing counts as lost."""

MOST_PATIENCE_S = 400.0
"""The same although something waits: a machine without time for us lets attempts time out, and then waits are long."""

SETTLED_S = 0.5
_MOMENT_S = 120.0
_TO_BE_RETRIED = (0.2,)
_WAITING = ("trunkline_events_untold", 'trunkline_parcels{state="waiting"}')


@dataclass(frozen=True)
class Round:
    """One life and its end."""

    aim: str
    writes: bool | None  # None: nobody looked
    unanswered: int
    wounds: Wounds


@dataclass
class Report:
    """What came of a run."""

    rounds: list[Round] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    kept: int = 0  # things that are there although nobody was told so

    def hits(self) -> dict[str, int]:
        """Count the kills that hit each thing a kill can interrupt."""
        counted = {
            "inside a transaction": sum(bool(one.writes) for one in self.rounds),
            "requests unanswered": sum(one.unanswered > 0 for one in self.rounds),
            "events not handed over": sum(one.wounds.untold > 0 for one in self.rounds),
            "posts without outcome": sum(one.wounds.posts > 0 for one in self.rounds),
            "retries waiting": sum(one.wounds.retries > 0 for one in self.rounds),
            "retries without outcome": sum(one.wounds.reposts > 0 for one in self.rounds),
        }
        for name in sorted({name for one in self.rounds for name in one.wounds.more}):
            counted[name] = sum(one.wounds.more.get(name, 0) > 0 for one in self.rounds)
        return counted

    def render(self) -> str:
        """Return the table and what was judged."""
        heads = ("round", "killed", "writing", "unanswered", "untold", "posts", "retries", "reposts")
        more = sorted({name for one in self.rounds for name in one.wounds.more})
        rows = [(*heads, *more)]
        for number, one in enumerate(self.rounds, 1):
            seen = {None: "?", True: "yes", False: "no"}[one.writes]
            own = (one.wounds.untold, one.wounds.posts, one.wounds.retries, one.wounds.reposts)
            figures = (one.unanswered, *own, *(one.wounds.more.get(name, 0) for name in more))
            rows.append((str(number), one.aim, seen, *map(str, figures)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        hits = ", ".join(f"{name} {many}" for name, many in self.hits().items())
        return "\n".join([*lines, f"kills that hit: {hits}", *self.summary, *self.complaints])


async def run(folder: Path, aims: Sequence[Aim], kinds: Sequence[Traffic], chance: random.Random) -> Report:
    """Kill a server on `folder`/data once for each aim, start it a last time, and judge."""
    async with receiving(chance) as receiver:
        rounds = _Rounds(folder, kinds, chance, receiver)
        for number, aim in enumerate(aims):
            await rounds.live(number, aim)
        await rounds.live_on()
        return rounds.report


class _Rounds:
    def __init__(self, folder: Path, kinds: Sequence[Traffic], chance: random.Random, receiver: Receiver) -> None:
        self._data, self._log = folder / "data", folder / "server.log"
        self._kinds = kinds
        self._chance = chance
        self._receiver = receiver
        self._began_at = datetime.now(UTC)
        self._over = False
        self.report = Report()

    async def live(self, number: int, aim: Aim) -> None:
        """Live until the moment that is aimed at."""
        # before it starts: else what it posts first is held as the last life's aim wanted it, and nothing of this one's
        receiver = self._receiver
        receiver.holding, receiver.holding_from = MOST_HELD, int(aim.in_a_retry)
        receiver.refusing = aim.refusing
        life = Life(self._data, self._log, fast=1)
        async with AsyncExitStack() as stack:
            workers: list[asyncio.Task[None]] = []
            try:
                writes = await self._live_until(life, number, aim, stack, workers)
            finally:
                self._over = True
                life.kill()
                self._receiver.release()
                await asyncio.gather(*workers)
        self.report.rounds.append(Round(aim.name, writes, self._unanswered(number), self._wounds()))

    async def _live_until(
        self, life: Life, number: int, aim: Aim, stack: AsyncExitStack, workers: list[asyncio.Task[None]]
    ) -> bool | None:
        """Return at the moment, and whether the process, then frozen, is inside a writing transaction."""
        if aim.starting:
            await asyncio.sleep(self._chance.uniform(0, START_S))
            return None
        caller = await stack.enter_async_context(Caller(await life.ready()))
        if number == 0:
            await self._prepare(caller)
        self._over = False
        await self._judge_things(caller)
        if aim.in_a_retry:
            await _until(lambda: self._receiver.held > 0, "no second attempt came")
        enough = self._acknowledged() + self._chance.randint(FEWEST, MOST)
        workers += [
            asyncio.create_task(self._send(kind, caller, f"{number}.{client}"))
            for kind in self._kinds
            for client in range(CLIENTS)
        ]
        await _until(lambda: self._acknowledged() >= enough, "nothing is acknowledged")
        return await self._moment(life, number, aim)

    async def _moment(self, life: Life, number: int, aim: Aim) -> bool | None:
        deadline = monotonic() + _MOMENT_S
        while aim.is_it is not None:
            await asyncio.sleep(self._chance.uniform(0.001, 0.02))
            life.freeze()
            await asyncio.sleep(ABSORBED_S)
            glance = Glance(life.writes(), self._unanswered(number), self._wounds())
            if aim.is_it(glance):
                return glance.writes
            assert monotonic() < deadline, f"the moment {aim.name!r} does not come"
            if aim.in_a_retry and not self._receiver.held:  # who posted has lost patience: there must be others
                self._receiver.refusing = _TO_BE_RETRIED
            life.thaw()
        await asyncio.sleep(self._chance.uniform(0, 0.1))
        return None

    async def _send(self, kind: Traffic, caller: Caller, client: str) -> None:
        for turn in itertools.count():
            answered = await kind.attempt(caller, f"{client}.{turn}")
            if self._over:
                return
            if not answered:
                self.report.complaints.append(f"{client}.{turn}: nobody answered, though nobody was killed")
                return
            await asyncio.sleep(self._chance.uniform(0, LONGEST_PAUSE_S))

    async def live_on(self) -> None:
        """Live on undisturbed until everything has been told, and judge."""
        self._receiver.be_kind()
        life = Life(self._data, self._log, fast=1)
        try:
            async with Caller(await life.ready()) as caller:
                found = await self._judge_things(caller)
                await self._judge_events(caller, found)
                await self._judge_measures(caller, found)
            if (code := life.stop()) != 0:
                self.report.complaints.append(f"the last life ended with {code}")
        finally:
            life.kill()
        self._sum_up(found)

    async def _prepare(self, caller: Caller) -> None:
        types = [name for kind in self._kinds for name in kind.event_types]
        wanted = {"name": "witness", "url": self._receiver.url, "types": types}
        answer = await caller.own("POST", "/api/v1/subscriptions", wanted)
        assert answer.body["state"] == "active", answer
        for kind in self._kinds:
            await kind.prepare(caller)

    async def _judge_things(self, caller: Caller) -> list[list[Found]]:
        found = [await kind.find(caller) for kind in self._kinds]
        for kind, some in zip(self._kinds, found, strict=True):
            self.report.complaints += [*judge.things(kind, some), *await kind.complaints(caller, some)]
        return found

    async def _judge_events(self, caller: Caller, found: list[list[Found]]) -> None:
        await self._silence(caller, found)
        receiver, complaints = self._receiver, self.report.complaints
        if left := judge.missing(self._kinds, found, [one.event for one in receiver.arrived()]):
            complaints.append(
                f"{len(left)} events never arrived; of some, (attempts before, answer): {self._story(left)}"
            )
            complaints.append(f"what waits in the queue: {autopsy.waiting(self._data, datetime.now(UTC))}")
        for figure in (*_WAITING, 'trunkline_parcels{state="dead"}'):
            if many := await caller.page(figure):
                complaints.append(f"{figure} is {many:.0f} in the end")
        complaints += judge.events(self._kinds, found, [one.event for one in receiver.deliveries])

    async def _silence(self, caller: Caller, found: list[list[Found]]) -> None:
        """Wait until all that is owed has arrived, or nothing waits any more and nothing has come for long."""
        receiver, heard, heard_at = self._receiver, -1, 0.0
        deadline = monotonic() + MOST_PATIENCE_S
        while judge.missing(self._kinds, found, [one.event for one in receiver.arrived()]):
            if heard != len(receiver.deliveries) or await self._waits(caller):
                heard, heard_at = len(receiver.deliveries), monotonic()
            if monotonic() > min(deadline, heard_at + PATIENCE_S):
                return
            await asyncio.sleep(0.2)
        await asyncio.sleep(SETTLED_S)  # for the outcome of the last one, and for what should not come

    async def _waits(self, caller: Caller) -> bool:
        for figure in _WAITING:
            if await caller.page(figure):
                return True
        return False

    def _story(self, keys: set[Key]) -> dict[Key, list[tuple[int, int]]]:
        """Tell what became of the attempts at some events."""
        told: dict[Key, list[tuple[int, int]]] = {key: [] for key in sorted(keys, key=str)[:3]}
        for one in self._receiver.deliveries:
            for key in told.keys() & {kind.key(one.event) for kind in self._kinds}:
                told[key].append((one.before, one.status))
        return told

    async def _judge_measures(self, caller: Caller, found: list[list[Found]]) -> None:
        lost = len(self.report.rounds) * CLIENTS
        for kind, some in zip(self._kinds, found, strict=True):
            asked = {"service": kind.service, "operation": kind.operation, "status": kind.status}
            where = [{"column": column, "values": [value]} for column, value in asked.items()]
            question = {"measures": ["requests.count"], "start": rfc3339(self._began_at), "where": where}
            answer = await caller.own("POST", "/api/v1/ask", question)
            assert answer.status == 200, answer
            count = round(sum(point["values"][0] for point in answer.body["points"]))
            self.report.complaints += judge.measured(kind, some, count, lost=lost)
            ledger = kind.ledger
            self.report.summary.append(
                f"{kind.name}: {len(ledger.sent)} sent, {len(ledger.acknowledged)} acknowledged, {len(some)} there, "
                f"{count} measured"
            )

    def _sum_up(self, found: list[list[Found]]) -> None:
        self.report.kept = sum(
            one.word not in kind.ledger.acknowledged
            for kind, some in zip(self._kinds, found, strict=True)
            for one in some
        )
        deliveries = self._receiver.deliveries
        events = {one.event["id"] for one in deliveries}
        self.report.summary.append(
            f"{self.report.kept} were kept although the kill came before their answer; {len(deliveries)} deliveries of "
            f"{len(events)} events, {self._receiver.refused} refused"
        )

    def _wounds(self) -> Wounds:
        return autopsy.look(self._data, self._receiver.attempts(), self._kinds)

    def _unanswered(self, life: int) -> int:
        return sum(len(kind.ledger.unanswered(life)) for kind in self._kinds)

    def _acknowledged(self) -> int:
        return sum(len(kind.ledger.acknowledged) for kind in self._kinds)


async def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = monotonic() + _MOMENT_S
    while not holds():
        assert monotonic() < deadline, otherwise
        await asyncio.sleep(0.002)
