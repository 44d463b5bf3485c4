"""News: what other processes wrote to the shared database, heard within milliseconds; and which process is on duty.

One connection, in a thread of its own, hears what each turn says it wrote (LISTEN), and holds two locks that end with
it: the process's name, which no other may bear, and the duty to do what one process does for all. Both are of a schema:
two that share a database and no tables have nothing to do with each other. On SQLite there is no news, and whoever has
the folder is on duty.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from trunkline.clock import monotonic
from trunkline.errors import ConfigurationError, TrunklineError
from trunkline.state.engine import refusal
from trunkline.state.trouble import Trouble, mention
from trunkline.state.turns import CHANNEL

_log = logging.getLogger(__name__)
BEAT_S = 1.0
"""How often the connection is tried and the duty asked for, when there is nothing to hear."""

_AFTER_A_FAILURE_S = 0.5
_BETWEEN_TRIES_S = 0.05
_REST = 4
_LONGEST_REST_S = 0.4
NAME_PATIENCE_S = 15.0
"""How long a process waits for its own name: the server may not know yet that it was killed a moment ago."""

HANGS_S = 10.0
"""After how long without a beat a process has its duty no more (PostgreSQL 14 and newer): it hangs."""

_listen = sa.text(f"LISTEN {CHANNEL}")
_own = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:words || ' in ' || current_schema(), 0))")
_beat_or_end = sa.text(
    "SELECT set_config('idle_session_timeout', :ms, false) WHERE current_setting('server_version_num')::int >= 140000"
)
Refresh = Callable[[], Awaitable[None]]


class News(Protocol):
    """Where a process hears of others."""

    trouble: Trouble

    @property
    def is_on_duty(self) -> bool:
        """Tell whether this process does what one does for all: tell events, deliver, carry messages, clean up."""
        ...

    def start(self) -> None:
        """Begin to hear; raises ConfigurationError when the database or the process's name cannot be had."""

    def stop(self) -> None:
        """Hear no more, and let another have the duty."""

    def watch(self, tables: Iterable[str], refresh: Refresh) -> None:
        """Refresh soon after another process wrote to one of the tables, or may have; on the loop that runs now."""

    def watch_duty(self, hear: Callable[[], None]) -> None:
        """Let someone hear, on the loop that runs now, that the duty came or went."""


class NoNews:
    """What a process hears that has its database for itself."""

    is_on_duty = True

    def __init__(self) -> None:
        self.trouble = Trouble(_log, "others cannot be heard")

    def start(self) -> None:
        """Do nothing: there is nobody to hear."""

    def stop(self) -> None:
        """Do nothing: there is nobody to hear."""

    def watch(self, tables: Iterable[str], refresh: Refresh) -> None:
        """Do nothing: nobody else writes."""

    def watch_duty(self, hear: Callable[[], None]) -> None:
        """Tell nobody: the duty never goes."""


