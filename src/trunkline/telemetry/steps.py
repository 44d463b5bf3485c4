"""Steps of time as parts of a plan: by a number of seconds, or by the calendar of a place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from trunkline.catalogue.columns import MOMENT
from trunkline.clock import microseconds
from trunkline.errors import InvalidError
from trunkline.telemetry import calendar
from trunkline.telemetry.dialects import Dialect
from trunkline.telemetry.plan import Plan, naive
from trunkline.telemetry.questions import Series

_LARGEST = 2**62
_MONDAY_US = microseconds(datetime(1899, 12, 25, tzinfo=UTC))
"""A Monday before every moment that steps of the calendar are for: what is counted from it is never negative."""


def step(question: Series, dialect: Dialect) -> Plan:
    """Plan which step of a question a fact belongs to: its number, or its beginning. Raises InvalidError."""
    if question.step:
        return _of_calendar(question, dialect)
    if question.step_s is None:
        return Plan("0")
    if not 0 < question.step_s <= _LARGEST // 1_000_000:
        raise InvalidError("A step is at least one second long.", target="step_s")
    return Plan(dialect.bucket, (microseconds(question.start), question.step_s * 1_000_000))


def _of_calendar(question: Series, dialect: Dialect) -> Plan:
    """Plan the beginning of a step on the wall clock of a place: whose offset changes at some moments."""
    wanted = calendar.STEPS[question.step]
    offset = _offset(question)
    back = Plan(f" - {offset.sql}", offset.bound) if wanted.is_clock else Plan("")  # an hour that comes twice is two
    if wanted.is_even:  # whole numbers are divided in a third of the time in which moments are truncated
        length_us, since = wanted.seconds * 1_000_000, _MONDAY_US - wanted.shift_us
        number = f"{dialect.moment_us.format(column=MOMENT)} + {offset.sql} - ?"
        begun = f"{dialect.divided.format(number=number)} * ? + ?"
        return Plan(begun + back.sql, (*offset.bound, since, length_us, length_us, since, *back.bound))
    if offset.bound == (0,):
        return Plan(dialect.truncated.format(unit=wanted.unit, moment=MOMENT))
    moment = dialect.shifted.format(offset=offset.sql)
    return Plan(dialect.truncated.format(unit=wanted.unit, moment=moment), offset.bound)


def _offset(question: Series) -> Plan:
    """Plan the offset from UTC that a place had when a fact happened, in microseconds."""
    offsets = calendar.offsets(question.zone, question.start, question.end)
    bound: list[Any] = []
    cases = ""
    for until, offset_us in offsets[:-1]:
        cases += f"WHEN {MOMENT} < ? THEN ? "
        bound += [naive(until), offset_us]
    bound.append(offsets[-1][1])
    return Plan(f"CASE {cases}ELSE ? END" if cases else "?", tuple(bound))
