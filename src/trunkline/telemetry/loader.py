"""The loader: brings facts from the inbox into the store, each exactly once, from one thread."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from trunkline.catalogue.facts import Fact
from trunkline.errors import TrunklineError, UnavailableError
from trunkline.telemetry.inbox import EMBEDDED, Inbox
from trunkline.telemetry.store import Store

_log = logging.getLogger(__name__)
PERIOD_S = 0.25
AFTER_FAILURE_S = 1.0
PATIENCE_S = 30.0


class Loader:
    """Drains the inbox every quarter of a second, and at once when a question waits."""

    def __init__(self, inbox: Inbox, store: Store, *, process: str = EMBEDDED) -> None:
        self._inbox = inbox
        self._store = store
        self._process = process
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._wanted = asyncio.Event()
        self._loaded = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._dropped = 0
        self.loaded = 0
        self.failures = 0

    def open(self) -> None:
        """Learn where the store stands, before anything is put into the inbox."""
        self.loaded = self._store.loaded(self._process)
        self._inbox.open(self.loaded)

    def start(self) -> None:
        """Start draining."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Load what is durable, then end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._drain()
        except TrunklineError:
            _log.warning("facts stay in the inbox: the store cannot write now")
        self._thread.shutdown(wait=True)

    async def caught_up(self, number: int) -> None:
        """Return once the inbox is loaded up to that number; raises UnavailableError when the store is stuck."""
        if self.loaded >= number:
            return
        self._wanted.set()
        try:
            async with asyncio.timeout(PATIENCE_S), self._loaded:
                await self._loaded.wait_for(lambda: self.loaded >= number)
        except TimeoutError as error:
            raise UnavailableError("The fact store does not keep up; try again later.") from error

    async def _run(self) -> None:
        while True:
            try:
                await self._drain()
                pause = PERIOD_S
            except TrunklineError as error:
                self.failures += 1
                _log.warning("facts wait in the inbox: %s", error.message)
                pause = AFTER_FAILURE_S
            try:
                await asyncio.wait_for(self._wanted.wait(), pause)
            except TimeoutError:
                continue
            finally:
                self._wanted.clear()

    async def _drain(self) -> None:
        """Load everything that is durable by now."""
        loop = asyncio.get_running_loop()
        while self.loaded < self._inbox.durable:
            number = await loop.run_in_executor(self._thread, self._load, self.loaded)
            async with self._loaded:
                self.loaded = number
                self._loaded.notify_all()
        if self._dropped < self.loaded:
            up_to = self.loaded
            await self._inbox.drop(up_to)
            self._dropped = up_to
        await loop.run_in_executor(self._thread, self._store.tidy)

    def _load(self, after: int) -> int:
        """Load one batch of inbox rows; return the last number loaded (loader thread)."""
        facts: dict[str, list[Fact]] = defaultdict(list)
        last = after
        for number, table, rows in self._inbox.after(after):
            facts[table] += rows
            last = number
        if last > after:
            self._store.append(facts, self._process, last)
        return last
