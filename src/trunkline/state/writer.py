"""The writer: one thread that takes whatever waits and commits it as one group.

Each unit of work decides, the rows are written one executemany a statement, one commit makes all of it durable.
A group that fails is done again with a savepoint for each unit, so that only the guilty one fails; if the
database cannot even do that, each unit gets a transaction of its own and hears for itself what stands in the way.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError, SQLAlchemyError

from trunkline.errors import ConflictError, UnavailableError
from trunkline.state.memory import Memory
from trunkline.state.transaction import Transaction, Writes
from trunkline.state.trouble import Trouble
from trunkline.state.turns import OwnTurns, Turn, Turns, UnknownOutcomeError

_log = logging.getLogger(__name__)
GROUP = 256
RETRY_S = 1.0
# what a statement or its values did wrong, rather than the disk or the server behind the database
_ITS_OWN = (IntegrityError, DataError, ProgrammingError, InterfaceError)


class Rider(Protocol):
    """Something that adds its rows to whichever group leaves next."""

    def board(self, transaction: Transaction) -> None:
        """Add rows to the group; called again when the group is done again."""

    def arrived(self) -> None:
        """Hear that the group with those rows is durable."""


@dataclass(slots=True)
class Waiting:
    """A unit of work in the writer's queue, and who waits for its result."""

    unit: Callable[[Transaction], Any]
    future: asyncio.Future[Any] | None
    result: Any = None
    error: Exception | None = None

    def decide(self, writes: Writes) -> None:
        """Run the unit; its rows join the group only if it did not raise."""
        self.result = self.error = None
        transaction = Transaction(writes)
        try:
            self.result = self.unit(transaction)
        except SQLAlchemyError:
            raise  # the transaction may be spoiled
        except StopIteration as error:
            self.error = RuntimeError("A unit of work let StopIteration escape.")  # a future cannot carry it
            self.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to who waits for it
            self.error = error
        else:
            writes.take(transaction)

    def fail(self, error: Exception) -> None:
        """Keep why the unit's rows could not be written, in words that its caller can use."""
        self.result, self.error = None, error
        if isinstance(error, IntegrityError):
            self.error = ConflictError("Another request changed the same thing; try again.")
        elif not _is_its_own(error):
            self.error = UnavailableError(f"The server cannot store this now; {_hindrance(error)}.", told=True)
        if self.error is not error:
            self.error.__cause__ = error


