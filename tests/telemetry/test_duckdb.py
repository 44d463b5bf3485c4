"""The DuckDB store: appended whole or not at all, and well again after a full disk."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tests.telemetry.batched import append
from tests.telemetry.limited import in_a_process_with_a_small_disk
from trunkline.catalogue.facts import Call, Request
from trunkline.errors import ConfigurationError, UnavailableError
from trunkline.telemetry.batches import batch
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.stores.duckdb import DuckDBStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FIRST_SCHEMA = """
CREATE TABLE requests (happened_at TIMESTAMP, resource VARCHAR DEFAULT '', service VARCHAR DEFAULT '',
  operation VARCHAR DEFAULT '', status BIGINT, status_class VARCHAR DEFAULT '', served BOOLEAN DEFAULT True,
  api_version VARCHAR DEFAULT '', ms_cv VARCHAR DEFAULT '', request_id VARCHAR DEFAULT '',
  client_request_id VARCHAR DEFAULT '', correlation_id VARCHAR DEFAULT '', sdk VARCHAR DEFAULT '',
  caller VARCHAR DEFAULT '', caller_ip VARCHAR DEFAULT '', duration_ms DOUBLE DEFAULT 0.0,
  extra MAP(VARCHAR, VARCHAR) DEFAULT MAP {});
CREATE TABLE attempts (happened_at TIMESTAMP, resource VARCHAR DEFAULT '', subscription VARCHAR DEFAULT '',
  parcel VARCHAR DEFAULT '', event_type VARCHAR DEFAULT '', number BIGINT DEFAULT 1, status BIGINT DEFAULT 0,
  outcome VARCHAR DEFAULT '', duration_ms DOUBLE DEFAULT 0.0);
CREATE TABLE loaded (process VARCHAR, number BIGINT);
"""
"""What version 0.1 made."""
COUNT = Plan("SELECT count(*) FROM requests", ())


def fact(number: int = 0, **given: object) -> Request:
    """Make a request that was answered."""
    fields = {"operation": "o", "status": 200, "status_class": "2xx", "ms_cv": str(number), **given}
    return Request(happened_at=NOW, resource="r", service="s", **fields)  # type: ignore[arg-type]


def test_a_batch_is_there_whole_with_its_number_or_not_at_all(tmp_path: Path) -> None:
    """An error in the second table takes the first back, and the number too."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [fact(1)]}, "p", 1)
    with pytest.raises(KeyError):
        store.append({"requests": batch(Request, [fact(2)]), "nonsense": batch(Request, [fact(3)])}, {"p": 2})
    assert store.answer(COUNT) == [(1,)]
    assert store.loaded("p") == 1
    append(store, {"requests": [fact(2)]}, "p", 2)
    assert store.loaded("p") == 2
    assert store.loaded("q") == 0
    store.close()


def test_a_first_batch_that_is_taken_back_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither of it nor of what the store knew by it: the next one is read, and its hour is noted, once."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    hours = Plan("SELECT fact, hour FROM touched")
    with pytest.raises(KeyError):
        store.append({"requests": batch(Request, [fact(1)]), "nonsense": batch(Request, [fact(2)])}, {"p": 1})
    assert store.answer(hours) == []
    for number in (1, 2):
        append(
            store, {"requests": [fact(number)], "calls": [Call(happened_at=NOW, resource="r", leg_id="a")]}, "p", number
        )
    assert store.answer(COUNT) == [(2,)]
    assert store.answer(hours) == [("requests", NOW.replace(tzinfo=None))]
    store.close()


