"""The ClickHouse store: blocks count whole or not at all, whatever fails between any two steps."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clickhouse import PASSWORD, Served, served
from tests.support.stores import Place
from tests.telemetry.batched import append
from trunkline.catalogue.facts import Call, Request
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, UnavailableError
from trunkline.telemetry.batches import batch
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.records import whole
from trunkline.telemetry.stores.clickhouse import ClickHouseStore
from trunkline.telemetry.stores.clickhouse import store as store_module
from trunkline.telemetry.stores.clickhouse.address import read
from trunkline.telemetry.stores.clickhouse.server import Server, spelled

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COUNTS = Plan(
    "SELECT (SELECT count() FROM requests), (SELECT sum(facts) FROM requests_by_minute), (SELECT count() FROM calls), "
    "(SELECT max(outcome) FROM calls)"
)


@pytest.fixture
def place(tmp_path: Path, clickhouse: Callable[[], Served]) -> Place:
    """Name a database of the test's own."""
    return Place("clickhouse", tmp_path, clickhouse)


def request(number: int) -> Request:
    """Make a request."""
    return Request(
        happened_at=NOW, resource="r", service="s", operation="o", status=200, status_class="2xx", ms_cv=str(number)
    )


def load(store: ClickHouseStore, numbers: list[int], source: str = "p") -> None:
    """Load rows of an inbox as the loader does, a request each, and with every batch a piece of one call."""
    if store.loaded(source) >= numbers[-1]:
        return
    fresh = [number for number in numbers if number > store.loaded(source)]
    piece = Call(
        happened_at=NOW - timedelta(seconds=fresh[-1]),
        resource="r",
        leg_id="l",
        outcome="busy",
        revised_at=NOW + timedelta(seconds=fresh[-1]),
    )
    calls, known = whole(store, "calls", batch(Call, [piece]))
    batches = {"requests": batch(Request, [request(number) for number in fresh]), "calls": calls}
    store.append(batches, {source: fresh[-1]}, {"calls": known} if known is not None else {})


@contextmanager
def failing(store: ClickHouseStore, step: int, how: str) -> Iterator[list[Callable[[], None]]]:
    """Let one of the steps that change something fail: before it is sent, after it is done, or it is done too late."""
    steps = 0
    late: list[Callable[[], None]] = []
    server: Any = store._server
    insert, run = server.insert, server.run

    def broken(send: Callable[..., None]) -> Callable[..., None]:
        def sent(*given: Any) -> None:
            nonlocal steps
            steps += 1
            if steps != step:
                send(*given)
                return
            if how == "after":
                send(*given)
            if how == "late":
                late.append(lambda: send(*given))
            raise UnavailableError("The fact store cannot write now: it is gone.")

        return sent

    server.insert, server.run = broken(insert), broken(run)
    try:
        yield late
    finally:
        server.insert, server.run = insert, run


AT_LENGTH = [pytest.param(how, marks=pytest.mark.kill) for how in ("before", "after", "late")]
"""Ways to fail that take ten seconds each, and go through the same sweeping as the others: `make kill` tries them."""


@pytest.mark.parametrize("how", [*AT_LENGTH, "after, and anew"])
def test_nothing_is_missing_and_nothing_there_twice_whichever_step_fails(place: Place, how: str) -> None:
    """Every step in turn: an append fails, some of it arrives later, a next try fails, and one made otherwise does not.

    In one store, or in one that another process opens.
    """
    how, _, anew = how.partition(", ")
    store = place.open()
    loaded, failed = 2, 0
    load(store, [1, 2])
    for step in range(1, 8):
        fresh = [loaded + 1, loaded + 2]
        with failing(store, step, how) as late:
            try:
                load(store, fresh)
            except UnavailableError:
                failed += 1
        assert store.answer(COUNTS)[0][:3] in {(loaded, loaded, 1), (loaded + 2, loaded + 2, 1)}
        if anew:
            store.close()
            store = place.open()
        elif step % 2:
            with failing(store, 1, how) as later, suppress(UnavailableError):
                load(store, fresh)
            late += later
        now = store.loaded("p")
        assert now in {loaded, loaded + 2}
        assert store.answer(COUNTS) == [(now, now, 1, "busy")], step
        for send in late:
            send()
        load(store, [*fresh, fresh[-1] + 1])  # another batch than that which failed
        loaded += 3
        assert store.answer(COUNTS) == [(loaded, loaded, 1, "busy")], step
        assert store.loaded("p") == loaded
        assert len(store.spans([str(loaded)])[str(loaded)]) == 1
    assert failed == 6
    store.close()


