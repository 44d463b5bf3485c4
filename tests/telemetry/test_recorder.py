"""From record to ask: every fact is there once, in time, whatever fails in between."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import sqlalchemy as sa

from tests.support.patience import until
from trunkline.catalogue.facts import Attempt, Request
from trunkline.catalogue.load import load
from trunkline.errors import OverloadedError, UnavailableError
from trunkline.state import trouble
from trunkline.state.database import Database
from trunkline.state.transaction import Transaction, metadata
from trunkline.telemetry.batches import batch
from trunkline.telemetry.inbox import MOST_A_GROUP, Inbox
from trunkline.telemetry.loader import SLOWER, Loader
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Series
from trunkline.telemetry.recorder import Recorder
from trunkline.telemetry.store import Span
from trunkline.telemetry.stores.duckdb import DuckDBStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COUNT = Series(measures=("requests.count",), start=NOW - timedelta(days=1), end=NOW + timedelta(days=1))


class Faulty:
    """A DuckDB store that fails when told to, before or after it took a batch in."""

    def __init__(self, file: Path) -> None:
        self.inner = DuckDBStore(file)
        self.fails: Exception | None = None
        self.fails_after: Exception | None = None
        self.slow = threading.Event()
        self.slow.set()
        self.entered = threading.Event()
        self.appended = 0

    @property
    def name(self) -> str:
        """Ask the store."""
        return self.inner.name

    def append(self, batches: Mapping[str, Any], marks: Mapping[str, int], *more: Any) -> None:
        """Append, or fail."""
        self.entered.set()
        self.slow.wait(10)
        if self.fails is not None:
            raise self.fails
        self.inner.append(batches, marks, *more)
        self.appended += 1
        if self.fails_after is not None:
            error, self.fails_after = self.fails_after, None
            raise error

    def loaded(self, process: str) -> int:
        """Ask the store."""
        return self.inner.loaded(process)

    def known(self, table: str, pieces: Any) -> Any:
        """Ask the store."""
        return self.inner.known(table, pieces)

    def spans(self, wanted: Sequence[str]) -> dict[str, list[Span]]:
        """Ask the store."""
        return self.inner.spans(wanted)

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Ask the store."""
        return self.inner.answer(plan)

    def tidy(self, *, is_calm: bool = True) -> None:
        """Tidy the store."""
        self.inner.tidy(is_calm=is_calm)

    def close(self) -> None:
        """Close the store."""
        self.inner.close()


@dataclass
class Rooms:
    """The parts between record and ask."""

    database: Database
    inbox: Inbox
    loader: Loader
    store: Faulty
    recorder: Recorder

    async def count(self) -> int:
        """Ask how many requests there were."""
        points = await self.recorder.ask(COUNT)
        return int(points[0].values[0] or 0) if points else 0


@asynccontextmanager
async def opened(folder: Path, *, limit: int = 200_000, **given: Any) -> AsyncIterator[Rooms]:
    """Open them on a folder, as the house does; facts are drained by questions rather than by time."""
    database = Database.in_folder(folder)
    metadata.create_all(database.engine)
    store = Faulty(folder / "facts.duckdb")
    inbox = Inbox(database, limit=limit)
    loader = Loader(inbox, store, **{"period_s": 30.0, "after_failure_s": 0.01, **given})
    loader.open()
    database.start()
    loader.start()
    recorder = Recorder(database, inbox, loader, store, Planner(load().measures))
    try:
        yield Rooms(database, inbox, loader, store, recorder)
    finally:
        recorder.close()
        await loader.stop()
        await database.stop()
        store.close()


def fact(number: int = 0, **given: Any) -> Request:
    """Make a request that was answered."""
    given = {"operation": "SendChatMessage", "status": 201, "status_class": "2xx", **given}
    return Request(happened_at=NOW + timedelta(milliseconds=number), resource="r", service="chat", **given)


