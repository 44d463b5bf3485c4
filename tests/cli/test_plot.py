"""Quick plots for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.apis.trunkline.tabled import ABOUT, About
from trunkline.cli import plot
from trunkline.library.answer import Answer

START = datetime(2026, 3, 27, 23, tzinfo=UTC)


def answer(end: datetime = START + timedelta(days=1), **columns: list[Any]) -> Answer:
    """Make an answer."""
    about = msgspec.json.encode(About(start=START, end=end, at="at" if "at" in columns else ""))
    return Answer(pa.table(columns).replace_schema_metadata({ABOUT: about}))


def test_bars_are_as_long_as_their_share() -> None:
    """In eighths of a letter; what is not known has none."""
    found = answer(country=["HR", "US", None, ""], n=[20, 10, 5, None])
    assert [*plot.bars(found, ["country"], ["n"], 42)] == [
        "n",
        f"HR        {'█' * 20} 20",
        f"US        {'█' * 10} 10",
        f"(others)  {'█' * 5} 5",
        '""',
    ]


def test_lines_show_each_split_over_time() -> None:
    """From zero to the most of each; a step without anything stays empty."""
    hours = [START + timedelta(hours=hour) for hour in (0, 2, 3, 0)]
    found = answer(START + timedelta(hours=5), at=hours, country=["HR", "HR", "HR", "US"], n=[7, 14, 0, 3])
    later = plot.steps("hour", "UTC")
    assert [*plot.lines(found, ["country"], ["n"], later, 80)] == [
        "n",
        "HR  ▅ █▁   0 to 14",
        "US  █      3 to 3",
    ]
    assert [*plot.lines(answer(at=[], n=[]), [], ["n"], later, 80)] == ["n"]


def test_splits_that_begin_alike_stay_lines_of_their_own() -> None:
    """Users of a resource share the first 43 characters of their ids, of which 40 are shown."""
    users = [f"8:acs:8d0de54a-ca74-4b37-89d5-9d14a3b28f80_{number}" for number in (1, 2)]
    found = answer(START + timedelta(hours=1), at=[START, START], caller=users, n=[7, 3])
    drawn = [*plot.lines(found, ["caller"], ["n"], plot.steps("hour", "UTC"), 80)]
    assert [line.rpartition("  ")[2] for line in drawn[1:]] == ["7 to 7", "3 to 3"]


@pytest.mark.parametrize(
    ("step", "count", "wanted"),
    [
        ("minute", 2, "2026-03-27T23:02"),
        ("hour", 26, "2026-03-29T01:00"),
        ("day", 1, "2026-03-28T23:00"),
        ("day", 2, "2026-03-29T22:00"),  # a day of 23 hours
        ("week", -1, "2026-03-20T23:00"),
        ("month", 10, "2027-01-27T23:00"),
        ("quarter", -1, "2025-12-27T23:00"),
        ("year", 1, "2027-03-27T23:00"),
    ],
)
def test_steps_are_counted_on_the_wall_clock(step: str, count: int, wanted: str) -> None:
    """Where a day may have 23 hours, and a month 28 days."""
    assert f"{plot.steps(step, 'Europe/Zagreb')(START, count):%Y-%m-%dT%H:%M}" == wanted


@example([2.2250738585e-313], 10)
@given(st.lists(st.none() | st.floats(-1e9, 1e9) | st.integers(-9, 9), min_size=1, max_size=300), st.integers(10, 60))
def test_any_values_fit_their_space(values: list[float | None], space: int) -> None:
    """None is shown outside of it, whatever the values are."""
    drawn = plot._spark(values, space)
    assert len(drawn) <= space
    assert set(drawn) <= {" ", *plot.HEIGHTS}