def test_what_counts_no_more_is_removed_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed blocks, replaced records, gathered rollups, old numbers; questions find the same before and after."""
    monkeypatch.setattr(store_module, "_GATHER_S", 0.0)
    with place.opened() as store:
        for number in range(1, 6):
            load(store, [number])
        with failing(store, 3, "before"), pytest.raises(UnavailableError):
            load(store, [6])
        load(store, [6])
        expected = store.answer(COUNTS)
        assert expected == [(6, 6, 1, "busy")]
        store.tidy()  # it waits for those who may be reading
        assert store.answer(Plan("SELECT count() FROM kept_requests")) == [(7,)]
        monkeypatch.setattr(store_module, "_SETTLED_S", 0.0)
        for _ in range(3):
            store.tidy()
            assert store.answer(COUNTS) == expected
        kept = "SELECT (SELECT count() FROM kept_requests), (SELECT count() FROM kept_calls), "
        kept += (
            "(SELECT count() FROM kept_requests_by_minute), (SELECT count() FROM void), (SELECT count() FROM gone), "
        )
        kept += "(SELECT count() FROM journal)"
        assert store.answer(Plan(kept)) == [(6, 1, 1, 0, 0, 2)]
        assert store.loaded("p") == 6
    with place.opened() as store:
        assert (store.answer(COUNTS), store.loaded("p")) == (expected, 6)


@pytest.mark.parametrize("how", [*AT_LENGTH[:1], "after"])
def test_a_rollup_stays_whole_whichever_step_of_its_gathering_fails(
    place: Place, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the failed block is swept away, and after another start."""
    monkeypatch.setattr(store_module, "_GATHER_S", 0.0)
    monkeypatch.setattr(store_module, "_SETTLED_S", 0.0)
    store = place.open()
    for number in range(1, 4):
        load(store, [2 * number - 1])
        load(store, [2 * number])
        with failing(store, number, how), pytest.raises(UnavailableError):
            store._gather("requests")
        for again in range(3):
            assert store.answer(COUNTS)[0][:2] == (2 * number, 2 * number), (number, again)
            assert store.loaded("p") == 2 * number
            store._sweep(store_module.time.monotonic() + 1)
        store.close()
        store = place.open()
        assert store.answer(COUNTS)[0][:2] == (2 * number, 2 * number)
    store.close()


def test_an_insert_that_is_sent_twice_is_there_once(place: Place) -> None:
    """The client sends again when a connection ends before the answer; rollup and ids know it, too."""
    with place.opened() as store:
        insert = store._server.insert

        def twice(*given: Any) -> None:
            insert(*given)
            insert(*given)

        store._server.insert = twice
        load(store, [1, 2])
        assert store.answer(COUNTS) == [(2, 2, 1, "busy")]


def test_a_second_trunkline_takes_over_and_the_first_one_says_so(place: Place) -> None:
    """Its facts wait in its inbox; nobody's are lost."""
    first = place.open()
    append(first, {"requests": [request(1)]}, "p", 1)
    second = place.open()
    with pytest.raises(UnavailableError, match="Another Trunkline has taken over"):
        append(first, {"requests": [request(2)]}, "p", 2)
    append(second, {"requests": [request(2)]}, "p", 2)
    assert second.answer(Plan("SELECT count(*) FROM requests")) == [(2,)]
    first.close()
    second.close()