def test_a_store_survives_closing_and_opening(tmp_path: Path) -> None:
    """Facts and numbers are on the disk, and the file is free for the next process."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [fact(1)]}, "p", 7)
    store.checkpoint()
    append(store, {"requests": [fact(2)]}, "p", 8)
    store.close()
    with duckdb.connect(str(tmp_path / "facts.duckdb")) as connection:
        assert connection.execute(COUNT.sql).fetchone() == (2,)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    assert (store.answer(COUNT), store.loaded("p")) == ([(2,)], 8)
    store.close()


def test_a_store_of_an_older_version_gets_its_missing_columns(tmp_path: Path) -> None:
    """Rows from before hold what the fact says when nothing is given."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    append(store, {"requests": [fact(1, sdk="x", served=False, extra={"a": "b"})]}, "p", 1)
    store.close()
    with duckdb.connect(str(tmp_path / "facts.duckdb")) as connection:
        for column in ("sdk", "served", "extra", "duration_ms"):
            connection.execute(f"ALTER TABLE requests DROP COLUMN {column}")
        connection.execute("DROP TABLE attempts")
    store = DuckDBStore(tmp_path / "facts.duckdb")
    old = store.answer(Plan("SELECT sdk, served, extra, duration_ms FROM requests", ()))
    assert old == [("", True, {}, 0.0)]
    append(store, {"requests": [fact(2, sdk="y")]}, "p", 2)
    assert store.answer(Plan("SELECT sdk FROM requests ORDER BY ms_cv", ())) == [("",), ("y",)]
    assert store.answer(Plan("SELECT count(*) FROM attempts", ())) == [(0,)]
    store.close()


def test_a_folder_of_the_first_version_opens_and_gains_what_came_since(tmp_path: Path) -> None:
    """Its requests stay, and the kinds of fact that it did not know are there, empty and ready."""
    with duckdb.connect(str(tmp_path / "facts.duckdb")) as connection:
        connection.execute(FIRST_SCHEMA)
        connection.execute(
            "INSERT INTO requests BY NAME SELECT TIMESTAMP '2026-11-21 12:00:00' AS happened_at, 'r' AS resource, "
            "'chat' AS service, 'SendChatMessage' AS operation, 201 AS status, '2xx' AS status_class"
        )
        connection.execute("INSERT INTO loaded VALUES ('embedded', 7)")
    store = DuckDBStore(tmp_path / "facts.duckdb")
    assert store.loaded("embedded") == 7
    assert store.answer(Plan("SELECT operation, served, extra FROM requests")) == [("SendChatMessage", True, {})]
    call = Call(happened_at=NOW, resource="r", leg_id="l")
    append(store, {"calls": [call], "requests": [fact(2)]}, "embedded", 8)
    assert store.answer(Plan("SELECT leg_id, channel, talk_ms FROM calls")) == [("l", "voice", None)]
    for table in ("samples", "call_events", "messages", "attempts"):
        assert store.answer(Plan(f"SELECT count(*) FROM {table}")) == [(0,)]  # noqa: S608 - a name
    store.close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """The error says which file and what to do, and leaves it alone."""
    (tmp_path / "facts.duckdb").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(ConfigurationError, match=r"facts.duckdb cannot be opened: .*from a backup; or move .*aside"):
        DuckDBStore(tmp_path / "facts.duckdb")
    assert (tmp_path / "facts.duckdb").read_bytes().startswith(b"something else")


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [("facts.duckdb", 4096, 12_288), ("facts.duckdb", 12_288, 40_000), ("facts.duckdb.wal", 500, None)],
    ids=["head", "blocks", "log"],
)
def test_a_damaged_store_is_named_with_what_helps(tmp_path: Path, name: str, start: int, end: int | None) -> None:
    """More space would not: a backup does, or a new file."""
    folder = tmp_path / "free space"  # words of a remedy may stand in the path too
    folder.mkdir()
    _leave_behind(folder)
    spoil(folder / name, start, end)
    with pytest.raises(ConfigurationError, match=r"facts.duckdb cannot be opened: .* It is damaged: restore"):
        DuckDBStore(folder / "facts.duckdb")


def test_damage_met_by_a_question_is_said_in_our_words(tmp_path: Path) -> None:
    """What the engine did not read when it opened the file it may stumble over later."""
    _leave_behind(tmp_path)
    spoil(tmp_path / "facts.duckdb", 300_000, 2_000_000)
    store = DuckDBStore(tmp_path / "facts.duckdb")
    with pytest.raises(UnavailableError, match=r"cannot be read now: .*Corrupt"):
        store.answer(Plan("SELECT max(ms_cv), max(caller) FROM requests", ()))
    store.close()


def spoil(file: Path, start: int, end: int | None) -> None:
    """Write something else over a part of a file."""
    content = bytearray(file.read_bytes())
    part = content[start:end]
    content[start : start + len(part)] = bytes(255 - byte for byte in part)
    file.write_bytes(content)


