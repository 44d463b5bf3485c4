"""Alternatives, ranges and what came soon: a question's finer parts, on every store, counted by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.support.stores import empty, on_every_store
from tests.telemetry.batched import append
from trunkline.catalogue.facts import Call, Message
from trunkline.catalogue.load import load
from trunkline.errors import InvalidError
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Either, Ranges, Series, Top
from trunkline.telemetry.store import Store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ENDS: dict[str, Any] = {"start": NOW, "end": NOW + timedelta(hours=1)}
BEGINS = (0.0, 1000.0, 5000.0)
SIPS = ("0", "200", "486")


def calls() -> st.SearchStrategy[Call]:
    """Make calls that rang for so long, or of which nothing is known."""
    return st.builds(
        Call,
        happened_at=st.just(NOW),
        resource=st.just("r"),
        leg_id=st.uuids().map(str),
        outcome=st.sampled_from(["", "busy", "answered"]),
        sip_code=st.sampled_from([0, 200, 486]),
        ring_ms=st.none() | st.sampled_from([0.0, 999.5, 1000.0, 4999.0, 5000.0, 1e9]),
    )


def messages() -> st.SearchStrategy[Message]:
    """Make messages of some segments that came after so many milliseconds, or never."""
    return st.builds(
        lambda after_ms, **given: Message(
            delivered_at=None if after_ms is None else NOW + timedelta(milliseconds=after_ms), **given
        ),
        after_ms=st.none() | st.sampled_from([0, 999, 1000, 5000, 5001, 60_000]),
        happened_at=st.just(NOW),
        resource=st.just("r"),
        message_id=st.uuids().map(str),
        direction=st.sampled_from(["outbound", "inbound"]),
        status=st.sampled_from(["delivered", "sent"]),
        segments=st.integers(0, 3),
    )


def alternatives() -> st.SearchStrategy[Either]:
    """Make alternatives of conditions that must all hold."""
    condition = st.one_of(
        st.builds(
            Condition,
            column=st.just("sip_code"),
            values=st.lists(st.sampled_from(SIPS), max_size=2).map(tuple),
            op=st.sampled_from(["is", "is not"]),
        ),
        st.builds(
            Condition, column=st.just("outcome"), values=st.sampled_from([("",), ("busy",), ("busy", "answered")])
        ),
        st.builds(
            Condition,
            column=st.just("ring_ms"),
            values=st.sampled_from([("1000",), ("5000",)]),
            op=st.sampled_from(["at least", "less than"]),
        ),
    )
    return st.builds(Either, of=st.lists(st.lists(condition, max_size=3).map(tuple), max_size=3).map(tuple))


def holds(condition: Condition | Either, call: Call) -> bool:
    """Tell whether a condition holds of a call."""
    if isinstance(condition, Either):
        return any(all(holds(one, call) for one in those) for those in condition.of)
    value = getattr(call, condition.column)
    if condition.op in {"at least", "less than"}:
        return value is not None and (value >= float(condition.values[0])) is (condition.op == "at least")
    return (str(value) in condition.values) is (condition.op == "is")


def ask(store: Store, *measures: str, **given: Any) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Ask; the answer by its splits."""
    question = Series(measures=measures, **{**ENDS, **given})
    rows = store.answer(Planner(load().measures, store.dialect).plan(question))
    splits = 1 + len(question.by)
    return {row[1:splits]: row[splits:] for row in rows}


def number(value: float | None) -> str:
    """Return the number of the range in which a value lies."""
    return "-1" if value is None else str(sum(value >= begin for begin in BEGINS) - 1)


@on_every_store(150, facts=st.lists(calls(), max_size=12), either=alternatives(), other=alternatives())
def test_any_of_some_alternatives_holds(store: Store, facts: list[Call], either: Either, other: Either) -> None:
    """Each being conditions that all hold; several such groups must hold together."""
    empty(store, "calls")
    if facts:
        append(store, {"calls": facts})
    many = sum(holds(either, call) and holds(other, call) for call in facts)
    assert ask(store, "calls.count", where=(either, other)) == ({(): (many,)} if many else {})


@on_every_store(60, facts=st.lists(calls(), min_size=1, max_size=12))
def test_a_column_is_split_in_ranges(store: Store, facts: list[Call]) -> None:
    """Beside other columns, and among the top alone."""
    empty(store, "calls")
    append(store, {"calls": facts})
    by = (Ranges(column="ring_ms", begins=BEGINS), "sip_code")
    counted = Counter((number(call.ring_ms), str(call.sip_code)) for call in facts)
    assert ask(store, "calls.count", by=by) == {key: (many,) for key, many in counted.items()}
    assert ask(store, "calls.count", by=by, top=Top(most=100)) == {key: (many,) for key, many in counted.items()}


@on_every_store(60, facts=st.lists(messages(), min_size=1, max_size=12))
def test_a_moment_is_compared_with_when_the_fact_happened(store: Store, facts: list[Message]) -> None:
    """In milliseconds: in ranges, in conditions, and in measures of what came soon."""
    empty(store, "messages")
    append(store, {"messages": facts})
    after = [
        None if one.delivered_at is None else (one.delivered_at - one.happened_at) / timedelta(milliseconds=1)
        for one in facts
    ]
    by = (Ranges(column="delivered_at", begins=BEGINS),)
    counted = Counter((number(value),) for value in after)
    assert ask(store, "messages.count", by=by) == {key: (many,) for key, many in counted.items()}
    late = tuple(
        Condition(column="delivered_at", values=(at,), op=op)
        for at, op in (("1000", "at least"), ("5001", "less than"))
    )
    many = sum(value is not None and 1000 <= value < 5001 for value in after)
    assert ask(store, "messages.count", where=late) == ({(): (many,)} if many else {})
    sent = [(one, value) for one, value in zip(facts, after, strict=True) if one.direction == "outbound"]
    soon = [
        max(one.segments, 1) for one, value in sent if one.status == "delivered" and value is not None and value <= 5000
    ]
    found = ask(store, "messages.parts_delivered_in_5s", "messages.parts_sent")[()]
    assert [value or 0 for value in found] == [sum(soon), sum(max(one.segments, 1) for one, _ in sent)]


@pytest.mark.parametrize(
    "given",
    [
        {"by": (Ranges(column="sender", begins=BEGINS),)},
        {"by": (Ranges(column="nothing", begins=BEGINS),)},
        {"where": (Either(of=((Condition(column="nothing", values=("1",)),),)),)},
        {"where": (Condition(column="happened_at", values=("1",), op="at least"),)},
        {"where": (Condition(column="sender", values=("1",), op="at least"),)},
    ],
)
def test_what_has_no_ranges_is_refused(given: dict[str, Any]) -> None:
    """With the column's name."""
    with pytest.raises(InvalidError):
        Planner(load().measures).plan(Series(measures=("calls.count",), **ENDS, **given))


def test_a_question_with_alternatives_reads_the_facts_themselves() -> None:
    """No rollup answers it."""
    either = Either(of=((Condition(column="operation", values=("x",)),),))
    plan = Planner(load().measures).plan(Series(measures=("requests.count",), where=(either,), **ENDS))
    assert "requests_by_minute" not in plan.sql
