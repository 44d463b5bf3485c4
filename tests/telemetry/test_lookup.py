"""Facts are found by their ids, whenever they were and by whichever id of their call."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.stores import empty, on_every_store
from tests.telemetry.batched import append
from trunkline.catalogue.columns import shown_columns
from trunkline.catalogue.facts import Call, Request, Sample
from trunkline.catalogue.load import load
from trunkline.ids import digest
from trunkline.telemetry import finding, moments
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Rows
from trunkline.telemetry.store import Store
from trunkline.telemetry.stores.duckdb import DuckDBStore, index, runs
from trunkline.telemetry.stores.duckdb import store as store_module
from trunkline.telemetry.stores.duckdb.hashing import hashed

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
    calls=st.lists(CALLS, max_size=8, unique_by=lambda call: (call.happened_at, call.resource, call.leg_id)),
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
    in_order = [moment for moment, _, _ in expected]
    shown = [lookup_moment(row) for row in rows]
    assert shown == (in_order[::-1] if is_newest_first else in_order)[:limit]
    with mock.patch.object(finding, "FEW", 0), mock.patch.object(moments, "FEW", 0):  # so few are too many for us
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


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_pages_hold_each_of_one_moment_once(store: Store, *, is_newest_first: bool) -> None:
    """However many there are, and whoever sorts them; what is not known comes last."""
    empty(store, "calls")
    empty(store, "samples")
    many = 42
    samples = [
        Sample(
            happened_at=NOW + timedelta(seconds=number // 21),
            resource="r",
            call_id="call",
            direction=("inbound", "outbound")[number % 2],
            packets_lost=number if number % 7 else None,
            packets_sent=number,
        )
        for number in random.Random(7).sample(range(many), many)
    ]
    for place in range(0, many, 20):
        append(store, {"samples": samples[place : place + 20]})
    pages = {}
    for few in (0, 1000):
        with mock.patch.object(finding, "FEW", few):
            pages[few] = [
                row["packets_sent"]
                for skip in range(0, many, 7)
                for row in found(store, "samples", "call", skip=skip, limit=7, newest_first=is_newest_first)
            ]
    assert sorted(pages[0]) == list(range(many))
    assert pages[0] == pages[1000]


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


def request(number: int) -> Request:
    """Return a request of so many days ago."""
    return Request(
        happened_at=ago(number),
        resource="r",
        service="s",
        operation="o",
        status=200,
        status_class="2xx",
        ms_cv=f"cv{number}",
    )


def test_ids_that_wait_are_sorted_out_when_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And found before and after, in a file and without; what is forgotten is not."""
    monkeypatch.setattr(store_module, "FLUSHED", 10)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    for number in range(15):
        append(store, {"requests": [request(number)]})
    assert store.answer(Plan("SELECT count(*) FROM ids.fresh")) == [(15,)]
    assert len(store.spans(["cv7"])["cv7"]) == 1
    store.tidy(is_calm=False)
    assert store.answer(Plan("SELECT count(*) FROM ids.fresh")) == [(0,)]
    assert files(tmp_path) == []
    for _ in range(2):
        (span,) = store.spans(["cv7"])["cv7"]
        assert (span.table, span.first, span.last) == ("requests", ago(7), ago(7))
        store.tidy()
        assert files(tmp_path) == ["000000-000000.ids"]
    store.forget("requests", ago(7, -60))
    assert found(store, "requests", "cv7") == []
    assert len(found(store, "requests", "cv6")) == 1
    store.close()


def files(folder: Path) -> list[str]:
    """List the files of the index."""
    return sorted(file.name for file in (folder / "facts.ids").glob("*"))


LEGS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "c", "d"])), max_size=6)


@settings(max_examples=15, deadline=None)
@given(given_runs=st.lists(LEGS, min_size=1, max_size=20), slices=st.sampled_from([1, 3, 1000]), opened=st.booleans())
def test_runs_go_into_files_and_nothing_is_lost(
    given_runs: list[list[tuple[int, str]]],
    slices: int,
    opened: bool,
) -> None:
    """Whatever comes when, an id is found on each of its days, before and after files are written and put together."""
    with TemporaryDirectory() as name, mock.patch.object(index, "SLICE", slices):
        store = DuckDBStore(Path(name) / "facts.duckdb")
        expected: dict[str, set[date]] = {}
        for run in given_runs:
            if run:
                append(store, {"calls": [Call(happened_at=ago(days), resource="r", leg_id=one) for days, one in run]})
            for days, one in run:
                expected.setdefault(one, set()).add(ago(days).date())
            store._sort_out()
            if len(run) % 2:
                store.tidy()
            assert days_of(store) == expected
        if opened:
            store.close()
            store = DuckDBStore(Path(name) / "facts.duckdb")
        while store._index.is_due:
            store._put_in_order()
            assert days_of(store) == expected
        covers = [1 + file.contents.last - file.contents.first for file in store._index._view.files]
        assert sum(covers) == len(given_runs)
        assert all(covers.count(size) < 8 for size in covers)
        assert store._index._view.unfiled == ()
        assert len(files(Path(name))) == len(covers)
        store.close()


def days_of(store: DuckDBStore) -> dict[str, set[date]]:
    """Tell on which days each id is found."""
    return {
        one: {span.first.date() for span in spans} for one, spans in store.spans(["a", "b", "c", "d"]).items() if spans
    }


