"""Which facts are chosen and in which order: alternatives, lists of values, moments to order by, the latest value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.support.stores import empty, on_every_store
from tests.telemetry.batched import append
from trunkline.catalogue.facts import Call, Sample
from trunkline.catalogue.load import load
from trunkline.errors import InvalidError
from trunkline.telemetry.finding import found
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Either, Rows, Series
from trunkline.telemetry.store import Store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ENDS = {"start": NOW - timedelta(days=1), "end": NOW + timedelta(days=1)}
COUNTRIES, CODES = ("DE", "FR", "HR", ""), (0, 200, 486)
CALLS = [
    Call(
        happened_at=NOW + timedelta(seconds=number),
        resource="r",
        leg_id=f"leg-{number:02}",
        country=COUNTRIES[number % 4],
        sip_code=CODES[number % 3],
        ended_at=None if number % 5 == 0 else NOW + timedelta(seconds=(number * 7) % 12),
        extra={"line": "a"} if number % 2 else {},
    )
    for number in range(12)
]
CONDITIONS = st.one_of(
    st.builds(
        Condition,
        column=st.just("country"),
        values=st.lists(st.sampled_from(COUNTRIES), max_size=3).map(tuple),
        op=st.sampled_from(["is", "is not"]),
    ),
    st.builds(
        Condition,
        column=st.just("sip_code"),
        values=st.lists(st.sampled_from(list(map(str, CODES))), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Condition, column=st.just("extra.line"), values=st.just(("a", "b")), fold=st.booleans()),
)


def holds(condition: Condition | Either, call: Call) -> bool:
    """Tell whether a call meets a condition, in plain Python."""
    if isinstance(condition, Either):
        return any(all(holds(one, call) for one in those) for those in condition.of)
    column, _, key = condition.column.partition(".")
    value = call.extra.get(key, "") if key else str(getattr(call, column))
    return (value in condition.values) is (condition.op == "is")


def rows(store: Store, **given: Any) -> list[str]:
    """Return the legs of the calls that are chosen, in their order."""
    question = Rows(fact="calls", **{**ENDS, **given})
    return [row[2] for row in found(store, Planner(load().measures, store.dialect), question)]


@on_every_store(
    60,
    where=st.lists(
        CONDITIONS | st.builds(Either, of=st.lists(st.lists(CONDITIONS, max_size=2).map(tuple), max_size=3).map(tuple)),
        max_size=3,
    ),
)
def test_conditions_and_alternatives_choose_what_they_say(store: Store, where: list[Condition | Either]) -> None:
    """All conditions, and of each alternative one; the same in every engine."""
    store.forget("calls", NOW + timedelta(days=1))
    append(store, {"calls": CALLS})
    expected = [call.leg_id for call in CALLS if all(holds(one, call) for one in where)]
    assert rows(store, where=tuple(where)) == expected


def test_calls_are_ordered_by_any_moment_that_they_have(store: Store) -> None:
    """Those that lack it come last, whichever way; ties go by their ids."""
    empty(store, "calls")
    append(store, {"calls": CALLS})
    ended = [call for call in CALLS if call.ended_at is not None]
    lacking = [call.leg_id for call in CALLS if call.ended_at is None]
    rising = [call.leg_id for call in sorted(ended, key=lambda call: (call.ended_at or NOW, call.leg_id))]
    assert rows(store, order="ended_at") == rising + lacking
    newest = rows(store, order="ended_at", newest_first=True)
    assert newest[: len(ended)] == sorted(rising, key=lambda leg: next(
        (call.ended_at or NOW, leg) for call in ended if call.leg_id == leg), reverse=True)  # fmt: skip
    assert set(newest[len(ended) :]) == set(lacking)
    for order in ("country", "nothing", "older"):
        with pytest.raises(InvalidError):
            rows(store, order=order)


def test_the_latest_value_is_that_of_the_last_reading_that_has_one(store: Store) -> None:
    """None where no reading has one."""
    empty(store, "samples")
    readings = [(3, 30), (1, 10), (2, 20), (4, None)]
    append(
        store,
        {
            "samples": [
                Sample(happened_at=NOW + timedelta(seconds=at), resource="r", call_id="c", total_packets_lost=lost)
                for at, lost in readings
            ]
        },
    )
    question = Series(measures=("samples.total_packets_lost", "samples.total_jitter_avg"), **ENDS)
    ((_, lost, jitter),) = store.answer(Planner(load().measures, store.dialect).plan(question))
    assert (lost, jitter) == (30, None)
