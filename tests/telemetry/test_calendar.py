"""Whole steps of the calendar, wherever the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import InvalidError
from trunkline.telemetry import calendar
from trunkline.telemetry.calendar import STEPS, whole

ZONES = ["UTC", "Europe/Zagreb", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "America/Sao_Paulo"]
MOMENTS = st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - its form


@given(step=st.sampled_from(sorted(STEPS)), zone=st.sampled_from(ZONES), start=MOMENTS, days=st.floats(0, 500))
def test_a_span_is_widened_to_whole_steps(step: str, zone: str, start: datetime, days: float) -> None:
    """By less than a step at either end; what is whole stays as it is."""
    end = start + timedelta(days=days)
    first, last = whole(step, zone, start, end)
    longest = timedelta(seconds=STEPS[step].seconds * 1.04) + timedelta(hours=2)
    assert first <= start <= end <= last
    assert start - first < longest
    assert last - end < longest
    assert whole(step, zone, first, last) == (first, last)


@given(step=st.sampled_from(sorted(STEPS)), zone=st.sampled_from(ZONES), start=MOMENTS)
def test_a_step_begins_where_the_wall_says(step: str, zone: str, start: datetime) -> None:
    """At the first second of an hour, day, week, month … there."""
    first, _ = whole(step, zone, start, start + timedelta(seconds=1))
    wall = first.astimezone(calendar.zone(zone))
    assert wall.second == wall.microsecond == 0
    if step == "minute":
        return
    assert wall.minute == 0
    if step == "hour":
        return
    # where midnight is left out, the day begins at one
    assert wall.hour <= 1
    weekday = {"week": 0, "week from sunday": 6, "week from saturday": 5}.get(step)
    assert weekday is None or wall.weekday() == weekday
    if step in {"month", "quarter", "year"}:
        assert wall.day == 1
    if step == "quarter":
        assert wall.month in {1, 4, 7, 10}
    if step == "year":
        assert wall.month == 1


@pytest.mark.parametrize("years", [(1890, 1900), (2100, 2200), (1, 9999)])
def test_years_beyond_the_calendar_are_refused(years: tuple[int, int]) -> None:
    """As for any step."""
    with pytest.raises(InvalidError):
        whole("day", "UTC", *(datetime(year, 1, 1, tzinfo=UTC) for year in years))
