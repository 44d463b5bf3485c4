"""The database: one writer with group commit, and readers beside it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, ProgrammingError

from trunkline.errors import ConfigurationError, ConflictError, OverloadedError, UnavailableError
from trunkline.state.engine import connect, connect_to_read, is_shared, open_engine, private_file, refusal, writing
from trunkline.state.folder import process_name
from trunkline.state.news import News, NoNews, Refresh, SharedNews
from trunkline.state.snapshot import Snapshot
from trunkline.state.transaction import Reader, Transaction
from trunkline.state.trouble import Trouble
from trunkline.state.turns import OwnTurns, SharedTurns
from trunkline.state.writer import Rider, Waiting, Writer, nothing

__all__ = ["Database", "Rider", "Unit", "writing"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
Unit = Callable[[Transaction], T]
READERS = 4


class Database:
    """State on SQLite in a folder, or on PostgreSQL; every write goes through `write`.

    `process` is this process's name among those that share the database; it survives a restart.
    """

    def __init__(self, url: str, *, process: str = "embedded", backlog: int = 20_000) -> None:
        self._engine = open_engine(url)
        self.process = process
        self._backlog = backlog
        shared = is_shared(url)
        self._writer = Writer(SharedTurns(process) if shared else OwnTurns())
        self._news: News = SharedNews(self._engine, process) if shared else NoNews()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="state-reader")
        self._local = threading.local()
        self._connections: list[sa.Connection] = []
        self._reading = Trouble(_log, "the state cannot be read")
        self._stopped = False

    @classmethod
    def at(cls, url: str, folder: Path, *, backlog: int = 20_000) -> Database:
        """Open what the setting `database` names, for the process of a data folder; raises ConfigurationError."""
        if not url:
            return cls.in_folder(folder, backlog=backlog)
        return cls(url, process=process_name(folder), backlog=backlog)

    @classmethod
    def in_folder(cls, folder: Path, *, backlog: int = 20_000) -> Database:
        """Open the SQLite database of a data folder; raises ConfigurationError when it cannot be written."""
        file = folder / "state.sqlite"
        private_file(file)
        return cls(sa.URL.create("sqlite", database=str(file)).render_as_string(), backlog=backlog)

    def refusal(self, error: DBAPIError) -> ConfigurationError:
        """Say why the server cannot start on this database, and what helps."""
        return refusal(self._engine, error)

    @property
    def engine(self) -> sa.Engine:
        """The engine, for migrations before `start`."""
        return self._engine

    def carry(self, rider: Rider) -> None:
        """Let a rider add its rows to each group from now on."""
        self._writer.carry(rider)

    def start(self) -> None:
        """Start the writer thread; raises ConfigurationError when the database cannot be opened."""
        self._news.start()
        self._writer.start(connect(self._engine))

    async def stop(self) -> None:
        """Write what waits, then close; also what never started. A second call does nothing."""
        if not self._stopped:
            self._stopped = True  # from here on nothing can get behind the last group
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.stop()
        self._news.stop()
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            with suppress(DBAPIError):
                connection.close()
        self._engine.dispose()

    # --- figures of its own ---

    @property
    def waiting(self) -> int:
        """Count the units that wait for the writer."""
        return self._writer.waiting

    @property
    def groups(self) -> int:
        """Count the groups that left."""
        return self._writer.groups

    @property
    def units(self) -> int:
        """Count the units that left in groups."""
        return self._writer.units

    @property
    def replays(self) -> int:
        """Count the groups that had to be done again."""
        return self._writer.replays

    @property
    def trouble(self) -> str:
        """Say why writes fail now, or others are not heard; "" when all is well."""
        return self._writer.trouble.reason or self._news.trouble.reason

    # --- other processes ---

    @property
    def is_on_duty(self) -> bool:
        """Tell whether this process does what one process of a database does for all; on SQLite always."""
        return self._news.is_on_duty

    def watch(self, tables: Iterable[str], refresh: Refresh) -> None:
        """Refresh what is remembered of some tables soon after another process wrote to them, or may have.

        It runs as a task of the loop that runs now, one at a time, and again until it does not raise.
        """
        self._news.watch(tables, refresh)

    def watch_duty(self, hear: Callable[[], None]) -> None:
        """Let someone hear, on the loop that runs now, that the duty came or went."""
        self._news.watch_duty(hear)

    # --- writing ---

    async def write(self, unit: Unit[T]) -> T:
        """Let the unit decide and write within the next group; return its result once that is durable.

        A unit may run twice, so it changes nothing but the database. Raises what the unit raised, ConflictError
        when its rows collide, OverloadedError when too much waits, UnavailableError when the database cannot
        write (a full disk) or is stopping.
        """
        if self._stopped:
            raise UnavailableError("The server is stopping.")
        if self._writer.waiting >= self._backlog:
            raise OverloadedError("Too many writes are waiting; try again shortly.", retry_after_s=1)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.put(Waiting(unit, future))
        return await future

    def nudge(self) -> None:
        """Make sure that a group leaves soon, although no unit waits; for riders, from any thread."""
        self._writer.nudge()

    async def settled(self) -> None:
        """Return once everything handed over before is durable."""
        await self.write(nothing)

    # --- reading ---

    async def read(self, question: Callable[[Reader], T]) -> T:
        """Run a function over one consistent snapshot, in a reader thread; raises UnavailableError."""
        if self._stopped:
            raise UnavailableError("The server is stopping.")
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, question)
        except UnavailableError as error:
            self._reading.fail(str(getattr(error.__cause__, "orig", error)))
            raise UnavailableError(error.message, told=True) from error.__cause__
        self._reading.succeed()
        return answer

    def read_now(self, question: Callable[[Reader], T]) -> T:
        """Run a function over one snapshot in the calling thread; for start-up and threads of our own."""
        try:
            return self._answer(question)
        except ProgrammingError:
            raise
        except DBAPIError as error:
            raise UnavailableError("The database cannot be read now.") from error

    def snapshot(self) -> Snapshot:
        """Hold on to what is committed by now, to be copied; raises ConflictError where that is not ours to copy."""
        file = self._engine.url.database
        if self._engine.url.get_backend_name() != "sqlite" or not file:
            raise ConflictError("The state is in a database of its own: back it up with that one's tools.")
        return Snapshot(Path(file))

    def _answer(self, question: Callable[[Reader], T]) -> T:
        try:
            return self._answer_once(question)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._answer_once(question)  # the server was restarted

    def _answer_once(self, question: Callable[[Reader], T]) -> T:
        connection = self._own_connection()
        with connection.begin():
            return question(Reader(connection))

    def _own_connection(self) -> sa.Connection:
        connection: sa.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.invalidated:
            # SQLAlchemy would connect it anew by itself, but forget that it sees one snapshot and writes nothing
            self._connections.remove(connection)
            connection.close()
            connection = self._local.connection = None
        if connection is None:
            connection = self._local.connection = connect_to_read(self._engine)
            self._connections.append(connection)
        return connection
