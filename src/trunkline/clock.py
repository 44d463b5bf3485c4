"""Time comes in from outside: the real clock, and one that tests turn by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets a task wait for a moment."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that many seconds of this clock have passed."""
        ...


class RealClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


class TurnedClock:
    """A clock that stands still until `advance` turns it; sleepers wake in the order of their moments."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """Return the moment the clock shows."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been turned past that moment."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), sleeper))
        await sleeper

    def advance(self, seconds: float) -> None:
        """Turn the clock forward and wake whoever waited for a moment now past.

        Call it on the event loop's own thread.
        """
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)


def milliseconds(moment: datetime) -> int:
    """Return the moment as whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def from_milliseconds(value: int) -> datetime:
    """Return the moment that many milliseconds after 1970, in UTC."""
    return datetime.fromtimestamp(value / 1000, UTC)


def rfc3339(moment: datetime, digits: int = 3) -> str:
    """Return the moment as RFC 3339 text in UTC with 0 to 7 fractional digits, ending in Z."""
    moment = moment.astimezone(UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    if digits:
        text += "." + f"{moment.microsecond:06d}0"[:digits]
    return text + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read RFC 3339 text with any number of fractional digits; a missing zone means UTC.

    Raises ValueError when it is not such a text.
    """
    head, dot, tail = text.strip().partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def monotonic() -> float:
    """Return seconds on a clock that never goes back; for durations only."""
    return time.perf_counter()
