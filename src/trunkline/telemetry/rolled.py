"""Which questions a rollup answers, and what they read then: whole minutes of it, and of the facts what is beside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from trunkline.catalogue.rows import Measure
from trunkline.clock import from_microseconds, microseconds
from trunkline.telemetry import calendar
from trunkline.telemetry.plan import Plan, joined, naive
from trunkline.telemetry.questions import Condition, Series
from trunkline.telemetry.rollups import MINUTE_US, Rollup, rollups

_FEWEST = timedelta(minutes=2)
_MINUTE_S = 60
_AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})


def rolled_up(question: Series, table: str, measures: Iterable[Measure]) -> Plan | None:
    """Return what a question reads instead of a table's facts, under the table's name; None where it cannot.

    Percentiles, distinct counts and columns that the rollup has not, and steps that cut a minute, need the facts.
    """
    rollup = rollups().get(table)
    plain = [condition for condition in question.where if isinstance(condition, Condition)]
    if rollup is None or len(plain) < len(question.where):
        return None
    lacks = {*question.by, *(condition.column for condition in plain)} - set(rollup.by)
    if lacks or not all(_is_made(rollup, measure) for measure in measures) or not _has_whole_minutes(question):
        return None
    first, last = _up(question.start), _down(question.end)
    if last - first < _FEWEST:
        return None
    columns = ["happened_at", *rollup.by]
    minutes = Plan(
        f"SELECT {', '.join([*columns, *rollup.sums])} FROM {rollup.name} "  # noqa: S608 - names only
        "WHERE happened_at >= ? AND happened_at < ?",
        (naive(first), naive(last)),
    )
    made = [f"{what} AS {name}" for name, what in rollup.of_one.items()]
    beside = [
        Plan(
            f"SELECT {', '.join([*columns, *made])} FROM {table} WHERE happened_at >= ? AND happened_at < ?",  # noqa: S608
            (naive(start), naive(end)),
        )
        for start, end in ((question.start, first), (last, question.end))
        if start < end
    ]
    read = joined(" UNION ALL ", [minutes, *beside])
    return Plan(f"({read.sql}) AS {table}", read.bound)


def _is_made(rollup: Rollup, measure: Measure) -> bool:
    """Tell whether a rollup holds what a measure is made of."""
    if measure.within_s or measure.least:
        return False
    columns = {*measure.where, *measure.unless}
    has_number = measure.agg == "count" or measure.column in rollup.numbers
    return measure.agg in _AGGREGATES and has_number and columns <= set(rollup.by)


def _has_whole_minutes(question: Series) -> bool:
    """Tell whether no step of a question begins within a minute."""
    if question.step:
        found = calendar.offsets(question.zone, question.start, question.end)
        return all(
            offset % MINUTE_US == 0 and _down(until) in {until, question.end} for until, offset in found[:-1]
        ) and (found[-1][1] % MINUTE_US == 0)
    if question.step_s is None:
        return True
    return question.step_s % _MINUTE_S == 0 and _up(question.start) == question.start


def _down(moment: datetime) -> datetime:
    return from_microseconds(microseconds(moment) // MINUTE_US * MINUTE_US)


def _up(moment: datetime) -> datetime:
    return from_microseconds(-(-microseconds(moment) // MINUTE_US) * MINUTE_US)
