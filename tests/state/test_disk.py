"""A disk that is full or read-only: a clear sentence, nothing acknowledged lost, and it goes on when it can."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.patience import until
from trunkline.errors import ConfigurationError, ConflictError, TrunklineError, UnavailableError
from trunkline.state import trouble, writer
from trunkline.state.database import Database
from trunkline.state.folder import Folder
from trunkline.state.migrations import upgrade
from trunkline.state.transaction import Transaction
from trunkline.telemetry.stores.duckdb import DuckDBStore

metadata = sa.MetaData()
items = sa.Table("items", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.Text))
put = sa.insert(items)
everything = sa.select(items.c.id).order_by(items.c.id)
NOBODY = 65534


class Limited:
    """A database whose disk can be made full and wide again."""

    def __init__(self, folder: Path) -> None:
        self.database = Database.in_folder(folder)
        self._raw: list[Any] = []
        sa.event.listen(self.database.engine, "connect", lambda raw, _: self._raw.append(raw))
        metadata.create_all(self.database.engine)
        self._raw.clear()
        self.database.start()

    def full(self, more_pages: int = 0) -> None:
        """Let the file grow by so many pages at most."""
        (pages,) = self._raw[0].execute("PRAGMA page_count").fetchone()
        self._raw[0].execute(f"PRAGMA max_page_count={pages + more_pages}")

    def wide(self) -> None:
        """Let the file grow again."""
        self._raw[0].execute("PRAGMA max_page_count=1000000")


def putting(number: int, size: int = 3000) -> Callable[[Transaction], int]:
    """Return a unit that puts an item of a size."""

    def unit(transaction: Transaction) -> int:
        transaction.hand(put, id=number, value="x" * size)
        return number

    return unit


class Riding:
    """A rider with one row."""

    def __init__(self) -> None:
        self.done = 0

    def board(self, transaction: Transaction) -> None:
        """Hand over the row until it has arrived."""
        if not self.done:
            transaction.hand(put, id=10_000, value="r" * 3000)

    def arrived(self) -> None:
        """Count the arrival."""
        self.done += 1


def test_a_full_disk_is_said_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Some writes fit, the rest hear why not; once there is space again they do, and what rides along arrives too."""

    async def work() -> list[int]:
        limited = Limited(tmp_path)
        database, rider = limited.database, Riding()
        acknowledged = [await database.write(putting(0))]
        limited.full(more_pages=40)
        database.carry(rider)
        results = await asyncio.gather(*(database.write(putting(n)) for n in range(1, 200)), return_exceptions=True)
        acknowledged += [result for result in results if isinstance(result, int)]
        refused = [result for result in results if not isinstance(result, int)]
        assert refused
        assert all(isinstance(error, UnavailableError) for error in refused)
        assert "disk may be full or read-only" in str(refused[0])
        assert len(await database.read(lambda reader: reader.all(everything))) >= len(acknowledged)
        limited.wide()
        await until(lambda: rider.done)  # nobody writes: it tries again by itself
        acknowledged.append(await database.write(putting(500)))
        await database.stop()
        return acknowledged

    acknowledged = asyncio.run(work())
    assert stored(tmp_path) == sorted({*acknowledged, 10_000})


def test_a_full_disk_is_one_line_in_the_log_when_it_begins_and_one_when_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many writes fail; the database says why as long as it lasts, and tries again without being asked."""
    monkeypatch.setattr(trouble, "CALM_S", 0.5)
    monkeypatch.setattr(writer, "RETRY_S", 0.02)

    async def work() -> None:
        limited = Limited(tmp_path)
        database = limited.database
        await database.write(putting(0))
        assert database.trouble == ""
        limited.full()
        for number in range(1, 20):
            with pytest.raises(UnavailableError) as refused:
                await database.write(putting(number))
            assert refused.value.facts["told"]
            with pytest.raises(ConflictError):
                await database.write(putting(0))  # a unit's own mistake says nothing of the disk
        assert "full" in database.trouble
        limited.wide()
        await database.write(putting(20))
        await until(lambda: database.trouble == "")  # nobody writes
        await database.stop()

    asyncio.run(work())
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "the state cannot be written: database or disk is full; it is tried again"
    assert re.fullmatch(r"the state cannot be written: this is over after \d+ s", said[1])
    assert len(said) == 2
    assert not any(record.exc_info for record in caplog.records)


def test_reads_that_fail_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each reader hears of it; the log hears of the first."""

    def broken(_reader: object) -> None:
        raise sa.exc.OperationalError("SELECT", {}, Exception("disk I/O error"))

    async def work() -> None:
        database = Limited(tmp_path).database
        for _ in range(3):
            with pytest.raises(UnavailableError) as refused:
                await database.read(broken)
            assert refused.value.facts["told"]
        assert database.trouble == ""  # it still takes writes
        await database.stop()

    asyncio.run(work())
    assert [record.getMessage() for record in caplog.records] == [
        "the state cannot be read: disk I/O error; it is tried again"
    ]


