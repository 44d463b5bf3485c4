"""The database: one writer thread with group commit, and readers beside it.

Many requests share one commit: the writer takes whatever waits, lets each unit of work decide, writes one
executemany a statement, and commits once. Only a group that fails is done again, unit by unit.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from trunkline.errors import ConflictError, OverloadedError, TrunklineError, UnavailableError
from trunkline.state.transaction import Reader, Transaction, Writes

T = TypeVar("T")
Unit = Callable[[Transaction], T]
GROUP = 256
READERS = 4


class Rider(Protocol):
    """Something that adds its rows to whichever group leaves next."""

    def board(self, transaction: Transaction) -> None:
        """Add rows to the group; may be called again when the group is done again."""

    def arrived(self) -> None:
        """Hear that the group with those rows is durable."""


@dataclass(slots=True)
class _Waiting:
    """A unit of work in the writer's queue, and who waits for its result."""

    unit: Unit[Any]
    future: asyncio.Future[Any] | None
    result: Any = None
    error: BaseException | None = None


class Database:
    """State on SQLite in a folder (or any SQLAlchemy URL); every write goes through `write`."""

    def __init__(self, url: str, *, backlog: int = 20_000) -> None:
        self._engine = _engine(url)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._backlog = backlog
        self._riders: list[Rider] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="state-reader")
        self._local = threading.local()
        self._connections: list[sa.Connection] = []
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._nudged = threading.Event()
        self.groups = 0
        self.units = 0
        self.replays = 0

    @classmethod
    def in_folder(cls, folder: Path, *, backlog: int = 20_000) -> Database:
        """Open the SQLite database of a data folder."""
        return cls(f"sqlite:///{folder / 'state.sqlite'}", backlog=backlog)

    @property
    def engine(self) -> sa.Engine:
        """The engine, for migrations before `start`."""
        return self._engine

    def carry(self, rider: Rider) -> None:
        """Let a rider add its rows to each group from now on."""
        self._riders.append(rider)

    def start(self) -> None:
        """Start the writer thread; call it on the event loop that will wait for results."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Write what waits, then close."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    @property
    def waiting(self) -> int:
        """Count the units that wait for the writer."""
        return self._queue.qsize()

    async def write(self, unit: Unit[T]) -> T:
        """Let the unit decide and write within the next group; return its result once that is durable.

        Raises what the unit raised, ConflictError when its rows collide, OverloadedError when too much
        waits, UnavailableError when the database cannot write (a full disk).
        """
        if self._queue.qsize() >= self._backlog:
            raise OverloadedError("Too many writes are waiting; try again shortly.", retry_after_s=1)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Waiting(unit, future))
        return await future

    def nudge(self) -> None:
        """Make sure that a group leaves soon, although no unit waits; for riders."""
        if not self._nudged.is_set():
            self._nudged.set()
            self._queue.put(_Waiting(_nothing, None))

    async def settled(self) -> None:
        """Return once everything handed over before is durable."""
        await self.write(_nothing)

    async def read(self, question: Callable[[Reader], T]) -> T:
        """Run a function over one consistent snapshot, in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, question)

    def read_now(self, question: Callable[[Reader], T]) -> T:
        """Run a function over one snapshot in the calling thread; for start-up and threads of our own."""
        return self._read(question)

    def _read(self, question: Callable[[Reader], T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect()
            self._connections.append(connection)
        try:
            with connection.begin():
                return question(Reader(connection))
        except OperationalError as error:
            raise UnavailableError("The database cannot be read now.") from error

    # --- the writer thread ---

    def _run(self) -> None:
        connection = self._engine.connect().execution_options(trunkline_writes=True)
        self._connections.append(connection)
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            with suppress(queue.Empty):
                while len(group) < GROUP:
                    more = self._queue.get_nowait()
                    if more is None:
                        last = True
                        break
                    group.append(more)
            self._nudged.clear()
            self._leave(connection, group)
            self._settle(group)
            if last:
                break
        self._leave(connection, [])

    def _leave(self, connection: sa.Connection, group: list[_Waiting]) -> None:
        """Write a group and commit it; on failure, do it again unit by unit."""
        self.groups += 1
        self.units += len(group)
        try:
            with connection.begin():
                writes = Writes(connection)
                for waiting in group:
                    _decide(waiting, writes)
                self._board(writes)
                writes.flush()
            self._arrived()
        except SQLAlchemyError:
            self.replays += 1
            for waiting in group:
                self._leave_alone(connection, waiting)
            self._leave_riders(connection)

    def _leave_alone(self, connection: sa.Connection, waiting: _Waiting) -> None:
        waiting.error = None  # even a refusal may have rested on rows of the group that failed
        try:
            with connection.begin():
                writes = Writes(connection)
                _decide(waiting, writes)
                writes.flush()
        except IntegrityError as error:
            waiting.error = _caused(ConflictError("Another request changed the same thing; try again."), error)
        except SQLAlchemyError as error:
            waiting.error = _caused(
                UnavailableError("The server cannot store this now; its disk may be full or read-only."), error
            )

    def _leave_riders(self, connection: sa.Connection) -> None:
        # what cannot be written now stays with its rider and boards the next group
        with suppress(SQLAlchemyError):
            with connection.begin():
                writes = Writes(connection)
                self._board(writes)
                writes.flush()
            self._arrived()

    def _board(self, writes: Writes) -> None:
        for rider in self._riders:
            transaction = Transaction(writes)
            rider.board(transaction)
            writes.take(transaction)

    def _arrived(self) -> None:
        for rider in self._riders:
            rider.arrived()

    def _settle(self, group: Sequence[_Waiting]) -> None:
        waited_for = [waiting for waiting in group if waiting.future is not None]
        if waited_for and self._loop is not None:
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(_tell, waited_for)


def _decide(waiting: _Waiting, writes: Writes) -> None:
    """Run one unit; its rows join the group only if it did not raise."""
    transaction = Transaction(writes)
    try:
        waiting.result = waiting.unit(transaction)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to who waits for it
        waiting.error = error
        return
    writes.take(transaction)


def _tell(group: Sequence[_Waiting]) -> None:
    for waiting in group:
        if waiting.future is None or waiting.future.done():
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def _caused(error: TrunklineError, cause: BaseException) -> TrunklineError:
    error.__cause__ = cause
    return error


def _nothing(_transaction: Transaction) -> None:
    return None


def _engine(url: str) -> sa.Engine:
    """Make the engine; on SQLite every commit reaches the disk, and writers take the lock when they begin."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=_connect_args(url))
    if engine.dialect.name != "sqlite":
        return engine

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("trunkline_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _connect_args(url: str) -> dict[str, Any]:
    return {"check_same_thread": False} if url.startswith("sqlite") else {}


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection whose transaction takes the write lock at once; for migrations."""
    with engine.connect().execution_options(trunkline_writes=True) as connection, connection.begin():
        yield connection
