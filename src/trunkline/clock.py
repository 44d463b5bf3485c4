"""Time comes in from outside: the real clock, and one that tests turn by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
import time
from contextlib import suppress
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


class TurnableClock:
    """A clock that runs, and can be turned forward: whoever slept until a moment now past wakes at once."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._turned: set[asyncio.Event] = set()

    def now(self) -> datetime:
        """Return the moment the clock shows."""
        return datetime.now(UTC) + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Wait until that many seconds of this clock have passed, or have been turned past."""
        end = self.now() + timedelta(seconds=seconds)
        turned = asyncio.Event()
        self._turned.add(turned)
        try:
            while (left := (end - self.now()).total_seconds()) > 0:
                turned.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(turned.wait(), left)
            await asyncio.sleep(0)
        finally:
            self._turned.discard(turned)

    def advance(self, seconds: float) -> None:
        """Turn the clock forward; call it on the event loop's own thread."""
        self._ahead += timedelta(seconds=seconds)
        for turned in self._turned:
            turned.set()


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<minute>\d\d:\d\d)(?P<second>:\d\d(?:[.,](?P<fraction>\d+))?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.IGNORECASE | re.ASCII,
)


def milliseconds(moment: datetime) -> int:
    """Return the moment as whole milliseconds since 1970, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(value: int) -> datetime:
    """Return the moment that many milliseconds after 1970, in UTC."""
    return EPOCH + timedelta(milliseconds=value)


def microseconds(moment: datetime) -> int:
    """Return the moment as whole microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Return the moment that many microseconds after 1970, in UTC."""
    return EPOCH + timedelta(microseconds=value)


def rfc3339(moment: datetime, digits: int = 3) -> str:
    """Return the moment as RFC 3339 text in UTC with 0 to 7 fractional digits, ending in Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    if digits == 3:
        return moment.isoformat(timespec="milliseconds")[:23] + "Z"
    text = moment.isoformat(timespec="seconds")[:19]
    if digits:
        text += "." + f"{moment.microsecond:06d}0"[:digits]
    return text + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read RFC 3339 text with any number of fractional digits; also a date alone, or a time without seconds.

    A missing zone means UTC. Raises ValueError when it is not such a text, or no moment of years 1 to 9999.
    """
    found = _RFC3339.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a moment as RFC 3339 writes it.")
    day, minute, second, fraction, zone = found.group("day", "minute", "second", "fraction", "zone")
    plain = f"{day}T{minute or '00:00'}{(second or ':00')[:3]}.{(fraction or '')[:6].ljust(6, '0')}"
    try:
        return datetime.fromisoformat(plain + (zone or "Z").upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is no moment of the years 1 to 9999.") from error


def monotonic() -> float:
    """Return seconds on a clock that never goes back; for durations only."""
    return time.perf_counter()
