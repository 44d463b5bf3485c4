"""Pieces of a record: in any order, more than once, in any groups, they make the same one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.catalogue.facts import Call, Fact
from trunkline.outcomes import completed
from trunkline.telemetry.batches import batch, facts_of
from trunkline.telemetry.pieces import gathered

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def call(second: int = 0, **given_fields: Any) -> Call:
    """Make a piece that was known at a second."""
    at = NOW + timedelta(seconds=second)
    return Call(**{"happened_at": at, "resource": "r", "leg_id": "l", "revised_at": at, **given_fields})


def pieces() -> st.SearchStrategy[Call]:
    """Make pieces that say little, sometimes the same thing differently, sometimes at the same moment."""
    moment = st.none() | st.integers(0, 3).map(lambda s: NOW + timedelta(seconds=s))
    return st.builds(
        call,
        second=st.integers(0, 3),
        direction=st.sampled_from(["", "", "inbound", "outbound"]),
        recipient=st.sampled_from(["", "+385911234567", "+14255550123"]),
        network_id=st.sampled_from(["", "21902"]),
        seized_at=moment,
        answered_at=moment,
        ended_at=moment,
        sip_code=st.sampled_from([0, 0, 200, 486]),
        outcome=st.sampled_from(["", "", "busy", "answered"]),
        mos=st.none() | st.sampled_from([1.0, 4.0]),
        call_id=st.sampled_from(["", "c", "d"]),
        extra=st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "2"])),
    )


def gather(new: Sequence[Fact], there: Sequence[Fact]) -> list[Fact]:
    """Bring facts to those that are there, as the loader does: complete what came together."""
    if not new:
        return list(there)
    found = gathered(new, there)
    return facts_of(type(found[0]), completed(batch(type(found[0]), found)))


def one_by_one(those: list[Call]) -> Fact:
    """Bring pieces each in a group of its own."""
    there: list[Fact] = []
    for piece in those:
        there = gather([piece], there)
    return there[0]


@settings(max_examples=80, deadline=None)
@given(data=st.data(), those=st.lists(pieces(), min_size=1, max_size=5))
def test_the_order_and_the_grouping_of_pieces_do_not_matter(data: st.DataObject, those: list[Call]) -> None:
    """Nor does it when some come twice."""
    (together,) = gather(those, [])
    shuffled = data.draw(st.permutations([*those, *data.draw(st.lists(st.sampled_from(those), max_size=3))]))
    assert one_by_one(shuffled) == one_by_one(those)
    cut = data.draw(st.integers(0, len(shuffled)))
    there = gather(shuffled[:cut], []) if cut else []
    assert (gather(shuffled[cut:], there) or there) == [one_by_one(those)]
    if len(those) > 1:
        assert together == one_by_one(those)


def test_what_a_later_piece_says_counts_whichever_comes_first() -> None:
    """And what only the earlier one says stays."""
    first = call(1, recipient="+14255550123", mos=1.0, extra={"a": "1", "b": "1"})
    later = call(2, mos=4.0, extra={"b": "2"})
    for order in ([first, later], [later, first]):
        (record,) = gather(order, [])
        assert isinstance(record, Call)
        assert (record.recipient, record.mos, record.extra) == ("+14255550123", 4.0, {"a": "1", "b": "2"})
        assert record.happened_at == NOW + timedelta(seconds=1)


def test_what_was_worked_out_gives_way_to_what_comes() -> None:
    """A call that seemed unanswered was answered; its id was the leg's own until one was told."""
    start = call(0, direction="outbound", recipient="+385911234567", seized_at=NOW + timedelta(seconds=2))
    end = call(30, ended_at=NOW + timedelta(seconds=30))
    between = call(5, answered_at=NOW + timedelta(seconds=5), call_id="shared")
    (record,) = gather([start, end], [])
    assert isinstance(record, Call)
    assert (record.outcome, record.answered, record.call_id, record.country) == ("no answer", False, "l", "HR")
    (record,) = gather([between], [record])
    assert isinstance(record, Call)
    assert (record.outcome, record.answered, record.call_id) == ("answered", True, "shared")
    assert (record.ring_ms, record.talk_ms, record.hang_up) == (3000.0, 25000.0, "normal")


def test_records_of_others_are_left_alone() -> None:
    """Another leg, and the same leg of another account."""
    found = gather([call(), call(leg_id="m"), call(resource="s")], [])
    assert len(found) == 3


def test_a_fact_of_our_own_is_whole_until_pieces_come() -> None:
    """It has no moment of its own for what it says: when it happened stands for it."""
    whole = msgspec.structs.replace(call(), revised_at=None, recipient="+14255550123", status="sent")
    (record,) = gather([call(3, status="delivered")], [whole])
    assert isinstance(record, Call)
    assert (record.status, record.recipient, record.revised_at) == (
        "delivered",
        "+14255550123",
        NOW + timedelta(seconds=3),
    )
