"""The loader: brings facts from the inbox into the store, each exactly once, from one thread."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from trunkline.catalogue.facts import Fact
from trunkline.errors import TrunklineError, UnavailableError
from trunkline.state.trouble import Trouble, mention
from trunkline.telemetry.inbox import EMBEDDED, Inbox
from trunkline.telemetry.pieces import gathered, is_piece
from trunkline.telemetry.store import Store

_log = logging.getLogger(__name__)
PERIOD_S = 0.25
AFTER_FAILURE_S = 1.0
PATIENCE_S = 30.0


class Loader:
    """Drains the inbox every `period_s` seconds, and at once when a question waits."""

    def __init__(
        self,
        inbox: Inbox,
        store: Store,
        *,
        process: str = EMBEDDED,
        period_s: float = PERIOD_S,
        after_failure_s: float = AFTER_FAILURE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._process = process
        self._period_s = period_s
        self._after_failure_s = after_failure_s
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._at: int | None = None
        self._dropped = 0
        self._trouble = Trouble(_log, "facts wait in the inbox")
        self.loaded = 0
        self.failures = 0

    def open(self) -> None:
        """Learn where the store stands, before anything is put into the inbox; warns when it stood further before."""
        self.loaded = self._at = self._store.loaded(self._process)
        if self._inbox.open(self.loaded):
            _log.warning(
                "%s lacks what it held before (it is new, restored or damaged): older measurements are gone",
                self._store.name,
            )

    def start(self) -> None:
        """Start draining."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Load what is durable, then end; what was never started only ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._drain_last()
        self._thread.shutdown(wait=True)

    async def _drain_last(self) -> None:
        try:
            await self._drain()
        except TrunklineError as error:
            mention(_log, "facts stay in the inbox until the next start", error)
        except Exception:  # noqa: BLE001 - they are loaded at the next start
            _log.exception("facts stay in the inbox until the next start")

    async def caught_up(self, number: int) -> None:
        """Return once the inbox is loaded up to that number; raises UnavailableError when the store is stuck."""
        if self.loaded >= number:
            return
        # an attempt under way may have begun before; two that fail say that the store is in trouble
        hopeless = self.failures + 2
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s), self._changed:
                await self._changed.wait_for(lambda: self.loaded >= number or self.failures >= hopeless)
        if self.loaded < number:
            raise UnavailableError("The fact store cannot take in what was measured; try again later.", told=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._drain()
                self._trouble.succeed()
                pause_s = self._period_s
            except Exception as error:  # noqa: BLE001 - whatever it is, what waits must be tried again
                self._note(error)
                pause_s = self._after_failure_s
                async with self._changed:
                    self.failures += 1
                    self._changed.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wanted.wait()
            self._wanted.clear()

    def _note(self, error: Exception) -> None:
        if not isinstance(error, TrunklineError):
            self._trouble.fail(str(error), unforeseen=error)
        elif not error.facts.get("told"):
            self._trouble.fail(error.message)

    async def _drain(self) -> None:
        """Load everything that is durable by now.

        What becomes durable meanwhile waits for its turn: chasing it would append a handful at a time for as long
        as the traffic lasts (an append costs 6 ms; 90 µs a request at 1500/s, a quarter of that like this).
        """
        loop = asyncio.get_running_loop()
        mark = self._inbox.durable
        while self.loaded < mark:
            number = await loop.run_in_executor(self._thread, self._load, self._inbox.durable)
            async with self._changed:
                self.loaded = number
                self._changed.notify_all()
        if self._dropped < self.loaded:
            up_to = self.loaded
            await self._inbox.drop(up_to)
            self._dropped = up_to
        await loop.run_in_executor(self._thread, self._store.tidy)

    def _load(self, durable: int) -> int:
        """Load one batch of inbox rows; return the last number loaded (loader thread).

        Where the store stands is known to this thread alone, so that a drain that is cut short and begun again
        loads nothing twice.
        """
        if self._at is None:
            self._at = self._store.loaded(self._process)
        facts: dict[str, list[Fact]] = defaultdict(list)
        last = self._at
        for number, table, rows in self._inbox.after(self._at):
            if rows:
                facts[table] += rows
            last = number
        if last == self._at:
            return max(last, durable)  # nothing is left of what was durable: someone emptied the inbox
        replaced: dict[str, list[Fact]] = {}
        for table, those in facts.items():
            if those[0].key:
                pieces = [fact for fact in those if is_piece(fact)]
                known = self._store.known(table, pieces) if pieces else []
                facts[table] = gathered(those, known)
                if known:
                    replaced[table] = known
        self._at = None  # when this fails, only the store knows whether it took hold
        self._store.append(facts, self._process, last, replaced)
        self._at = last
        return last