def test_while_large_batches_come_in_the_inbox_is_drained_less_often(tmp_path: Path) -> None:
    """But at once when a question waits."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            assert rooms.loader.pace_s == 30.0
            await rooms.recorder.load("requests", batch(Request, [fact()]))
            assert rooms.loader.pace_s == 30.0 * SLOWER
            rooms.recorder.record(fact(1))
            assert await rooms.count() == 2

    asyncio.run(work())


def test_a_drain_ends_although_batches_keep_coming(tmp_path: Path) -> None:
    """What was recorded meanwhile waits for the next one, and does not ride each batch."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.store.slow.clear()
            rooms.recorder.record(fact())
            asked = asyncio.create_task(rooms.count())
            await asyncio.to_thread(rooms.store.entered.wait, 10)
            rooms.recorder.record(fact(1))
            await rooms.database.settled()
            batch_loaded = rooms.recorder.load("requests", batch(Request, [fact(2)]))
            rooms.store.slow.set()
            await asked
            await batch_loaded
            points = await rooms.recorder.ask(COUNT, as_loaded=True)
            assert points[0].values[0] == 2
            assert await rooms.count() == 3

    asyncio.run(work())


def waiting_rows(folder: Path) -> int:
    """Count the rows of the inbox on disk."""
    connection = sqlite3.connect(folder / "state.sqlite")
    try:
        return int(connection.execute("SELECT count(*) FROM inbox").fetchone()[0])
    finally:
        connection.close()


def forget_state(folder: Path) -> None:
    """Remove the state, but not the facts."""
    for file in folder.glob("state.sqlite*"):
        file.unlink()


# --- the promise ---


def test_an_answer_contains_all_that_was_recorded_before_it_was_asked(tmp_path: Path) -> None:
    """A thousand facts recorded, asked at once: all there. And again, ten times over."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            for turn in range(1, 11):
                for number in range(1000):
                    rooms.recorder.record(fact(number))
                assert await rooms.count() == turn * 1000

    asyncio.run(work())


def test_a_question_waits_for_the_facts_that_it_is_about_and_no_others(tmp_path: Path) -> None:
    """What is asked of deliveries does not hurry the record of the request before it; a delivery itself is there."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            attempts = msgspec.structs.replace(COUNT, measures=("attempts.count",))
            for turn in range(1, 4):
                rooms.recorder.record(Attempt(happened_at=NOW, resource="r", subscription="s", parcel=str(turn)))
                assert (await rooms.recorder.ask(attempts))[0].values == (turn,)
                appended = rooms.store.appended
                rooms.recorder.record(fact(turn))
                assert (await rooms.recorder.ask(attempts))[0].values == (turn,)
                assert rooms.store.appended == appended
            assert await rooms.count() == 3

    asyncio.run(work())


def test_questions_and_facts_may_come_all_at_once(tmp_path: Path) -> None:
    """Every question sees at least what was recorded before it, none sees a fact twice."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            recorded = 0

            async def asking() -> None:
                for _ in range(5):
                    least = recorded
                    found = await rooms.count()
                    assert least <= found <= recorded

            async def recording() -> None:
                nonlocal recorded
                for number in range(200):
                    recorded += 1
                    rooms.recorder.record(fact(number))
                    await asyncio.sleep(0)

            await asyncio.gather(*(asking() for _ in range(4)), *(recording() for _ in range(10)))
            assert await rooms.count() == 2000

    asyncio.run(work())


def test_facts_of_every_kind_come_back_as_they_were(tmp_path: Path) -> None:
    """Each field keeps its value to the microsecond and the letter, through both databases."""
    request = fact(
        served=False, api_version="2024-03-07", ms_cv="a.0", duration_ms=1.25, extra={"country": "AT", "ü": "'\"\0"}
    )
    attempt = Attempt(happened_at=NOW, resource="r", subscription="s", parcel="7", number=3, outcome="timed out")

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(request)
            rooms.recorder.record(attempt)
            await rooms.recorder.settled()
            for kept in (request, attempt):
                fields = kept.__struct_fields__
                rows = rooms.store.answer(Plan(f"SELECT {', '.join(fields)} FROM {kept.table}", ()))  # noqa: S608 - names
                found = dict(zip(fields, rows[0], strict=True))
                found["happened_at"] = found["happened_at"].replace(tzinfo=UTC)
                assert found == {name: getattr(kept, name) for name in fields}

    asyncio.run(work())


def test_what_has_been_loaded_leaves_the_inbox(tmp_path: Path) -> None:
    """The inbox holds only what is on its way, and the last row: it keeps the number."""

    async def work() -> None:
        async with opened(tmp_path, period_s=0.01) as rooms:
            for number in range(100):
                rooms.recorder.record(fact(number))
            await rooms.recorder.settled()
            rooms.recorder.record(fact(100))
            await rooms.recorder.settled()
            await until(lambda: waiting_rows(tmp_path) == 1)

    asyncio.run(work())


def test_facts_are_loaded_without_anyone_asking(tmp_path: Path) -> None:
    """The loader comes by on its own."""

    async def work() -> None:
        async with opened(tmp_path, period_s=0.01) as rooms:
            rooms.recorder.record(fact())
            await until(lambda: rooms.store.appended == 1)

    asyncio.run(work())


# --- trouble ---


def test_while_the_store_fails_facts_wait_and_questions_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question fails soon, the log tells once, and all facts are there when the store is well again."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.store.fails = UnavailableError("no space")
            for number in range(50):
                rooms.recorder.record(fact(number))
            async with asyncio.timeout(5):
                with pytest.raises(UnavailableError, match="cannot take in"):
                    await rooms.count()
            assert waiting_rows(tmp_path) > 0
            assert rooms.loader.failures >= 2
            rooms.store.fails = None
            assert await rooms.count() == 50
            await until(lambda: len(told(caplog)) == 2)

    monkeypatch.setattr(trouble, "CALM_S", 0.0)
    asyncio.run(work())
    assert told(caplog)[0] == "facts wait in the inbox: no space; it is tried again"
    assert re.fullmatch(r"facts wait in the inbox: this is over after \d+ s", told(caplog)[1])
    assert not any(record.exc_info for record in caplog.records)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the warnings of the loader."""
    return [record.getMessage() for record in caplog.records if record.name == "trunkline.telemetry.loader"]