def _leave_behind(folder: Path) -> None:
    """Make a store with facts in its file and in its log, as a killed process leaves it."""
    program = (
        "import os, sys; from pathlib import Path; from tests.telemetry.test_duckdb import DuckDBStore, append, fact\n"
        "store = DuckDBStore(Path(sys.argv[1]))\n"
        "append(store, {'requests': [fact(n, caller=str(n) * 90) for n in range(9000)]}, 'p', 1)\n"
        "store.checkpoint()\n"
        "append(store, {'requests': [fact(n) for n in range(900)]}, 'p', 2)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(folder / "facts.duckdb")], check=True)  # noqa: S603 - our own


def test_a_store_that_another_process_holds_is_named(tmp_path: Path) -> None:
    """DuckDB locks its file; the sentence is ours."""
    told = in_a_process_with_a_small_disk(_open_twice, tmp_path, None)
    assert "facts.duckdb cannot be opened" in told
    assert "End the program that has it open" in told


def _open_twice(folder: Path, _limit: object) -> str:
    store = DuckDBStore(folder / "facts.duckdb")
    program = (
        "import sys; from pathlib import Path; from trunkline.telemetry.stores.duckdb import DuckDBStore;"
        "DuckDBStore(Path(sys.argv[1]))"
    )
    other = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(folder / "facts.duckdb")], capture_output=True, text=True, check=False
    )
    store.close()
    return other.stderr


def test_readers_ask_while_the_writer_appends(tmp_path: Path) -> None:
    """Each reader thread has a cursor of its own; what it counts only grows."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    done = threading.Event()

    def asking() -> list[int]:
        counts = []
        while not done.is_set():
            counts.append(store.answer(COUNT)[0][0])
        return counts

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(asking) for _ in range(3)]
        for number in range(1, 31):
            append(store, {"requests": [fact(number)]}, "p", number)
            if number % 10 == 0:
                store.checkpoint()
        done.set()
        for reader in readers:
            counts = reader.result()
            assert counts == sorted(counts)
    assert store.answer(COUNT) == [(30,)]
    store.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Not with an error of the engine's own."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    store.close()
    with pytest.raises(UnavailableError):
        store.answer(COUNT)


def test_closing_waits_for_who_is_asking(tmp_path: Path) -> None:
    """A question under way gets its answer; the next one hears that the store is closed."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    slow = Plan("SELECT count(*) FROM range(6000) a, range(6000) b WHERE (a.range * b.range) % 7 = 3", ())
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(store.answer, slow)
        while not store._asking:
            time.sleep(0.001)
        store.close()
        assert asking.done()
        assert asking.result()[0][0] > 0
    with pytest.raises(UnavailableError):
        store.answer(COUNT)


def test_a_store_never_reaches_outside_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement reads foreign files or fetches extensions, should one ever slip in."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    store = DuckDBStore(tmp_path / "facts.duckdb")
    monkeypatch.chdir(tmp_path)
    for sql in ("SELECT * FROM read_csv('secret.csv')", "SELECT * FROM 'secret.csv'", "INSTALL httpfs"):
        with pytest.raises(duckdb.Error):
            store.answer(Plan(sql, ()))
    store.close()


def test_a_full_disk_takes_no_facts_away_and_the_store_recovers(tmp_path: Path) -> None:
    """Appends and checkpoints fail with our error while there is no space; afterwards both go on, in one process."""
    assert in_a_process_with_a_small_disk(_fill, tmp_path, 400_000) == "recovered"


def _fill(folder: Path, limit: object) -> str:
    store = DuckDBStore(folder / "facts.duckdb")
    append(store, {"requests": [fact(n) for n in range(100)]}, "p", 1)
    limit(True)  # type: ignore[operator]
    many = [fact(n, caller=str(n) * 40) for n in range(20_000)]
    errors = []
    for attempt in (
        lambda: append(store, {"requests": many}, "p", 2),
        store.checkpoint,  # this one leaves the engine unusable
        lambda: append(store, {"requests": many}, "p", 2),
        lambda: append(store, {"requests": many}, "p", 2),
    ):
        try:
            attempt()
        except UnavailableError as error:
            errors.append(str(error))
    assert len(errors) == 4, errors
    assert "checkpoint" in errors[1], errors
    limit(False)  # type: ignore[operator]
    assert store.loaded("p") == 1
    assert store.answer(COUNT) == [(100,)]
    append(store, {"requests": many}, "p", 2)
    store.checkpoint()
    assert store.answer(COUNT) == [(20_100,)]
    store.close()
    return "recovered"
