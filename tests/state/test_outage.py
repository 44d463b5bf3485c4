"""PostgreSQL goes away and comes back: nothing acknowledged is lost, nothing is done twice, nobody has to restart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.patience import until
from tests.support.postgres import Postgres, postgres
from trunkline.errors import ConfigurationError, ConflictError, UnavailableError
from trunkline.state import turns
from trunkline.state.database import Database
from trunkline.state.migrations import upgrade
from trunkline.state.transaction import Transaction
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.inbox import inbox as facts

metadata = sa.MetaData()
items = sa.Table("items", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.Text))
put = sa.insert(items)
numbers = sa.select(items.c.id).order_by(items.c.id)
highest = sa.select(sa.func.max(items.c.id))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Run a server that is killed."""
    with postgres(durable=True) as running:
        yield running


@pytest.fixture
def url(server: Postgres) -> str:
    """Give an empty database."""
    return server.fresh()


@contextmanager
def opened(url: str, process: str = "one") -> Iterator[Database]:
    """Give a database with the table, started."""
    database = Database(url, process=process)
    metadata.create_all(database.engine)
    database.start()
    yield database


def next_item(transaction: Transaction) -> int:
    """Put the next item: doing it again puts another one."""
    number = int(transaction.value(highest) or 0) + 1
    transaction.hand(put, id=number, value="x")
    return number


def kept(server: Postgres, url: str) -> list[int]:
    """Read what is there, beside Trunkline."""
    return [row[0] for row in server.do("SELECT id FROM items ORDER BY id", url)]


def end_all(server: Postgres, url: str) -> None:
    """End every connection to a database, as an administrator or a failover does."""
    name = url.rpartition("/")[2]
    server.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 - ours


def test_lost_connections_are_made_anew_and_nobody_notices(server: Postgres, url: str) -> None:
    """Writer, readers and news: the next write and the next read go through."""

    async def work() -> None:
        with opened(url) as database:
            for number in range(1, 6):
                assert await database.write(next_item) == number
                assert len(await database.read(lambda reader: reader.all(numbers))) == number
                end_all(server, url)
            await until(lambda: database.is_on_duty and not database.trouble)
            await database.stop()

    asyncio.run(work())


def test_nothing_acknowledged_is_lost_when_the_server_is_killed_amid_writes(server: Postgres, url: str) -> None:
    """Kill -9 of PostgreSQL and all its children, then a start: who was refused may try again, the rest is there."""
    acknowledged: list[int] = []
    refused: list[Exception] = []

    async def write(database: Database, end: asyncio.Event) -> None:
        while not end.is_set():
            try:
                acknowledged.append(await database.write(next_item))
            except UnavailableError as error:
                refused.append(error)
                await asyncio.sleep(0.01)

    async def work() -> None:
        with opened(url) as database:
            end = asyncio.Event()
            writers = [asyncio.create_task(write(database, end)) for _ in range(8)]
            for _ in range(2):
                before = len(acknowledged)
                await until(lambda before=before: len(acknowledged) > before + 200)  # type: ignore[misc]
                await asyncio.to_thread(server.kill)
                await until(lambda: refused)
                assert database.trouble
                with pytest.raises(UnavailableError):
                    await database.read(lambda reader: reader.all(numbers))
                await asyncio.to_thread(server.start)
                refused.clear()
            before = len(acknowledged)
            await until(lambda: len(acknowledged) > before + 200)
            end.set()
            await asyncio.gather(*writers)
            await until(lambda: not database.trouble or database.nudge())
            assert database.is_on_duty
            await database.stop()

    asyncio.run(work())
    assert len(acknowledged) == len(set(acknowledged))
    assert set(acknowledged) <= set(kept(server, url))


@pytest.mark.parametrize("took_hold", [True, False])
def test_a_commit_whose_answer_is_lost_is_done_once(server: Postgres, url: str, *, took_hold: bool) -> None:
    """The writer asks what became of it before it does anything again."""

    async def work() -> None:
        with opened(url) as database:
            await database.write(next_item)
            with broken_commit(database, server, took_hold=took_hold):
                assert await database.write(next_item) == 2
            assert database.replays == (0 if took_hold else 1)
            assert await database.write(next_item) == 3
            await database.stop()

    asyncio.run(work())
    assert kept(server, url) == [1, 2, 3]


