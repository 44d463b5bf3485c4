"""Facts are found by their ids, whenever they were and by whichever id of their call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from hypothesis import strategies as st

from tests.support.stores import empty, on_every_store
from tests.telemetry.batched import append
from trunkline.catalogue.columns import shown_columns
from trunkline.catalogue.facts import Call, Request, Sample
from trunkline.catalogue.load import load
from trunkline.ids import digest
from trunkline.telemetry import finding
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Rows
from trunkline.telemetry.store import Store
from trunkline.telemetry.stores.duckdb import DuckDBStore, lookup, parts

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALWAYS = {"start": NOW - timedelta(days=3000), "end": NOW + timedelta(days=1)}


def found(store: Store, fact: str, wanted: str, **given: Any) -> list[dict[str, Any]]:
    """Find facts as a reader does."""
    question = Rows(fact=fact, id=wanted, **{**ALWAYS, "limit": 1000, **given})
    rows = finding.found(store, Planner(load().measures, store.dialect), question)
    return [dict(zip(shown_columns(fact), row, strict=True)) for row in rows]


def ago(days: int, seconds: int = 0) -> datetime:
    """Tell a moment."""
    return NOW - timedelta(days=days, seconds=seconds)


IDS = st.sampled_from(["", "a", "b", "c", "d", "e"])
CALLS = st.builds(
    Call,
    happened_at=st.builds(ago, st.sampled_from([0, 1, 2, 400]), st.integers(0, 5)),
    resource=st.sampled_from(["r", "s"]),
    leg_id=IDS.filter(bool),
    call_id=IDS,
    foreign_ids=st.dictionaries(st.sampled_from(["x", "y"]), IDS, max_size=1),
    sender=st.sampled_from(["", "+14255550123"]),
)


@on_every_store(
    60,
    calls=st.lists(CALLS, max_size=8),
    wanted=IDS.filter(bool) | st.just("+14255550123"),
    limit=st.sampled_from([1, 3, 1000]),
    is_newest_first=st.booleans(),
    is_sorted_out=st.booleans(),
)
def test_any_id_finds_what_bears_it(
    store: Store, calls: list[Call], wanted: str, limit: int, is_newest_first: bool, is_sorted_out: bool
) -> None:
    """Requests and messages by their own ids, in order, a page at a time, sorted out or not."""
    store.forget("calls", NOW + timedelta(days=1))
    for call in calls:
        append(store, {"calls": [call]})
    if is_sorted_out and isinstance(store, DuckDBStore):
        store._sort_out()
    known = {wanted}
    while wanted[:1] != "+":
        those = [{c.leg_id, c.call_id, *c.foreign_ids.values()} - {""} for c in calls if c.resource == "r"]
        more = known.union(*(ids for ids in those if ids & known))
        if more == known:
            break
        known = more
    expected = sorted(
        (c.happened_at, c.leg_id, c.call_id)
        for c in calls
        if c.resource == "r" and {c.leg_id, c.call_id, c.sender, *c.foreign_ids.values()} & known
    )
    where = (Condition(column="resource", values=("r",)),)
    rows = found(store, "calls", wanted, where=where, limit=limit, newest_first=is_newest_first)
    assert len(rows) == min(limit, len(expected))
    moments = [moment for moment, _, _ in expected]
    shown = [lookup_moment(row) for row in rows]
    assert shown == (moments[::-1] if is_newest_first else moments)[:limit]
    with mock.patch.object(finding, "_FEW", 0):  # so few are too many to be sorted here
        assert found(store, "calls", wanted, where=where, limit=limit, newest_first=is_newest_first) == rows


def lookup_moment(row: dict[str, Any]) -> datetime:
    """Return when a found fact happened."""
    return datetime.fromtimestamp(row["happened_at"] / 1e6, UTC)


def test_samples_are_found_by_every_id_of_their_call(store: Store) -> None:
    """By the leg's, the call's, and that which a client held before it joined; not by another account's relations."""
    empty(store, "calls")
    empty(store, "samples")
    legs = [
        Call(happened_at=NOW, resource="r", leg_id="l1", call_id="call", foreign_ids={"client": "before"}),
        Call(happened_at=NOW, resource="r", leg_id="l2", call_id="call"),
        Call(happened_at=NOW, resource="s", leg_id="l1", call_id="theirs"),
    ]
    samples = [
        Sample(happened_at=NOW + timedelta(seconds=n), resource="r", call_id=one)
        for n, one in enumerate(["l1", "before", "call", "l2", "other", "theirs"])
    ]
    append(store, {"calls": legs, "samples": samples})
    mine = (Condition(column="resource", values=("r",)),)
    for wanted in ("l1", "l2", "call", "before"):
        assert [row["call_id"] for row in found(store, "samples", wanted, where=mine)] == ["l1", "before", "call", "l2"]
    assert [row["call_id"] for row in found(store, "samples", "other")] == ["other"]
    assert found(store, "samples", "nobody") == []