def test_an_unforeseen_error_does_not_end_the_loader(tmp_path: Path) -> None:
    """Whatever the store raises, what waits is tried again."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.store.fails = ZeroDivisionError("a mistake")
            rooms.recorder.record(fact())
            with pytest.raises(UnavailableError):
                await rooms.count()
            rooms.store.fails = None
            assert await rooms.count() == 1

    asyncio.run(work())


def test_a_store_that_hangs_is_waited_for_only_so_long(tmp_path: Path) -> None:
    """A question fails within the loader's patience."""

    async def work() -> None:
        async with opened(tmp_path, patience_s=0.1) as rooms:
            rooms.store.slow.clear()
            rooms.recorder.record(fact())
            with pytest.raises(UnavailableError, match="cannot take in"):
                await rooms.count()
            rooms.store.slow.set()
            assert await rooms.count() == 1

    asyncio.run(work())


def test_an_engine_that_gave_up_while_facts_were_loaded_is_opened_anew(tmp_path: Path) -> None:
    """Where it stood, only the file knows then: it is read again, and what waits is loaded once."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(fact(1))
            assert await rooms.count() == 1
            rooms.store.fails = UnavailableError("no space")
            rooms.recorder.record(fact(2))
            with pytest.raises(UnavailableError):
                await rooms.count()
            rooms.store.inner.answer(Plan("SET GLOBAL debug_checkpoint_abort = 'before_header'"))
            with pytest.raises(UnavailableError, match="be read"):
                rooms.store.inner.answer(Plan("FORCE CHECKPOINT"))
            rooms.store.fails = None
            await until(lambda: rooms.store.appended == 2)
            assert await rooms.count() == 2

    asyncio.run(work())


def test_a_batch_whose_commit_is_reported_as_failed_is_not_loaded_twice(tmp_path: Path) -> None:
    """Whether it took hold, only the store knows; it is asked."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.store.fails_after = UnavailableError("the answer got lost")
            for number in range(10):
                rooms.recorder.record(fact(number))
            assert await rooms.count() == 10
            assert rooms.store.appended == 1

    asyncio.run(work())