class Watcher:
    """Refreshes what a part remembers, again and again until it went through; one refresh at a time.

    Between two of them it rests for several times as long as the first one took: whatever others write, hearing of it
    takes a fifth of the time at most.
    """

    def __init__(self, tables: Iterable[str], refresh: Refresh) -> None:
        self.tables = frozenset(tables)
        self._refresh = refresh
        self._loop = asyncio.get_running_loop()
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def hear(self) -> None:
        """Hear, in any thread, that something changed."""
        with suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run())

    def end(self) -> None:
        """Refresh no more."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            began = monotonic()
            try:
                await self._refresh()
            except TrunklineError as error:
                mention(_log, "what another process changed cannot be read yet", error)
                self._wanted = True
                await asyncio.sleep(_AFTER_A_FAILURE_S)
            else:
                await asyncio.sleep(min(_REST * (monotonic() - began), _LONGEST_REST_S))


class SharedNews:
    """News over PostgreSQL, for the process of a name; `engine` opens connections."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._watchers: list[Watcher] = []
        self._duty_watchers: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._connection: sa.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="state-news", daemon=True)
        self._bell = os.pipe()
        self._stopping = threading.Event()
        self.trouble = Trouble(_log, "what other processes write cannot be heard")
        self.is_on_duty = False

    def start(self) -> None:
        """Begin to hear; raises ConfigurationError when the database or the process's name cannot be had."""
        try:
            self._connect()
            self._beat()
        except DBAPIError as error:
            raise refusal(self._engine, error) from error
        self._thread.start()

    def stop(self) -> None:
        """Hear no more, and let another have the duty."""
        self._stopping.set()
        if self._thread.ident is not None:
            os.write(self._bell[1], b".")
            self._thread.join()
        self._disconnect()
        for watcher in self._watchers:
            watcher.end()
        for end in self._bell:
            os.close(end)

    def watch(self, tables: Iterable[str], refresh: Refresh) -> None:
        """Refresh soon after another process wrote to one of the tables, or may have; on the loop that runs now."""
        self._watchers.append(Watcher(tables, refresh))

    def watch_duty(self, hear: Callable[[], None]) -> None:
        """Let someone hear, on the loop that runs now, that the duty came or went."""
        self._duty_watchers.append((asyncio.get_running_loop(), hear))

    # --- the connection ---

    def _connect(self) -> None:
        connection = self._engine.connect()
        try:
            self._connection = connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            self._take_name(connection)
            connection.execute(_beat_or_end, {"ms": str(int(HANGS_S * 1000))})
            connection.execute(_listen)
        except BaseException:
            self._disconnect()
            raise
        self._driver.add_notify_handler(lambda notice: self._hear(notice.payload))

    def _take_name(self, connection: sa.Connection) -> None:
        end = monotonic() + NAME_PATIENCE_S
        while not connection.scalar(_own, {"words": f"trunkline process {self._name}"}):
            if monotonic() >= end or self._stopping.is_set():
                raise ConfigurationError(
                    "Another Trunkline with the name of this data folder uses the database: one folder is a copy of "
                    "the other. Remove the file `name` from the copy, and its facts.duckdb with it."
                )
            self._stopping.wait(_BETWEEN_TRIES_S)

    @property
    def _driver(self) -> Any:
        assert self._connection is not None  # noqa: S101 - only asked for while there is one
        return self._connection.connection.driver_connection

    def _disconnect(self) -> None:
        self._set_duty(on=False)
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()

    # --- the thread ---

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._connection is None:
                    self._connect()
                    for watcher in self._watchers:
                        watcher.hear()  # nobody knows what was missed
                self._beat()
                self.trouble.succeed()
                self._listen(until=monotonic() + BEAT_S)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                self._disconnect()
                self.trouble.fail(" ".join(str(getattr(error, "orig", error)).split()))
                _wait_for([self._bell[0]], _AFTER_A_FAILURE_S)

    def _beat(self) -> None:
        """See that the connection lives, and whether the duty is to be had."""
        assert self._connection is not None  # noqa: S101 - the thread connected
        if self.is_on_duty:
            self._connection.exec_driver_sql("SELECT 1")
        elif self._connection.scalar(_own, {"words": "trunkline duty"}):
            self._set_duty(on=True)

    def _listen(self, until: float) -> None:
        """Take in what is said, for a while. Nothing is asked for it: each group of every process says something."""
        line = self._driver.pgconn
        while (left_s := until - monotonic()) > 0 and not self._stopping.is_set():
            if _wait_for([line.socket, self._bell[0]], left_s):
                line.consume_input()
                while (notice := line.notifies()) is not None:
                    self._hear(notice.extra.decode())

    def _hear(self, words: str) -> None:
        name, _, tables = words.partition(" ")
        if name == self._name:
            return
        written = set(tables.split(","))
        for watcher in self._watchers:
            if not watcher.tables.isdisjoint(written):
                watcher.hear()

    def _set_duty(self, *, on: bool) -> None:
        if self.is_on_duty is on:
            return
        self.is_on_duty = on
        if not self._stopping.is_set():
            _log.info("this process is on duty now" if on else "this process is off duty now")
        for loop, hear in self._duty_watchers:
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(hear)


def _wait_for(files: Iterable[int], seconds: float) -> bool:
    """Wait until there is something to read, whatever the files' numbers are: select() ends at 1024."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