def test_a_digest_finds_its_leg_and_what_belongs_to_it(store: Store) -> None:
    """As the leg's own id does; a digest of nobody finds nothing, and one that is an id finds that as well."""
    empty(store, "calls")
    empty(store, "samples")
    legs = [
        Call(happened_at=NOW, resource="r", leg_id="l1", call_id="call"),
        Call(happened_at=NOW, resource="r", leg_id="l2", call_id="call"),
        Call(happened_at=ago(3), resource="r", leg_id=digest("l3"), foreign_ids={"x": "y"}),
        Call(happened_at=ago(4), resource="r", leg_id="l3"),
    ]
    append(store, {"calls": legs, "samples": [Sample(happened_at=NOW, resource="r", call_id="call")]})
    assert [row["leg_id"] for row in found(store, "calls", digest("l1"))] == ["l1", "l2"]
    assert [row["call_id"] for row in found(store, "samples", digest("l2"))] == ["call"]
    assert [row["leg_id"] for row in found(store, "calls", digest("l3"))] == ["l3", digest("l3")]
    assert found(store, "calls", digest("call")) == found(store, "calls", digest("l1").upper()) == []


def test_ids_that_wait_are_sorted_out_when_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And found before and after."""
    monkeypatch.setattr(lookup, "FLUSHED", 10)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    for number in range(15):
        fact = Request(
            happened_at=ago(number),
            resource="r",
            service="s",
            operation="o",
            status=200,
            status_class="2xx",
            ms_cv=f"cv{number}",
        )
        append(store, {"requests": [fact]})
    assert store.answer(Plan("SELECT count(*) FROM ids.fresh")) == [(15,)]
    assert len(store.spans(["cv7"])["cv7"]) == 1
    store.tidy()
    assert store.answer(Plan("SELECT count(*) FROM ids.fresh")) == [(0,)]
    (span,) = store.spans(["cv7"])["cv7"]
    assert (span.table, span.first, span.last) == ("requests", ago(7), ago(7))
    store.forget("requests", ago(7, -60))
    assert store.spans(["cv7"])["cv7"] == []
    assert len(store.spans(["cv6"])["cv6"]) == 1
    store.close()


def test_parts_are_put_into_order_while_it_is_calm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of them is lost, entries of a day become one, and what is forgotten counts no more."""
    monkeypatch.setattr(lookup, "FLUSHED", 1)
    monkeypatch.setattr(parts, "LEAST", 1)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    for seconds in (0, 60, 120):
        legs = [Call(happened_at=ago(days, seconds), resource="r", leg_id=f"l{days}") for days in range(100)]
        append(store, {"calls": [*legs, Call(happened_at=ago(1, seconds), resource="r", leg_id="many")]})
        store.tidy(is_calm=False)
    assert store._parts.due is not None
    before = store.spans(["l7", "many"])
    while store._parts.due is not None:
        store.tidy()
    for number, name in lookup.parts():
        hashes = [row[0] for row in store.answer(Plan(f"SELECT hash FROM {name}"))]  # noqa: S608 - a name
        assert hashes == sorted(hashes)
        assert len(hashes) == store._parts._many[number]
    assert store.spans(["l7", "many"]) == before
    store.close()
    store = DuckDBStore(tmp_path / "facts.duckdb")
    assert store._parts.due is None
    store.forget("calls", ago(50))
    assert (store.spans(["l60"])["l60"], store.spans(["l7", "many"])) == ([], before)
    assert sum(store._parts._in_order.values()) == sum(store._parts._many.values())
    store.close()


def test_facts_of_an_older_folder_are_found_too(tmp_path: Path) -> None:
    """Also when the engine has learned to hash otherwise: the entries are made anew."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"calls": [Call(happened_at=NOW, resource="r", leg_id="l1", foreign_ids={"a": "b"})]})
    store.close()
    without_digests = (
        "ALTER TABLE ids.hashed_by DROP COLUMN form; DELETE FROM ids.fresh; "
        "INSERT INTO ids.fresh SELECT hash(unnest(['l1', 'b'])), 2, happened_at, happened_at FROM calls"
    )
    for spoil in ("DROP SCHEMA ids CASCADE", "UPDATE ids.hashed_by SET hash = 1", without_digests):
        with duckdb.connect(str(tmp_path / "facts.duckdb")) as connection:
            connection.execute(spoil)
        store = DuckDBStore(tmp_path / "facts.duckdb")
        assert (
            [span.table for span in store.spans(["l1"])["l1"]]
            == [span.table for span in store.spans(["b"])["b"]]
            == [span.table for span in store.spans([digest("l1")])[digest("l1")]]
            == ["calls"]
        )
        store.close()