def test_a_unit_too_large_for_the_disk_leaves_room_for_small_ones(tmp_path: Path) -> None:
    """The group that it spoiled is done again apart: what fits is written, and a collision is still told from it."""

    async def work() -> None:
        limited = Limited(tmp_path)
        database = limited.database
        await database.write(putting(1, size=10))
        limited.full(more_pages=20)
        units = [putting(2, size=10), putting(3, size=2_000_000), putting(1, size=10), putting(4, size=10)]
        results = await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True)
        assert (results[0], results[3]) == (2, 4)
        assert isinstance(results[1], UnavailableError)
        assert isinstance(results[2], ConflictError)
        await database.stop()

    asyncio.run(work())
    assert stored(tmp_path) == [1, 2, 4]


def stored(folder: Path) -> list[int]:
    """Read the ids as after a restart."""

    async def read() -> list[int]:
        database = Database.in_folder(folder)
        rows = database.read_now(lambda reader: reader.all(everything))
        await database.stop()
        return [row.id for row in rows]

    return asyncio.run(read())


# --- read-only: tried as somebody who is not allowed to write ---


@contextmanager
def public_folder() -> Iterator[Path]:
    """Make a folder that everyone can reach and read, but not write."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-test-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        rmtree(folder)


def as_nobody(attempt: Callable[[Path], Any], folder: Path) -> str:
    """Run an attempt as an unprivileged user in a process of its own; returns the error's kind and sentence."""
    pipe, inlet = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            attempt(folder)
        except TrunklineError as error:
            inlet.send(f"{type(error).__name__}: {error}")
        except BaseException as error:
            inlet.send(repr(error))
            raise
        else:
            inlet.send("no error")

    process = multiprocessing.get_context("fork").Process(target=run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        process.start()
    told = pipe.recv() if pipe.poll(20) else "nothing was said"
    process.join(20)
    pipe.close()
    inlet.close()
    return str(told)


def _write(folder: Path) -> None:
    async def work() -> None:
        database = Database(f"sqlite:///{folder / 'state.sqlite'}")
        try:
            database.start()
            await database.write(putting(1))
        finally:
            await database.stop()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda folder: Folder(folder / "data").hold(), "data cannot be used: Permission denied. Choose another"),
        (Database.in_folder, "state.sqlite cannot be written: Permission denied. Make it writable"),
        (_write, "state.sqlite cannot be opened: .*Make its folder writable and free some space"),
        (lambda folder: DuckDBStore(folder / "facts.duckdb"), "facts.duckdb cannot be opened: .*Make it writable"),
    ],
    ids=["folder", "state", "writer", "facts"],
)
def test_a_folder_that_cannot_be_written_is_refused_with_the_remedy(
    attempt: Callable[[Path], Any], sentence: str
) -> None:
    """Each part that would write says which file and what to do."""
    with public_folder() as folder:
        if os.getuid() != 0:
            folder.chmod(0o555)
        told = as_nobody(attempt, folder)
        folder.chmod(0o755)
    kind, _, said = told.partition(": ")
    assert kind == ConfigurationError.__name__, told
    assert said
    assert re.search(sentence, said), said


def test_a_schema_cannot_be_made_on_a_full_disk_and_nothing_is_left_of_the_try(tmp_path: Path) -> None:
    """The first start on a full disk says so; with space again it succeeds."""
    database = Database.in_folder(tmp_path)

    @sa.event.listens_for(database.engine, "connect")
    def _tiny(raw: Any, _record: Any) -> None:
        raw.execute(f"PRAGMA max_page_count={room[0]}")

    room = [5]
    with pytest.raises(
        ConfigurationError, match=r"cannot be brought from schema nothing to .*full.*Nothing was changed"
    ):
        upgrade(database.engine)
    with database.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    room[0] = 100_000
    upgrade(database.engine)
    with database.engine.connect() as connection:
        assert "inbox" in sa.inspect(connection).get_table_names()