def test_stopping_in_the_middle_of_a_load_loads_nothing_twice(tmp_path: Path) -> None:
    """The drain that is cut short goes on in its thread; the last drain starts where it ended."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.store.slow.clear()
            rooms.recorder.record(fact())
            await rooms.database.settled()
            loading = asyncio.ensure_future(rooms.loader.caught_up(rooms.inbox.durable))
            await asyncio.to_thread(rooms.store.entered.wait, 10)
            asyncio.get_running_loop().call_later(0.05, rooms.store.slow.set)
            await rooms.loader.stop()
            await loading
            assert rooms.store.answer(Plan("SELECT count(*) FROM requests", ())) == [(1,)]

    asyncio.run(work())


def test_facts_survive_a_group_that_failed_once_each(tmp_path: Path) -> None:
    """They ride again with the next try, neither lost nor doubled."""

    def colliding(transaction: Transaction) -> None:
        row = {"process": "other", "number": 1, "fact": "requests", "body": b""}
        transaction.hand(put, **row)

    put = sa.insert(metadata.tables["inbox"])

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            for number in range(20):
                rooms.recorder.record(fact(number))
                await asyncio.gather(*(rooms.database.write(colliding) for _ in range(3)), return_exceptions=True)
            assert rooms.database.replays > 0
            assert await rooms.count() == 20

    asyncio.run(work())


def test_a_group_that_arrived_though_its_commit_failed_is_recognised(tmp_path: Path) -> None:
    """A commit may reach the disk and still report an error: the facts are there, and not sent again."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            broken = [True]

            @sa.event.listens_for(rooms.database.engine, "commit")
            def _lose(connection: sa.Connection) -> None:
                if broken and rooms.inbox.pending:
                    broken.clear()
                    connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
                    raise sa.exc.OperationalError("COMMIT", {}, Exception("the answer got lost"))

            for number in range(30):
                rooms.recorder.record(fact(number))
            assert await rooms.count() == 30
            assert not broken
            rooms.recorder.record(fact(31))
            assert await rooms.count() == 31

    asyncio.run(work())


def test_a_fact_that_cannot_be_packed_holds_up_no_other(tmp_path: Path) -> None:
    """It is left out, counted and logged; those around it arrive."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(fact(1))
            rooms.recorder.record(fact(2, operation="\ud800"))
            rooms.recorder.record(fact(3, status=2**80))
            rooms.recorder.record(fact(4))
            assert await rooms.count() == 2
            assert rooms.inbox.spoiled == 2

    asyncio.run(work())


def test_a_row_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """A kind of fact that this version does not know, or a body that is none: logged, counted, passed by."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(fact(1))
            await rooms.recorder.settled()
        connection = sqlite3.connect(tmp_path / "state.sqlite")
        connection.execute("INSERT INTO inbox VALUES ('embedded', 101, 'dreams', x'90')")
        connection.execute("INSERT INTO inbox VALUES ('embedded', 102, 'requests', x'c1')")
        connection.commit()
        connection.close()
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(fact(2))
            assert await rooms.count() == 2
            assert rooms.inbox.spoiled == 2

    asyncio.run(work())


def test_while_the_state_is_full_a_question_does_not_answer_with_less(tmp_path: Path) -> None:
    """Facts that could not be made durable are not silently left out; with space again they are there."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            connection = rooms.database._writer._connection
            assert connection is not None
            raw: Any = connection.connection.dbapi_connection
            (pages,) = raw.execute("PRAGMA page_count").fetchone()
            raw.execute(f"PRAGMA max_page_count={pages}")
            for number in range(500):
                rooms.recorder.record(fact(number, caller="x" * 200))
            with pytest.raises(UnavailableError, match="disk may be full"):
                await rooms.count()
            raw.execute("PRAGMA max_page_count=100000")
            await until(lambda: not rooms.inbox.pending)  # it tries again by itself
            assert await rooms.count() == 500

    asyncio.run(work())


def test_the_facts_that_wait_are_bounded_and_refusals_counted(tmp_path: Path) -> None:
    """Nothing is shed silently: the inbox refuses, the recorder counts."""

    async def work() -> None:
        async with opened(tmp_path, limit=10) as rooms:
            busy, free = threading.Event(), threading.Event()
            holding = asyncio.ensure_future(rooms.database.write(lambda _: (busy.set(), free.wait(10))))
            await asyncio.to_thread(busy.wait, 10)
            for number in range(25):
                rooms.recorder.record(fact(number))
            with pytest.raises(OverloadedError):
                rooms.inbox.put(fact())
            assert rooms.recorder.refused == 15
            free.set()
            await holding
            assert await rooms.count() == 10

    asyncio.run(work())


def test_a_great_many_facts_travel_in_several_groups(tmp_path: Path) -> None:
    """A group takes only so many along, and the rest follows without being asked for."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            many = 2 * MOST_A_GROUP + 1
            busy, free = threading.Event(), threading.Event()
            holding = asyncio.ensure_future(rooms.database.write(lambda _: (busy.set(), free.wait(10))))
            await asyncio.to_thread(busy.wait, 10)
            for number in range(many):
                rooms.recorder.record(fact(number))
            free.set()
            await holding
            await until(lambda: not rooms.inbox.pending)
            assert waiting_rows(tmp_path) >= 3
            assert await rooms.count() == many

    asyncio.run(work())