@pytest.mark.parametrize("spoil", ["removed", "emptied", "cut off", "one byte", "of another store", "not finished"])
def test_a_file_of_the_index_is_only_a_copy(
    spoil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens to it, ids are found, and it is made anew; a damaged one is spoken of."""
    monkeypatch.setattr(store_module, "FLUSHED", 1)
    for name in ("other", "own"):
        (tmp_path / name).mkdir()
        store = DuckDBStore(tmp_path / name / "facts.duckdb")
        append(store, {"requests": [request(number) for number in range(40 if name == "own" else 41)]})
        store.tidy()
        store.close()
    (file,) = (tmp_path / "own" / "facts.ids").iterdir()
    whole = file.read_bytes()
    if spoil == "removed":
        file.unlink()
    elif spoil == "of another store":
        file.write_bytes((tmp_path / "other" / "facts.ids" / file.name).read_bytes())
    elif spoil == "not finished":
        file.rename(file.with_suffix(".new"))
    else:
        damaged = bytes([whole[0] ^ 1]) + whole[1:]
        file.write_bytes({"emptied": b"", "cut off": whole[:-30], "one byte": damaged}[spoil])
    store = DuckDBStore(tmp_path / "own" / "facts.duckdb")
    store.tidy()
    for number in range(40):
        assert len(store.spans([f"cv{number}"])[f"cv{number}"]) == 1
    assert file.read_bytes() == whole
    assert ("is damaged, and made anew" in caplog.text) == (spoil == "one byte")
    store.close()


def test_whatever_becomes_of_the_end_of_a_file_no_id_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where everything lies: what does not fit is refused, or found out as a file of other runs."""
    monkeypatch.setattr(store_module, "FLUSHED", 1)
    monkeypatch.setattr(index, "SLICE", 25)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [request(number) for number in range(60)]})
    store.tidy()
    store.close()
    (file,) = (tmp_path / "facts.ids").iterdir()
    whole, told = file.read_bytes(), runs.RunFile(file).contents
    assert len(told.segments) > 1
    for place in range(whole.rindex(b'{"first"'), len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with suppress(ValueError):
            found = runs.RunFile(file)
            list(found.check())
            assert found.contents.segments == told.segments, place
            assert found.contents != told, place
            assert found.contents.first <= found.contents.last, place


def test_files_that_cannot_be_written_are_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine is asked, and the log says so once; later it is tried again."""
    monkeypatch.setattr(store_module, "FLUSHED", 1)
    (tmp_path / "facts.ids").write_text("in the way")
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [request(number) for number in range(9)]})
    for _ in range(3):
        store.tidy()
    assert caplog.text.count("ids cannot be put in order now") == 1
    assert len(store.spans(["cv7"])["cv7"]) == 1
    (tmp_path / "facts.ids").unlink()
    monkeypatch.setattr(index, "monotonic", lambda: time.monotonic() + 3600)
    store.tidy()
    assert files(tmp_path) == ["000000-000000.ids"]
    store.close()


def test_a_file_is_made_anew_when_most_of_it_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it does not grow for ever."""
    monkeypatch.setattr(store_module, "FLUSHED", 1)
    monkeypatch.setattr(index, "FLUSHED", 1)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [request(number) for number in range(90)]})
    store.tidy()
    (file,) = (tmp_path / "facts.ids").iterdir()
    size = file.stat().st_size
    store.forget("requests", ago(10))
    assert files(tmp_path) == []
    store.tidy()
    assert file.stat().st_size < size / 2
    assert (store.spans(["cv80"])["cv80"], len(store.spans(["cv3"])["cv3"])) == ([], 1)
    store.close()


HASHES = st.integers(0, 5) | st.integers(0, runs.HASHES - 1) | st.integers(runs.HASHES - 5, runs.HASHES - 1)


@given(hashes=st.lists(HASHES, max_size=40), wanted=HASHES, off=st.sampled_from([0, 1, 100]))
def test_a_hash_is_found_wherever_it_lies(hashes: list[int], wanted: int, off: int) -> None:
    """Also where hashes do not lie as evenly as is guessed."""
    hashes.sort()
    places = range(len(hashes))
    rows = pa.table(
        [
            pa.array(hashes, pa.uint64()),
            pa.array(places, pa.int64()),
            pa.array(places, pa.int64()),
            pa.array([3] * len(hashes), pa.uint8()),
        ],
        ["hash", "first", "last", "fact"],
    )
    with mock.patch.object(runs, "isqrt", return_value=off):
        for one in (wanted, *hashes[:2]):
            assert list(runs.segment(rows).of(one)) == [(3, n, n) for n in places if hashes[n] == one]


@given(text=st.text(max_size=70))
def test_we_hash_as_the_engine_does(text: str) -> None:
    """Of any text."""
    assert duckdb.execute("SELECT hash(?)", [text]).fetchone() == (hashed(text),)


def test_an_engine_that_hashes_otherwise_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else changes."""
    monkeypatch.setattr("trunkline.telemetry.stores.duckdb.hashing.hashed", len)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [request(1)]})
    assert store._index._hash is not None
    assert len(store.spans(["cv1"])["cv1"]) == 1
    store.close()


def test_facts_of_an_older_folder_are_found_too(tmp_path: Path) -> None:
    """Also when the engine has learned to hash otherwise: the entries are made anew."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"calls": [Call(happened_at=NOW, resource="r", leg_id="l1", foreign_ids={"a": "b"})]})
    store.close()
    of_old = (
        "ALTER TABLE ids.hashed_by DROP COLUMN form; "
        "DROP TABLE ids.fresh; DROP TABLE ids.entries; DROP TABLE ids.runs; "
        "CREATE TABLE ids.part_07 (hash UBIGINT, fact UTINYINT, first TIMESTAMP, last TIMESTAMP)"
    )
    for spoil in ("DROP SCHEMA ids CASCADE", "UPDATE ids.hashed_by SET hash = 1", of_old):
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