def test_a_server_that_is_gone_and_back_is_told_in_our_words(tmp_path: Path) -> None:
    """Questions and loads fail meanwhile, with a sentence, and go on afterwards; what was loaded is there."""
    with served(tmp_path / "engine") as server:
        port, address = server.port, server.address("facts")
        store = ClickHouseStore(address)
        append(store, {"requests": [request(1)]}, "p", 1)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        for attempt in (
            lambda: store.answer(Plan("SELECT count(*) FROM requests")),
            lambda: append(store, {"requests": [request(2)]}, "p", 2),
            lambda: store.loaded("p"),
            lambda: store.spans(["1"]),
        ):
            with pytest.raises(
                UnavailableError, match=r"^The fact store cannot (be read|write) now: .*refused"
            ) as told:
                attempt()
            assert PASSWORD not in str(told.value)
        with pytest.raises(
            ConfigurationError, match=rf"http://127.0.0.1:{port}/facts cannot be used: .*refused"
        ) as told:
            ClickHouseStore(address)
        assert PASSWORD not in str(told.value)
    with served(tmp_path / "engine", port):
        assert store.loaded("p") == 1
        append(store, {"requests": [request(2)]}, "p", 2)
        assert store.answer(Plan("SELECT count(*) FROM requests")) == [(2,)]
        store.close()


def test_a_wrong_password_is_told_without_it(clickhouse: Callable[[], Served]) -> None:
    """Nor does the address in any other message show it."""
    port = clickhouse().port
    with pytest.raises(ConfigurationError, match="Authentication failed") as told:
        ClickHouseStore(f"clickhouse://tester:wr0ng@127.0.0.1:{port}/facts")
    assert "wr0ng" not in str(told.value)
    address = f"clickhouse://tester:wr0ng@127.0.0.1:{port}/facts"
    assert "wr0ng" not in repr(read(address)) + read(address).shown + repr(Settings(facts=address))


@pytest.mark.parametrize(
    "address",
    [
        "clickhouse://",
        "ftp://host/x",
        "clickhouse://u:s3cret@host:port/x",
        "clickhouse://u:s3cret@host/x;y",
        "http://u:s3cret@host/x?y=1",
    ],
)
def test_an_address_that_is_none_is_refused_unquoted(address: str) -> None:
    """With the form that it should have."""
    with pytest.raises(ConfigurationError, match="facts") as told:
        read(address)
    assert "s3cret" not in str(told.value)


def test_the_parts_of_an_address_are_read() -> None:
    """With what is usual where they are left out."""
    found = read("https://u%40x:p%2Fw@db.example/trunk")
    assert (found.host, found.port, found.database, found.is_secure) == ("db.example", 8443, "trunk", True)
    assert (found.user, found.password, found.shown) == ("u@x", "p/w", "https://db.example:8443/trunk")
    bare = read("clickhouse://db")
    assert (bare.port, bare.database, bare.is_secure, bare.user) == (8123, "trunkline", False, "default")


def test_equal_values_travel_once_and_moments_stay_within_the_engines_own() -> None:
    """A list of ids that a plan names for every span is sent one time."""
    sql, bound = spelled(Plan("a = ? AND b = ? AND c = ? AND d >= ?", ("x", 1, "x", datetime(1, 1, 1, tzinfo=UTC))))
    assert sql == (
        "a = {p0:String} AND b = {p1:Int64} AND c = {p0:String} AND d >= fromUnixTimestamp64Micro({p2:Int64}, 'UTC')"
    )
    assert bound == {"p0": "x", "p1": 1, "p2": -2_208_988_800_000_000}


def test_a_database_of_an_older_version_gets_its_missing_columns(place: Place) -> None:
    """Rows from before hold what the fact says when nothing is given, and rollup and ids are made for them."""
    with place.opened() as store:
        append(store, {"requests": [request(1)]}, "p", 1)
        server: Server = store._server
        for change in (
            "DROP VIEW requests_into_ids",
            "DROP VIEW requests_by_minute_from_facts",
            "DROP TABLE kept_requests_by_minute",
            "TRUNCATE TABLE ids",
            "ALTER TABLE kept_requests DROP COLUMN sdk",
            "DROP TABLE kept_attempts",
        ):
            server.run(Plan(change))
    with place.opened() as store:
        assert store.answer(Plan("SELECT sdk, served FROM requests")) == [("", True)]
        assert store.answer(Plan("SELECT sum(facts) FROM requests_by_minute")) == [(1,)]
        assert store.answer(Plan("SELECT count(*) FROM attempts")) == [(0,)]
        assert len(store.spans(["1"])["1"]) == 1
        append(store, {"requests": [request(2)]}, "p", 2)
        assert store.answer(Plan("SELECT sum(facts) FROM requests_by_minute")) == [(2,)]