class Writer:
    """Writes groups on one connection, in one thread; `turns` are those of this process."""

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns or OwnTurns()
        self._memory = Memory()
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._riders: list[Rider] = []
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._connection: sa.Connection | None = None
        self._nudged = threading.Event()
        self._left_behind = False
        self.trouble = Trouble(_log, "the state cannot be written")
        self.groups = 0
        self.units = 0
        self.replays = 0

    def start(self, connection: sa.Connection) -> None:
        """Start the thread on a connection that it has for itself."""
        self._connection = connection
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end the thread and close its connection."""
        if self._connection is None:
            return
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    @property
    def waiting(self) -> int:
        """Count the units that wait."""
        return self._queue.qsize()

    def carry(self, rider: Rider) -> None:
        """Let a rider add its rows to each group from now on."""
        self._riders.append(rider)

    def put(self, waiting: Waiting) -> None:
        """Let a unit wait for the next group."""
        self._queue.put(waiting)

    def nudge(self) -> None:
        """Make sure that a group leaves soon, although no unit waits; for riders, from any thread."""
        if not self._nudged.is_set():
            self._nudged.set()
            self._queue.put(Waiting(nothing, None))

    # --- the thread ---

    def _run(self) -> None:
        assert self._connection is not None  # noqa: S101 - start set it
        last = False
        while not last:
            group, last = self._gather()
            self._nudged.clear()
            try:
                self._leave(self._connection, group)
            except Exception as error:  # noqa: BLE001 - the thread must not end: everyone would wait for ever
                _log.exception("a group could not be written in an unforeseen way")
                for waiting in group:
                    waiting.fail(error)
            _settle(group)
        if self._left_behind:
            _log.error("the server stops, and what rode with the last group could not be stored")

    def _gather(self) -> tuple[list[Waiting], bool]:
        """Wait for a unit and take those behind it; tells whether they are the last."""
        group: list[Waiting] = []
        with suppress(queue.Empty):
            # in trouble a group leaves without waiting for company: for riders left behind, and to see if it is over
            more = self._queue.get(timeout=RETRY_S if self._left_behind or self.trouble.reason else None)
            while more is not None:
                group.append(more)
                if len(group) == GROUP:
                    return group, False
                more = self._queue.get_nowait()
            return group, True
        return group, False

    def _leave(self, connection: sa.Connection, group: Sequence[Waiting]) -> None:
        self.groups += 1
        self.units += len(group)
        try:
            self._together(connection, group)
        except UnknownOutcomeError as error:
            self._fail(group, error)
            return
        except Exception as error:  # noqa: BLE001 - each unit hears of it below
            self._memory.clear()
            self.replays += 1
            _log.debug("a group is done again: %s", error)
        else:
            self._arrived()
            self.trouble.succeed()
            return
        try:
            boarded = self._one_by_one(connection, group)
            self.trouble.succeed()
        except UnknownOutcomeError as error:
            self._fail(group, error)
            return
        except Exception:  # noqa: BLE001 - each unit hears of it below
            boarded = self._apart(connection, group)
        self._left_behind = not boarded
        if boarded:
            self._arrived()

    def _fail(self, group: Sequence[Waiting], error: UnknownOutcomeError) -> None:
        """Tell a group that nobody knows whether it took hold: doing it again could do it twice."""
        self._memory.clear()
        for waiting in group:
            waiting.fail(error)
        self.trouble.fail(str(error))
        self._left_behind = True  # riders look for themselves

    @contextmanager
    def _turn(self, connection: sa.Connection) -> Iterator[Turn]:
        with self._turns.taken(connection) as turn:
            if turn.is_after_others:
                self._memory.grow_old()
            yield turn

    def _together(self, connection: sa.Connection, group: Sequence[Waiting]) -> None:
        with self._turn(connection) as turn:
            writes = Writes(connection, self._memory)
            for waiting in group:
                waiting.decide(writes)
            self._board(writes)
            writes.flush()
            turn.written |= writes.written

    def _one_by_one(self, connection: sa.Connection, group: Sequence[Waiting]) -> bool:
        """Write a group with a savepoint each; raises when the database itself is in trouble."""
        with self._turn(connection) as turn:
            for waiting in group:
                try:
                    with connection.begin_nested():
                        self._write_alone(connection, waiting, turn)
                except Exception as error:
                    if not _is_its_own(error):
                        raise  # SQLite may have ended the whole transaction
                    waiting.fail(error)
            try:
                with connection.begin_nested():
                    self._board_alone(connection, turn)
            except Exception as error:
                if not _is_its_own(error):
                    raise
                _log.exception("what rides with each group cannot be written")
                return False
        return True

    def _apart(self, connection: sa.Connection, group: Sequence[Waiting]) -> bool:
        for place, waiting in enumerate(group):
            try:
                with self._turn(connection) as turn:
                    self._write_alone(connection, waiting, turn)
            except Exception as error:  # noqa: BLE001 - it belongs to who waits for the unit
                waiting.fail(error)
                self._note(error)
                if connection.invalidated:  # each try may take as long as connecting may
                    for other in group[place + 1 :]:
                        other.fail(error)
                    return False
        try:
            with self._turn(connection) as turn:
                self._board_alone(connection, turn)
        except Exception as error:  # noqa: BLE001 - it stays with its rider and boards the next group
            _log.debug("what rides with each group waits: %s", error)
            self._note(error)
            return False
        return True

    def _note(self, error: Exception) -> None:
        """Remember the database's own trouble; a unit's mistake is told to its caller alone."""
        if isinstance(error, DBAPIError) and not _is_its_own(error):
            self.trouble.fail(" ".join(str(error.orig).split()))
        elif isinstance(error, UnknownOutcomeError):
            self.trouble.fail(str(error))

    def _write_alone(self, connection: sa.Connection, waiting: Waiting, turn: Turn) -> None:
        writes = Writes(connection, Memory(self._memory.generation))
        waiting.decide(writes)
        writes.flush()
        turn.written |= writes.written

    def _board_alone(self, connection: sa.Connection, turn: Turn) -> None:
        writes = Writes(connection, Memory(self._memory.generation))
        self._board(writes)
        writes.flush()
        turn.written |= writes.written

    def _board(self, writes: Writes) -> None:
        for rider in self._riders:
            transaction = Transaction(writes)
            rider.board(transaction)
            writes.take(transaction)

    def _arrived(self) -> None:
        self._left_behind = False
        for rider in self._riders:
            rider.arrived()


def nothing(_transaction: Transaction) -> None:
    """Do nothing, in a unit of work."""


def _is_its_own(error: Exception) -> bool:
    """Tell whether an error is the unit's own making, and not the database's trouble."""
    if isinstance(error, UnknownOutcomeError) or getattr(error, "connection_invalidated", False):
        return False
    return isinstance(error, _ITS_OWN) or not isinstance(error, DBAPIError)


def _hindrance(error: Exception) -> str:
    if isinstance(error, UnknownOutcomeError):
        return "the connection to its database was lost, and it may or may not have been stored"
    if isinstance(getattr(error, "orig", None), sqlite3.Error):
        return "its disk may be full or read-only"
    return "its database may be out of reach, full or read-only"


def _settle(group: Sequence[Waiting]) -> None:
    """Hand the results to the loops that wait for them."""
    loops: dict[asyncio.AbstractEventLoop, list[Waiting]] = defaultdict(list)
    for waiting in group:
        if waiting.future is not None:
            loops[waiting.future.get_loop()].append(waiting)
    for loop, those in loops.items():
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, those)


def _tell(group: Sequence[Waiting]) -> None:
    for waiting in group:
        if waiting.future is None or waiting.future.done():
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)
