"""Timespans, durations and grains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.apis.azure.spans import (
    GRAINS,
    Span,
    dotted,
    duration,
    duration_text,
    read_grain,
    read_times,
    read_timespan,
)
from trunkline.errors import InvalidError

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


@given(st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=900_000)))
def test_a_duration_is_read_as_it_was_written(length: timedelta) -> None:
    """Writing and reading gives the same, to the microsecond."""
    assert abs(duration(duration_text(length)) - length) <= timedelta(microseconds=1)


@given(st.text())
def test_no_text_breaks_the_reader_of_timespans(text: str) -> None:
    """Whatever comes in is a span that ends after it starts, or is refused."""
    try:
        span = read_timespan(text, NOW)
    except InvalidError:
        return
    assert span.start < span.end


@given(st.text(alphabet="PT0123456789.DHMSW/Z:-"))
def test_no_duration_breaks_the_reader_of_timespans(text: str) -> None:
    """The same with texts that look nearly right."""
    try:
        span = read_timespan(text, NOW)
    except InvalidError:
        return
    assert span.start < span.end


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive by hypothesis' rule
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=40)),
    st.sampled_from(list(GRAINS.values())),
)
def test_the_buckets_cover_the_span_and_no_more(start: datetime, length: timedelta, grain: timedelta) -> None:
    """The last bucket starts before the span ends, and ends no earlier."""
    span = Span(start, start + length)
    count = span.buckets(grain)
    assert span.floored + grain * (count - 1) < span.end <= span.floored + grain * count


def test_a_grain_is_written_as_the_services_messages_do() -> None:
    """Days stand before a dot."""
    assert [dotted(grain) for grain in (*GRAINS.values(), timedelta(days=93))] == [
        "00:01:00",
        "00:05:00",
        "00:15:00",
        "00:30:00",
        "01:00:00",
        "06:00:00",
        "12:00:00",
        "1.00:00:00",
        "93.00:00:00",
    ]


def test_the_nearest_grain_stands_in_when_asked_to() -> None:
    """AutoAdjustTimegrain takes the nearest grain there is."""
    assert read_grain("PT7M", ["A"], "trace", adjust=True) == timedelta(minutes=5)
    assert read_grain("P30D", ["A"], "trace", adjust=True) == timedelta(days=1)


def test_an_end_needs_a_start() -> None:
    """A batch with endtime alone is refused; with starttime alone it goes on till now."""
    with pytest.raises(InvalidError, match="starttime"):
        read_times("", "2026-11-21T12:00:00Z", NOW)
    assert read_times("2026-11-21T11:00:00Z", "", NOW).end == NOW
    assert read_times("", "", NOW) == Span(NOW - timedelta(hours=1), NOW)
