"""The neutral questions as they are asked: spans in words, bounds checked, before they are planned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

import msgspec

from trunkline.catalogue.columns import tables as all_tables
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Calendar
from trunkline.catalogue.words import Dictionary, Word, nearest
from trunkline.clock import parse_rfc3339
from trunkline.errors import InvalidError
from trunkline.telemetry import calendar
from trunkline.telemetry.questions import Condition, Rows, Series, Top
from trunkline.telemetry.recorder import Recorder

MOST_STEPS = 10_000
MOST_NAMES = 20
MOST_POINTS = 100_000
MOST_ROWS = 1000
MOST_SKIPPED = 1_000_000
USUAL_SPAN = timedelta(hours=1)
Form = Literal["", "json", "csv", "arrow", "parquet"]
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_AGE = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Span(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every question has: a span, by moments or by words, and conditions. It is the last hour unless given."""

    start: datetime | None = None
    end: datetime | None = None
    since: str = ""
    until: str = ""
    zone: str = "UTC"
    where: tuple[Condition, ...] = ()
    format: Form = ""


class AskRequest(Span, kw_only=True, forbid_unknown_fields=True):
    """The body: measures over [start, end); see `Series`. `explain` gives how it would be answered instead."""

    measures: tuple[str, ...]
    step_s: int | None = None
    step: Calendar = ""
    by: tuple[str, ...] = ()
    top: Top | None = None
    limit: int = MOST_POINTS
    explain: bool = False


class RowsRequest(Span, kw_only=True, forbid_unknown_fields=True):
    """The body: the facts of a table themselves; see `Rows`."""

    fact: str
    id: str = ""
    newest_first: bool = False
    limit: int = 100
    skip: int = 0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question with the words in which it was asked: for the moments of its steps, its splits and its measures.

    `meant` says what those words mean that are a vendor's.
    """

    question: Series
    at: str
    by: tuple[str, ...]
    measures: tuple[str, ...]
    meant: dict[str, str]

    @property
    def is_stepped(self) -> bool:
        """Whether it is asked in steps."""
        return bool(self.question.step) or self.question.step_s is not None


@cache
def dictionary() -> Dictionary:
    """Return our names and vendors' words."""
    return Dictionary(load())


def series(body: AskRequest, now: datetime, also: Sequence[Condition] = ()) -> Asked:
    """Return the question, whose limit is one more than asked for: it tells whether there is more.

    `also` are conditions that must hold whatever is asked. Raises InvalidError.
    """
    start, end = span_of(body, now)
    known = dictionary()
    tables = {known.table(name) for name in body.measures} - {""}
    # several facts, or none: the planner says what is wrong
    words = {name: _word(known, table, name) for table in sorted(tables)[:1] for name in _columns_of(body)}
    steps = [name for name in body.by if name in words and words[name].step]
    body = _stepped(body, steps, words)
    _check(body, start, end)
    question = Series(
        measures=tuple(known.measure(name) for name in body.measures),
        start=start,
        end=end,
        step_s=body.step_s,
        by=tuple(words[name].column if name in words else name for name in body.by),
        where=(*(_meant(words, condition) for condition in body.where), *also),
        step=body.step,
        zone=body.zone,
        top=body.top,
        limit=body.limit + 1,
    )
    meant = {
        name: known.meanings[known.measure(name)] for name in body.measures if known.measure(name) in known.meanings
    }
    meant |= {name: word.meaning for name, word in words.items() if word.vendor}
    at = next((name for name in steps if words[name].step == question.step), "at")
    names = [at, *body.by, *body.measures]
    if len({*names}) < len(names):
        raise InvalidError("A name stands twice in the question.", target="measures")
    return Asked(question=question, at=at, by=body.by, measures=body.measures, meant=meant)


def explained(recorder: Recorder, asked: Asked) -> dict[str, Any]:
    """Return how a question would be answered: what vendors' words mean, the statement, what is bound to it."""
    plan = recorder.explain(asked.question)
    found = {"sql": plan.sql, "bound": [str(value) for value in plan.bound]}
    return {"meant": asked.meant, **found} if asked.meant else found


def _columns_of(body: AskRequest) -> list[str]:
    return [*body.by, *(condition.column for condition in body.where)]


def _word(known: Dictionary, table: str, name: str) -> Word:
    """Return what a name means as a column; raises InvalidError that names the nearest, vendors' words among them."""
    found = known.column(table, name)
    if found is None:
        raise InvalidError(f"{table} have no column {name!r}{nearest(name, known.columns(table))}.", target=name)
    return found


