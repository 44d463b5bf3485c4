"""What processes on one PostgreSQL hear of each other, and which of them is on duty, whatever the server is set to."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.state.test_outage import end_all, metadata, next_item
from tests.support import states
from tests.support.patience import until
from trunkline.state import news
from trunkline.state.database import Database
from trunkline.state.news import SharedNews, Watcher

MORE_FILES = 1100


@asynccontextmanager
async def processes(*urls: str) -> AsyncIterator[list[Database]]:
    """Start a process on each URL, with a name of its own."""
    started: list[Database] = []
    try:
        for number, url in enumerate(urls):
            database = Database(url, process=f"p{number}")
            metadata.create_all(database.engine)
            database.start()
            started.append(database)
        yield started
    finally:
        for database in started:
            await database.stop()


def test_units_see_what_others_wrote_whatever_isolation_the_server_prefers() -> None:
    """A snapshot that is older than the turn would let two of them decide on the same."""
    url = states.server().fresh()
    states.server().do(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = 'repeatable read'")

    async def work() -> None:
        async with processes(url, url) as both:
            numbers = await asyncio.gather(*(both[number % 2].write(next_item) for number in range(200)))
            assert sorted(numbers) == list(range(1, 201))
            assert [database.replays for database in both] == [0, 0]

    asyncio.run(work())


def test_each_schema_of_a_database_has_one_on_duty() -> None:
    """Two that share a database and no tables do not wait for each other."""
    url = states.server().fresh()
    states.server().do("CREATE SCHEMA one; CREATE SCHEMA two", url)

    async def work() -> None:
        one, two = (f"{url}?options=-csearch_path%3D{name}" for name in ("one", "two"))
        async with processes(one, one, two) as all_three:
            assert [database.is_on_duty for database in all_three] == [True, False, True]

    asyncio.run(work())


def test_news_are_heard_again_beside_more_than_a_thousand_files() -> None:
    """A busy server has as many connections, and the one that is made after a restart gets a high number."""
    url = states.server().fresh()

    async def work() -> None:
        async with processes(url) as (database,):
            end_all(states.server(), url)
            await until(lambda: not database.is_on_duty)
            with many_files():
                await until(lambda: database.is_on_duty)
                await asyncio.sleep(0.1)  # real time, in which it would fail
                assert database.is_on_duty
                assert _news(database)._driver.fileno() > MORE_FILES

    asyncio.run(work())


@contextmanager
def many_files() -> Iterator[None]:
    """Hold so many files open that those opened in the block get high numbers."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2 * MORE_FILES), before[1]))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(MORE_FILES)]
    try:
        yield
    finally:
        for one in opened:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_that_hangs_is_relieved_of_its_duty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection ends when no beat is heard; back again, it stands by."""
    monkeypatch.setattr(news, "HANGS_S", 1.5)
    url, awake = states.server().fresh(), threading.Event()

    async def work() -> None:
        async with processes(url, url) as (first, second):
            beat = _news(first)._beat
            monkeypatch.setattr(_news(first), "_beat", lambda: awake.wait(20) and beat())
            assert (first.is_on_duty, second.is_on_duty) == (True, False)
            await until(lambda: second.is_on_duty)
            awake.set()
            await until(lambda: not first.is_on_duty)
            await until(lambda: not first.trouble or first.nudge())
            assert (first.is_on_duty, second.is_on_duty) == (False, True)

    asyncio.run(work())


def test_hearing_of_others_takes_a_fifth_of_the_time_at_most() -> None:
    """However much they write; and the last thing they wrote is heard."""
    begun: list[float] = []

    async def refresh() -> None:
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.03)

    async def work() -> None:
        watcher = Watcher(["items"], refresh)
        end = asyncio.get_running_loop().time() + 0.5
        while (last := asyncio.get_running_loop().time()) < end:
            watcher.hear()
            await asyncio.sleep(0.002)
        await until(lambda: begun[-1] >= last)
        assert 2 <= len(begun) <= 6
        watcher.end()

    asyncio.run(work())


def test_a_reader_sees_one_snapshot_and_writes_nothing_also_after_its_connection_was_lost(tmp_path: Path) -> None:
    """A connection that is made anew is made like the first one."""
    with states.kept_on(states.POSTGRESQL):
        url = states.url_for(tmp_path)
    shown = [sa.text(f"SHOW {name}") for name in ("transaction_isolation", "transaction_read_only")]

    async def work() -> None:
        async with processes(url) as (database,):
            for _ in range(3):
                answer = await database.read(lambda reader: [reader.value(one) for one in shown])  # type: ignore[arg-type]
                assert answer == ["repeatable read", "on"]
                end_all(states.server(), url)

    asyncio.run(work())


def test_what_is_remembered_does_not_outlive_the_connection() -> None:
    """Whoever answers next may be another server, restored to an earlier moment."""
    url = states.server().fresh()

    async def work() -> None:
        async with processes(url) as (database,):
            await database.write(next_item)
            first, second = [await database.write(lambda unit: unit.generation) for _ in range(2)]
            end_all(states.server(), url)
            third = await database.write(lambda unit: unit.generation)
            assert first == second < third

    asyncio.run(work())


def _news(database: Database) -> SharedNews:
    assert isinstance(database._news, SharedNews)
    return database._news
