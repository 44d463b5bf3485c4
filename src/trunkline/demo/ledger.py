"""Tells the server of the demo's calls: thirty days of them at once, then each as it happens, as often as it starts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from trunkline.clock import Clock, parse_rfc3339, rfc3339
from trunkline.demo import CALLS
from trunkline.demo.calls import LONGEST_S, Leg, legs
from trunkline.demo.client import Client
from trunkline.demo.networks import HOURS
from trunkline.errors import UnavailableError
from trunkline.sources.chunks import LINES, packed

TICK_S = 30
CATCH_UP_S = 24 * 3600
_ROWS = 5000
_SECONDS = ("happened_at", "seized_at", "answered_at", "ended_at", "revised_at")
Facts = dict[str, list[dict[str, Any]]]
"""Rows by the name of their facts, as they are posted."""


class Ledger:
    """The calls of a demo that began at a moment; the same seed and moment tell the same ones."""

    def __init__(self, client: Client, clock: Clock, begun: datetime, seed: str = CALLS) -> None:
        self._client = client
        self._clock = clock
        self._begun = begun.replace(microsecond=0)
        self._seed = seed
        self._mark = hashlib.sha256(f"trunkline demo 1 {seed} {rfc3339(self._begun)}".encode()).hexdigest()

    async def bring(self) -> None:
        """Import the calls before the start, unless they are there. Raises UnavailableError."""
        known = await self._client.owned("GET", f"/api/v1/imports/{self._mark}?fact=calls")
        if known.status == 200 and known.body["chunks"]:
            return  # they come last, as one
        chunks = await asyncio.to_thread(lambda: list(self.chunks()))
        for fact, number, body in chunks:
            await self._post(fact, body, {"Trunkline-Chunk": f"{self._mark}/{number}", "Content-Encoding": "zstd"})

    def chunks(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield what was before the start: the facts, the number of the chunk, and its lines, packed."""
        found = self.history()
        for fact in ("call-events", "samples", "calls"):
            rows = found[fact]
            at_once = len(rows) if fact == "calls" else _ROWS
            for number, first in enumerate(range(0, len(rows), at_once), 1):
                yield fact, number, packed(_lines(rows[first : first + at_once]))

    def history(self) -> Facts:
        """Return what was known at the start."""
        those = [leg for hour in range(-HOURS, 0) for leg in legs(self._seed, hour)]
        return {
            "calls": [self._dated(leg.known(0)) for leg in those],
            "samples": self._between(those, "readings", -HOURS * 3600, 0),
            "call-events": self._between(those, "events", -HOURS * 3600, 0),
        }

    def happened(self, first_s: float, last_s: float) -> Facts:
        """Return what became known from one second after the start until before another."""
        those = list(self._legs(first_s - LONGEST_S, last_s))
        told = [leg for leg in those if any(first_s <= moment < last_s for moment in leg.moments())]
        return {
            "calls": [self._dated(leg.known(last_s)) for leg in told],
            "samples": self._between(those, "readings", first_s, last_s),
            "call-events": self._between(those, "events", first_s, last_s),
        }

    async def run(self) -> None:
        """Bring what was, and tell what happens until cancelled. Raises UnavailableError."""
        await self.bring()
        at_s = await self._resume()
        while True:
            now_s = (self._clock.now() - self._begun).total_seconds()
            while at_s + TICK_S <= now_s:
                await self._tell(self.happened(at_s, at_s + TICK_S), at_s)
                at_s += TICK_S
            await self._clock.sleep(max(0.1, at_s + TICK_S - now_s))

    async def _resume(self) -> int:
        """Tell how the last calls ended that are there; return where to go on, a day ago at most."""
        newest_s = await self._newest_s()
        now_s = (self._clock.now() - self._begun).total_seconds()
        first_s = int(max(0, newest_s, now_s - CATCH_UP_S) // TICK_S * TICK_S)
        if first_s > max(0, newest_s):  # it was away for longer than is caught up
            late = [leg for leg in self._legs(newest_s - LONGEST_S, newest_s) if leg.at_s <= newest_s]
            await self._tell({"calls": [self._dated(leg.known(first_s)) for leg in late]}, first_s)
        return first_s

    async def _newest_s(self) -> float:
        question = {"fact": "calls", "since": "52w", "newest_first": True, "limit": 1}
        answer = await self._client.owned("POST", "/api/v1/facts", msgspec.json.encode(question))
        if answer.status != 200:
            raise UnavailableError(f"The demo's calls cannot be listed (HTTP {answer.status}).")
        rows = answer.body["rows"]
        if not rows:
            return 0.0
        return (parse_rfc3339(rows[0]["happened_at"]) - self._begun).total_seconds()

    async def _tell(self, found: Facts, at_s: int) -> None:
        """Post what there is; told again by the same words it counts once."""
        for fact, rows in found.items():
            if rows:
                key = {} if fact == "calls" else {"Idempotency-Key": f"{self._mark[:40]} {at_s}"}
                await self._post(fact, _lines(rows), key)

    async def _post(self, fact: str, body: bytes, headers: dict[str, str]) -> None:
        answer = await self._client.owned("POST", f"/api/v1/{fact}", body, {"Content-Type": LINES, **headers})
        if answer.status != 200:
            raise UnavailableError(f"The demo's {fact} were not taken (HTTP {answer.status}).")

    def _legs(self, first_s: float, last_s: float) -> Iterator[Leg]:
        """Yield the legs that begin in a span, and those of the hours at its ends."""
        for hour in range(int(first_s // 3600), int(last_s // 3600) + 1):
            if hour >= -HOURS:
                yield from legs(self._seed, hour)

    def _between(self, those: Iterable[Leg], kind: str, first_s: float, last_s: float) -> list[dict[str, Any]]:
        return [
            {**fact, "happened_at": self._moment(at_s)}
            for leg in those
            for at_s, fact in getattr(leg, kind)
            if first_s <= at_s < last_s
        ]

    def _dated(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {name: self._moment(row[name]) for name in _SECONDS if name in row}

    def _moment(self, at_s: float) -> datetime:
        return self._begun + timedelta(seconds=at_s)


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, rows))
