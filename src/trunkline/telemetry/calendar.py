"""Steps of the calendar: hours, days, weeks, months … on the wall clock of a place, as its offsets from UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from trunkline.clock import EPOCH
from trunkline.errors import InvalidError

_DAY_S = 86_400
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LONGEST_ZONE = 60
_PROBE = timedelta(days=7)  # no place changes its clock more than once within


@dataclass(frozen=True)
class Step:
    """A step: the unit in which the engine truncates, how long it is about, and by how much its weeks are shifted.

    `is_clock` marks those that are shorter than a day: they begin at a moment, and not on a date.
    """

    unit: str
    seconds: int
    shift_us: int = 0
    is_clock: bool = False

    @property
    def is_even(self) -> bool:
        """Whether all of them are equally long on the wall."""
        return self.unit in {"minute", "hour", "day", "week"}


STEPS = {
    "minute": Step("minute", 60, is_clock=True),
    "hour": Step("hour", 3600, is_clock=True),
    "day": Step("day", _DAY_S),
    "week": Step("week", 7 * _DAY_S),
    "week from sunday": Step("week", 7 * _DAY_S, _DAY_S * 1_000_000),
    "week from saturday": Step("week", 7 * _DAY_S, 2 * _DAY_S * 1_000_000),
    "month": Step("month", 30 * _DAY_S),
    "quarter": Step("quarter", 91 * _DAY_S),
    "year": Step("year", 365 * _DAY_S),
}


@lru_cache(100)
def zone(name: str) -> ZoneInfo:
    """Return a time zone by its name, as in Europe/Zagreb; raises InvalidError."""
    try:
        if len(name) <= _LONGEST_ZONE:
            return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # names that are paths, folders, nothing
        pass
    raise InvalidError(f"There is no time zone {name[:_LONGEST_ZONE]!r}; one is called Europe/Zagreb.", target="zone")


def offsets(name: str, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
    """Return the offsets from UTC that a place has over a span: each with the moment until which it holds.

    Microseconds, in order of time; the last one holds to the end. Raises InvalidError outside the years 1900 to 2200.
    """
    place = zone(name)
    if not _EARLIEST <= start <= end <= _LATEST:
        raise InvalidError("Steps of the calendar are for the years 1900 to 2200.", target="step")
    found: list[tuple[datetime, int]] = []
    at, offset = start, _offset(place, start)
    while at < end:
        then = min(at + _PROBE, end)
        after = _offset(place, then)
        if after != offset:
            found.append((_change(place, at, then), offset))
            offset = after
        at = then
    return [*found, (end, offset)]


def _change(place: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the second from which the offset is that of `after`."""
    low, high = before, after
    wanted = _offset(place, after)
    while high - low > timedelta(seconds=1):
        middle = low + ((high - low) // 2)
        low, high = (low, middle) if _offset(place, middle) == wanted else (middle, high)
    return high.replace(microsecond=0)


def _offset(place: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(place).utcoffset()
    return offset // timedelta(microseconds=1) if offset is not None else 0


def beginning(step: str, name: str, value_us: int) -> datetime:
    """Return the moment at which an answered step begins, in UTC.

    `value_us` is what the engine gave: the moment itself for steps of the clock, else the date on the wall there.
    """
    moment = EPOCH + timedelta(microseconds=value_us)
    if STEPS[step].is_clock:
        return moment
    return moment.replace(tzinfo=zone(name)).astimezone(UTC)


def whole(step: str, name: str, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return a span widened to whole steps of the calendar of a place, in UTC. Raises InvalidError.

    The first step begins at `start` or before it, the last one ends at `end` or after it.
    """
    if not _EARLIEST <= start <= end < _LATEST:
        raise InvalidError("Steps of the calendar are for the years 1900 to 2200.", target="step")
    first, last = _beginning_before(step, name, start), _beginning_before(step, name, end)
    return first, end if last == end else _next(step, name, last)


def _beginning_before(step: str, name: str, moment: datetime) -> datetime:
    """Return the moment at which the step began in which a moment lies."""
    place, of = zone(name), STEPS[step]
    wall = moment.astimezone(place)
    if of.is_clock:
        past = timedelta(minutes=wall.minute if of.unit == "hour" else 0, seconds=wall.second)
        return moment - past - timedelta(microseconds=wall.microsecond)
    date = wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if of.unit == "week":
        date -= timedelta(days=(date.weekday() + of.shift_us // (_DAY_S * 1_000_000)) % 7)
    elif of.unit != "day":
        months = {"month": 1, "quarter": 3, "year": 12}[of.unit]
        date = date.replace(month=(date.month - 1) // months * months + 1, day=1)
    return date.replace(tzinfo=place).astimezone(UTC)


def _next(step: str, name: str, beginning: datetime) -> datetime:
    """Return the moment at which the step after one begins."""
    of = STEPS[step]
    if of.is_clock:
        return beginning + timedelta(seconds=of.seconds)
    # a step and a half later lies in the next one, however long months, years and days are
    wall = beginning.astimezone(zone(name)).replace(tzinfo=None)
    after = (wall + timedelta(seconds=of.seconds * 3 // 2)).replace(tzinfo=zone(name))
    return _beginning_before(step, name, after.astimezone(UTC))