# --- starts and stops ---


def test_what_was_durable_but_not_loaded_is_there_after_a_restart(tmp_path: Path) -> None:
    """The inbox keeps it, numbers go on, and nothing is loaded twice over five restarts."""

    async def work() -> None:
        for turn in range(1, 6):
            async with opened(tmp_path) as rooms:
                rooms.store.fails = UnavailableError("not today") if turn % 2 else None
                for number in range(10):
                    rooms.recorder.record(fact(number))
        async with opened(tmp_path) as rooms:
            assert await rooms.count() == 50

    asyncio.run(work())


def test_a_state_that_begins_anew_beside_old_facts_loses_none(tmp_path: Path) -> None:
    """Numbers go on after what the store has loaded, else it would take new facts for old ones."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            for number in range(10):
                rooms.recorder.record(fact(number))
                await rooms.database.settled()
            assert await rooms.count() == 10
        await asyncio.to_thread(forget_state, tmp_path)
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(fact(11))
            assert await rooms.count() == 11

    asyncio.run(work())


def test_a_store_that_lost_what_it_held_is_told_once_and_numbers_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A new file, or one that is older than what has left the inbox: a warning names it; no number is used twice."""

    async def fill(facts: int) -> tuple[int, int]:
        async with opened(tmp_path, period_s=0.01) as rooms:
            first = rooms.inbox.durable
            for number in range(facts):
                rooms.recorder.record(fact(number))
                await rooms.database.settled()
            await rooms.recorder.settled()
            await until(lambda: waiting_rows(tmp_path) <= 1)
            return first, await rooms.count()

    store = tmp_path / "facts.duckdb"
    assert asyncio.run(fill(10)) == (0, 10)
    backup = store.read_bytes()
    assert asyncio.run(fill(10)) == (10, 20)
    assert told(caplog) == []
    store.write_bytes(backup)
    assert asyncio.run(fill(0)) == (20, 11)  # the last row was still in the inbox
    assert len(told(caplog)) == 1
    store.unlink()
    assert asyncio.run(fill(5)) == (20, 6)
    assert told(caplog)[1:] == [
        f"{store} lacks what it held before (it is new, restored or damaged): older measurements are gone"
    ]
    assert asyncio.run(fill(0)) == (25, 6)
    assert len(told(caplog)) == 2


def test_two_processes_number_their_facts_apart(tmp_path: Path) -> None:
    """Rows of another process in the same inbox are not this one's to load."""

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            other = Inbox(rooms.database, process="other")
            other.open(0)
            other.put(fact(1))
            rooms.recorder.record(fact(2))
            assert await rooms.count() == 1
            assert other.durable == 1

    asyncio.run(work())


def test_the_moments_of_an_answer_are_in_utc_whatever_zone_was_asked_in(tmp_path: Path) -> None:
    """Steps count real time, also where a zone turns its clocks."""
    start = datetime(2026, 10, 25, 0, 0, tzinfo=ZoneInfo("Europe/Vienna"))

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.recorder.record(fact())
            moment = start.astimezone(UTC) + timedelta(hours=5)
            rooms.recorder.record(
                Request(happened_at=moment, resource="r", service="s", operation="o", status=200, status_class="2xx")
            )
            question = Series(measures=("requests.count",), start=start, end=start + timedelta(hours=9), step_s=3600)
            assert [point.at for point in await rooms.recorder.ask(question)] == [moment]

    asyncio.run(work())
