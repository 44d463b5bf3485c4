"""Time: told, turned, written and read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.clock import RealClock, TurnedClock, from_milliseconds, milliseconds, parse_rfc3339, rfc3339

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@settings(deadline=None)
@given(st.integers(-62_000_000_000_000, 250_000_000_000_000))
def test_milliseconds_come_back_as_they_were(value: int) -> None:
    """Message ids are moments: not one may move by one."""
    assert milliseconds(from_milliseconds(value)) == value
    assert milliseconds(from_milliseconds(value) + timedelta(microseconds=999)) == value


@settings(deadline=None)
@given(MOMENTS, st.integers(0, 7))
def test_a_moment_comes_back_from_its_text_as_far_as_its_digits_say(moment: datetime, digits: int) -> None:
    """It is cut, never rounded up."""
    text = rfc3339(moment, digits)
    assert len(text) == len("2026-11-21T12:00:00Z") + (digits + 1 if digits else 0)
    unit = 10 ** max(0, 6 - digits)
    assert parse_rfc3339(text) == moment.replace(microsecond=moment.microsecond // unit * unit)


@settings(deadline=None)
@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_moment_of_any_zone_is_the_same_moment(moment: datetime, minutes: int) -> None:
    """The text is in UTC, whatever zone the moment is in."""
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert rfc3339(elsewhere, 6) == rfc3339(moment, 6)
    assert parse_rfc3339(elsewhere.isoformat()) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T12:00:00Z", NOW),
        ("2026-11-21t12:00:00z", NOW),
        ("2026-11-21 12:00:00", NOW),
        (" 2026-11-21T12:00Z ", NOW),
        ("2026-11-21T13:00:00+01:00", NOW),
        ("2026-11-21T13:00:00+0100", NOW),
        ("2026-11-21T13:00:00+01", NOW),
        ("2026-11-21T12:00:00.1Z", NOW + timedelta(milliseconds=100)),
        ("2026-11-21T12:00:00,1Z", NOW + timedelta(milliseconds=100)),
        ("2026-11-21T12:00:00.123456789Z", NOW + timedelta(microseconds=123_456)),
        ("2026-11-21", NOW - timedelta(hours=12)),
    ],
)
def test_a_moment_is_read_as_clients_write_it(text: str, moment: datetime) -> None:
    """A missing zone means UTC; digits beyond microseconds are dropped."""
    assert parse_rfc3339(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "20261121",
        "2026-W47-6",
        "2026-325",
        "12:00:00",
        "2026-11-21T",
        "2026-11-21T12",
        "2026-11-21T12:00.5Z",
        "2026-13-01T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-21T24:00:01Z",
        "2026-11-21T12:00:61Z",
        "2026-11-21T12:00:00+25:00",
        "2026-11-21T12:00:00.Z",
        "2026-11-21T12:00:00ZZ",
        "٢٠٢٦-11-21",
        "1.5",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_moment_is_a_value_error(text: str) -> None:
    """Other forms of ISO 8601, dates that do not exist, and moments before year 1."""
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789-:TZ+. ,")))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    """Nor OverflowError, nor anything else."""
    with suppress(ValueError):
        assert parse_rfc3339(text).tzinfo is UTC


def test_the_real_clock_tells_aware_time_and_sleeps() -> None:
    """In UTC."""
    clock = RealClock()
    assert clock.now().tzinfo is UTC
    asyncio.run(clock.sleep(0))


def test_sleepers_wake_in_the_order_of_their_moments() -> None:
    """However far the clock is turned at once; who sleeps longer sleeps on."""
    woken: list[int] = []

    async def work() -> None:
        clock = TurnedClock()

        async def sleep(number: int, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(number)

        tasks = [asyncio.ensure_future(sleep(number, seconds)) for number, seconds in enumerate((5, 1, 3, 1, 60))]
        await asyncio.sleep(0)
        clock.advance(0.5)
        await asyncio.sleep(0)
        assert woken == []
        tasks[2].cancel()
        clock.advance(9.5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == [1, 3, 0]
        clock.advance(50)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert woken == [1, 3, 0, 4]
        await clock.sleep(0)
        await clock.sleep(-1)

    asyncio.run(work())