def _stepped(body: AskRequest, steps: Sequence[str], words: dict[str, Word]) -> AskRequest:
    """Take the steps of the calendar out of the splits: the finest counts. Raises InvalidError."""
    in_ranges = [name for name in body.by if name in words and words[name].in_ranges]
    if in_ranges:
        column = words[in_ranges[0]].column
        raise InvalidError(f"{in_ranges[0]} is {column} in ranges: ask where {column} is at least, or less than.")
    if not steps:
        return body
    if body.step or body.step_s is not None:
        raise InvalidError(f"{steps[0]} is a step: give no other.", target="step")
    finest = min((words[name].step for name in steps), key=lambda step: calendar.STEPS[step].seconds)
    rest = tuple(name for name in body.by if name not in steps)
    return msgspec.structs.replace(body, step=finest, by=rest)


def _meant(words: dict[str, Word], condition: Condition) -> Condition:
    """Return a condition in our words."""
    word = words.get(condition.column)
    if word is None:
        return condition
    if word.step:
        raise InvalidError(f"{condition.column} is a step; a span is given by since and until.", target="where")
    values = tuple(word.values.get(value, value) for value in condition.values)
    return msgspec.structs.replace(condition, column=word.column, values=values)


def rows(body: RowsRequest, now: datetime, also: Sequence[Condition] = ()) -> Rows:
    """Return the question for facts; see `series`."""
    start, end = span_of(body, now)
    _check_names(body.where)
    where = body.where
    if body.fact in all_tables():
        words = {one.column: _word(dictionary(), body.fact, one.column) for one in where}
        where = tuple(_meant(words, one) for one in where)
    if body.limit <= 0 or not 0 <= body.skip <= MOST_SKIPPED:
        raise InvalidError(f"limit is at least 1, skip from 0 to {MOST_SKIPPED}.", target="limit")
    return Rows(
        fact=body.fact,
        start=start,
        end=end,
        id=body.id,
        where=(*where, *also),
        newest_first=body.newest_first,
        limit=body.limit + 1,
        skip=body.skip,
    )


# --- spans ---


def span_of(body: Span, now: datetime) -> tuple[datetime, datetime]:
    """Return the span of a question; raises InvalidError."""
    if (body.since and body.start) or (body.until and body.end):
        raise InvalidError("Give a moment or words, not both.", target="since" if body.since else "until")
    given = _worded(now, body.until, body.zone, "until") if body.until else _utc(body.end, "end")
    end = given or now + timedelta(microseconds=1)
    begun = _worded(now, body.since, body.zone, "since") if body.since else _utc(body.start, "start")
    start = begun or max(end, _EARLIEST + USUAL_SPAN) - USUAL_SPAN
    if end <= start:
        raise InvalidError("The end must be after the start.", target="end")
    return start, end


def _worded(now: datetime, text: str, zone: str, name: str) -> datetime:
    """Read a moment in words: an age (15m, 2h, 7d, 2w), now, today, yesterday, or RFC 3339."""
    text = text.strip().lower()
    try:
        if found := _AGE.fullmatch(text):
            return now - timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
        if text == "now":
            return now + timedelta(microseconds=1)
        if text in {"today", "yesterday"}:
            place = calendar.zone(zone)
            date = now.astimezone(place).date() - timedelta(days=text == "yesterday")
            return datetime(date.year, date.month, date.day, tzinfo=place).astimezone(UTC)
        return parse_rfc3339(text.upper())
    except (ValueError, OverflowError) as error:
        raise InvalidError(
            f"{name} is an RFC 3339 moment, an age (15m, 2h, 7d, 2w), now, today or yesterday.", target=name
        ) from error


def _check(body: AskRequest, start: datetime, end: datetime) -> None:
    span_s = (end - start).total_seconds()
    if len(body.measures) > MOST_NAMES or len(body.by) > MOST_NAMES:
        raise InvalidError(f"At most {MOST_NAMES} measures and columns are taken.", target="measures")
    _check_names(body.where)
    if body.step and body.step_s is not None:
        raise InvalidError("Give step or step_s, not both.", target="step")
    if body.step_s is not None and not 0 < body.step_s <= span_s * 2:
        raise InvalidError("step_s is a number of seconds within the span.", target="step_s")
    step_s = calendar.STEPS[body.step].seconds if body.step else body.step_s
    if step_s is not None and span_s / step_s > MOST_STEPS:
        raise InvalidError(f"The span has more than {MOST_STEPS} steps; ask for longer ones.", target="step_s")
    if not 0 < body.limit <= MOST_POINTS:
        raise InvalidError(f"limit is from 1 to {MOST_POINTS}.", target="limit")


def _check_names(where: tuple[Condition, ...]) -> None:
    if len(where) > MOST_NAMES:
        raise InvalidError(f"At most {MOST_NAMES} conditions are taken.", target="where")


def _utc(moment: datetime | None, name: str) -> datetime | None:
    """Return a moment in UTC, which it is when it names no zone; raises InvalidError beyond the calendar's ends."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidError(f"{name} must be a moment of the years 1 to 9999.", target=name) from error
