"""Timespans and time grains: how Azure Monitor's clients write them, and how they are written back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote

from trunkline.clock import parse_rfc3339, rfc3339
from trunkline.errors import InvalidError

GRAINS = {
    "PT1M": timedelta(minutes=1),
    "PT5M": timedelta(minutes=5),
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
    "PT6H": timedelta(hours=6),
    "PT12H": timedelta(hours=12),
    "P1D": timedelta(days=1),
}
RETENTION = timedelta(days=93)
USUAL = timedelta(hours=1)
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,5}(?:\.\d{1,9})?)W)?(?:(?P<days>\d{1,6}(?:\.\d{1,9})?)D)?"
    r"(?:T(?:(?P<hours>\d{1,7}(?:\.\d{1,9})?)H)?(?:(?P<minutes>\d{1,9}(?:\.\d{1,9})?)M)?"
    r"(?:(?P<seconds>\d{1,10}(?:\.\d{1,9})?)S)?)?\Z",
    re.IGNORECASE | re.ASCII,
)
_BARE_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)", re.IGNORECASE | re.ASCII)


class Span(NamedTuple):
    """From a moment (included) to another (not included)."""

    start: datetime
    end: datetime

    @property
    def floored(self) -> datetime:
        """The whole minute in which the span starts; buckets are counted from there."""
        return self.start.replace(second=0, microsecond=0)

    def buckets(self, grain: timedelta | None) -> int:
        """Count the buckets of the span; without a grain there is one."""
        return 1 if grain is None else -((self.floored - self.end) // grain)

    def __str__(self) -> str:
        return f"{moment_text(self.start)}/{moment_text(self.end)}"


def read_timespan(text: str, now: datetime) -> Span:
    """Read `start/end`, `start/duration`, `duration/end` or a bare duration; empty means the last hour.

    What was encoded twice is decoded once more; a missing zone is UTC. Raises InvalidError.
    """
    text = _decoded(text)
    if not text:
        return Span(now - USUAL, now)
    first, slash, second = text.partition("/")
    try:
        if not slash:
            return _checked(Span(now - duration(first), now), now)
        if first[:1].upper() == "P":
            end = parse_rfc3339(second)
            return _checked(Span(end - duration(first), end), now)
        start = parse_rfc3339(first)
        end = start + duration(second) if second[:1].upper() == "P" else parse_rfc3339(second)
        return _checked(Span(start, end), now)
    except (ValueError, OverflowError) as error:
        raise InvalidError(
            f"Invalid timespan: {text}. It is start/end, start/duration, duration/end or a duration, in ISO 8601.",
            target="timespan",
        ) from error


def read_times(start: str, end: str, now: datetime) -> Span:
    """Read the batch's `starttime` and `endtime`; the end alone is an error. Raises InvalidError."""
    start, end = _decoded(start), _decoded(end)
    if not start:
        if end:
            raise InvalidError("endtime needs starttime beside it.", target="endtime")
        return Span(now - USUAL, now)
    try:
        return _checked(Span(parse_rfc3339(start), parse_rfc3339(end) if end else now), now)
    except (ValueError, OverflowError) as error:
        raise InvalidError("starttime and endtime must be moments in ISO 8601.", target="starttime") from error


def duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and (decimal) seconds.

    Raises ValueError when it is none, or is zero; OverflowError when it is longer than time is.
    """
    found = _DURATION.match(text.strip())
    parts = {name: float(value) for name, value in found.groupdict().items() if value} if found else {}
    length = timedelta(**parts)
    if not length:
        raise ValueError(text)
    return length


def duration_text(length: timedelta) -> str:
    """Write a duration in ISO 8601."""
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    parts = [
        f"{hours}H" if hours else "",
        f"{minutes}M" if minutes else "",
        f"{seconds}{fraction}S" if seconds or fraction else "",
    ]
    days = f"{length.days}D" if length.days else ""
    time = "".join(parts)
    return f"P{days}T{time}" if time else f"P{days or 'T0S'}"


def moment_text(moment: datetime) -> str:
    """Write a moment in UTC, to the second when nothing finer is in it."""
    return rfc3339(moment, 6 if moment.microsecond else 0)


def dotted(length: timedelta) -> str:
    """Write a duration as the service's messages do: `[days.]hours:minutes:seconds`."""
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{length.days}." if length.days else ""
    return f"{days}{hours:02d}:{minutes:02d}:{seconds:02d}"


def read_grain(text: str, names: list[str], trace_id: str, *, adjust: bool) -> timedelta | None:
    """Read `interval` for these metrics: one of the grains, or None for FULL; empty means a minute.

    With `adjust`, the nearest grain stands in for one that there is not. Raises InvalidError.
    """
    text = _decoded(text) or "PT1M"
    if text.upper() == "FULL":
        return None
    allowed = ",".join(dotted(grain) for grain in GRAINS.values())
    invalid = InvalidError(f"Invalid time grain duration: {text}, supported ones are: {allowed}", target="interval")
    try:
        wanted = duration(text)
    except (ValueError, OverflowError):
        raise invalid from None
    if wanted in GRAINS.values():
        return wanted
    if adjust:
        return min(GRAINS.values(), key=lambda grain: abs(grain - wanted))
    if len(names) == 1:
        raise invalid
    raise InvalidError(
        f"Commonly allowed time grains: {allowed} between metrics: {','.join(names)}, can not support requested time "
        f"grain: {dotted(wanted)} please adjust your interval parameter to use one of the common grains, "
        f"TraceId: {trace_id}",
        target="interval",
    )


def _decoded(text: str) -> str:
    # one client encodes twice; others leave the plus of a zone bare, which arrives as a blank
    text = (unquote(text) if "%" in text else text).strip()
    return _BARE_PLUS.sub(r"\1+\2", text)


def _checked(span: Span, now: datetime) -> Span:
    if span.start >= span.end:
        raise InvalidError(f"The timespan {span} ends before it starts.", target="timespan")
    if span.end < now - RETENTION:
        end = span.end
        hour = f"{end.hour % 12 or 12}:{end.minute:02d}:{end.second:02d} {'AM' if end.hour < 12 else 'PM'}"
        raise InvalidError(
            f"Query endTime: {end.month}/{end.day}/{end.year} {hour} is out of the Max metrics retention period: "
            f"{dotted(RETENTION)}",
            target="timespan",
        )
    return span