@pytest.mark.parametrize("took_hold", [True, False])
def test_posted_facts_whose_commit_is_lost_are_kept_once_and_in_order(
    server: Postgres, url: str, *, took_hold: bool
) -> None:
    """Blocks are numbered within the unit: numbers of a try that was undone are left out, not used by others."""

    async def work() -> None:
        with opened(url) as database:
            facts.create(database.engine)
            inbox = Inbox(database, process=database.process)
            inbox.open(0)
            await inbox.keep([("calls", b"a"), ("calls", b"b")])
            with broken_commit(database, server, took_hold=took_hold):
                await asyncio.gather(inbox.keep([("calls", b"c"), ("calls", b"d")]), inbox.keep([("calls", b"e")]))
            await inbox.keep([("calls", b"f")])
            last = inbox.durable
            await database.stop()
        rows = server.do("SELECT number, body FROM inbox ORDER BY number", url)
        assert [bytes(body) for _, body in rows] == [b"a", b"b", b"c", b"d", b"e", b"f"]
        assert rows[-1][0] == last

    asyncio.run(work())


@contextmanager
def broken_commit(database: Database, server: Postgres, *, took_hold: bool) -> Iterator[None]:
    """Lose the connection in the next commit, after it or before it."""
    commit, once = database.engine.dialect.do_commit, threading.Event()

    def break_off(raw: Any) -> None:
        if once.is_set():
            commit(raw)
            return
        once.set()
        if took_hold:
            raw.driver_connection.execute("COMMIT")
        server.do(f"SELECT pg_terminate_backend({raw.driver_connection.info.backend_pid})")
        raw.driver_connection.execute("SELECT 1")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.engine.dialect, "do_commit", break_off)
        yield


def test_a_commit_that_nobody_can_be_asked_about_is_said_to_be_unknown(
    server: Postgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doing it again could do it twice: it is not, and the caller hears why."""
    monkeypatch.setattr(turns, "PATIENCE_S", 0.1)

    async def work() -> None:
        with opened(url) as database:
            await database.write(next_item)
            commit = database.engine.dialect.do_commit

            def die(raw: Any) -> None:
                monkeypatch.setattr(database.engine.dialect, "do_commit", commit)
                raw.driver_connection.execute("COMMIT")
                server.kill()
                raw.driver_connection.execute("SELECT 1")

            monkeypatch.setattr(database.engine.dialect, "do_commit", die)
            with pytest.raises(UnavailableError, match="may or may not have been stored"):
                await database.write(next_item)
            await asyncio.to_thread(server.start)
            assert await database.write(next_item) == 3
            await database.stop()

    asyncio.run(work())


@pytest.mark.parametrize("state", ["40001", "40P01", "53100", "57014"])
def test_what_may_go_through_the_next_time_is_done_again(server: Postgres, url: str, state: str) -> None:
    """A conflict of transactions, a disk that was full for a moment, a statement that took too long."""

    def failing(tries: list[None]) -> Callable[[Transaction], int]:
        raising = sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")

        def unit(transaction: Transaction) -> int:
            tries.append(None)
            if len(tries) == 1:
                transaction._writes._connection.execute(raising)
            return next_item(transaction)

        return unit

    async def work() -> None:
        with opened(url) as database:
            tries: list[None] = []
            assert await database.write(failing(tries)) == 1
            assert len(tries) == 2
            await database.stop()

    asyncio.run(work())
    assert kept(server, url) == [1]


def test_a_full_disk_is_trouble_and_a_collision_is_not(server: Postgres, url: str) -> None:
    """The first is answered as unavailable, the second as a conflict."""
    full = sa.text("DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$")

    async def work() -> None:
        with opened(url) as database:
            with pytest.raises(UnavailableError, match="database may be out of reach, full or read-only"):
                await database.write(lambda transaction: transaction._writes._connection.execute(full))
            assert "No space left on device" in database.trouble
            await database.write(lambda transaction: transaction.hand(put, id=1, value="x"))
            with pytest.raises(ConflictError):
                await database.write(lambda transaction: transaction.hand(put, id=1, value="x"))
            await database.stop()

    asyncio.run(work())


def test_a_server_that_is_not_there_ends_the_start_without_its_password() -> None:
    """The sentence names the database and the setting."""
    database = Database("postgresql+psycopg://ada:hunter2@127.0.0.1:1/x", process="one")
    with pytest.raises(ConfigurationError, match=r"ada:\*\*\*@127.0.0.1:1/x cannot be used.*setting database") as wrong:
        upgrade(database.engine)
    assert "hunter2" not in wrong.value.message


def test_texts_are_ordered_by_their_letters_whatever_the_language(url: str, tmp_path: Path) -> None:
    """As Python and SQLite do: lists are merged and paged by it."""
    database = Database(url, process="one")
    upgrade(database.engine)
    with database.engine.connect() as connection:
        kinds = connection.exec_driver_sql(
            "SELECT DISTINCT collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type IN ('text', 'character varying') AND table_name <> 'x'"
        ).all()
    assert kinds == [("C",)]
