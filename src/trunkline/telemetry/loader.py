"""The loader: brings facts into the store from one thread, from the inbox, each exactly once, and straight."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from trunkline.catalogue.columns import kind_of
from trunkline.catalogue.facts import Fact
from trunkline.clock import monotonic
from trunkline.errors import ConflictError, TrunklineError, UnavailableError
from trunkline.state.trouble import Trouble, mention
from trunkline.telemetry.batches import batch
from trunkline.telemetry.forgetting import Forgetting
from trunkline.telemetry.inbox import EMBEDDED, Inbox
from trunkline.telemetry.records import whole
from trunkline.telemetry.store import Store
from trunkline.telemetry.straight import Queue, Straight, fail

_log = logging.getLogger(__name__)
T = TypeVar("T")
PERIOD_S = 0.25
AFTER_FAILURE_S = 1.0
PRESSED_S = 1.0
SLOWER = 8
"""So many times less often the inbox is drained while large batches come in.

The engine skips groups of rows by their moments, and what happens now lies far from a year that is brought in.
"""
PATIENCE_S = 30.0
DROP_S = 1.0


class Observer(Protocol):
    """Hears, in the loader's thread, what is loaded."""

    def coming(self, batches: Mapping[str, Any]) -> Mapping[str, int]:
        """Hear of batches by table, as they came, before they are loaded; returns marks to leave with them."""
        ...

    def brought(self, *, took_hold: bool) -> None:
        """Hear that they are loaded, or that this failed: then nobody knows whether they are there."""
        ...


class Loader:
    """Drains the inbox every `period_s` seconds, and at once when a question waits."""

    def __init__(
        self,
        inbox: Inbox,
        store: Store,
        *,
        process: str = EMBEDDED,
        forgetting: Forgetting | None = None,
        observer: Observer | None = None,
        period_s: float = PERIOD_S,
        after_failure_s: float = AFTER_FAILURE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._process = process
        self._forgetting = forgetting
        self._observer = observer
        self._period_s = period_s
        self._after_failure_s = after_failure_s
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._at: int | None = None
        self._dropped = 0
        self._drained_s = self._dropped_s = -math.inf
        self._is_asked = False
        self.straight = Queue()
        self._pressed_s = -math.inf
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
            await self._drain(is_last=True)
        except TrunklineError as error:
            mention(_log, "facts stay in the inbox until the next start", error)
        except Exception:  # noqa: BLE001 - they are loaded at the next start
            _log.exception("facts stay in the inbox until the next start")

    def load(self, table: str, rows: Any, chunk: tuple[str, int] | None = None) -> asyncio.Future[bool]:
        """Let a batch wait to be brought straight into the store; the future tells once it is durable there.

        A `chunk` is one of a source, numbered from 1: one that was loaded before is not loaded again, and the answer
        is False. Raises OverloadedError when too much waits; the future raises ConflictError when chunks are missing
        before it, and UnavailableError when the store cannot take it.
        """
        future = self.straight.put(table, rows, chunk)
        self._pressed_s = monotonic()
        self._wanted.set()
        return future

    @property
    def is_pressed(self) -> bool:
        """Tell whether large batches come in now, or came in a moment ago."""
        return bool(self.straight) or monotonic() - self._pressed_s < PRESSED_S

    @property
    def pace_s(self) -> float:
        """How often the inbox is drained now, unless a question waits."""
        return self._period_s * (SLOWER if self.is_pressed else 1)

    async def between(self, work: Callable[[], T]) -> T:
        """Do something in the thread that loads, between two loads; return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def caught_up(self, number: int) -> None:
        """Return once the inbox is loaded up to that number; raises UnavailableError when the store is stuck."""
        if self.loaded >= number:
            return
        # an attempt under way may have begun before; two that fail say that the store is in trouble
        hopeless = self.failures + 2
        self._is_asked = True
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s), self._changed:
                await self._changed.wait_for(lambda: self.loaded >= number or self.failures >= hopeless)
        if self.loaded < number:
            raise UnavailableError("The fact store cannot take in what was measured; try again later.", told=True)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            try:
                if self._is_asked or clock() >= self._drained_s + self.pace_s:
                    await self._drain()
                    self._drained_s = clock()
                elif self.straight:
                    await self.straight.company()
                    await self._bring(with_inbox=False)
                self._trouble.succeed()
                pause_s = 0 if self.straight else max(0, self._drained_s + self.pace_s - clock())
            except Exception as error:  # noqa: BLE001 - whatever it is, what waits must be tried again
                self._note(error)
                pause_s = self._after_failure_s
                self._drained_s = -math.inf
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

    async def _drain(self, *, is_last: bool = False) -> None:
        """Load everything that is durable by now.

        What becomes durable meanwhile waits for its turn: chasing it would append a handful at a time for as long
        as the traffic lasts (an append costs 6 ms; 90 µs a request at 1500/s, a quarter of that like this).
        """
        self._is_asked = False
        mark = self._inbox.durable
        while self.loaded < mark or (is_last and self.straight):
            await self._bring(with_inbox=True)
        loop = asyncio.get_running_loop()
        if self._dropped < self.loaded and (is_last or loop.time() >= self._dropped_s + DROP_S):
            up_to, self._dropped_s = self.loaded, loop.time()
            await self._inbox.drop(up_to)
            self._dropped = up_to
        await loop.run_in_executor(self._thread, self._tidy)

    def _tidy(self) -> None:
        """Do what is due in the store between two loads (loader thread)."""
        self._store.tidy(is_calm=not self.is_pressed)
        if self._forgetting is not None:
            self._forgetting.go_on()

    async def _bring(self, *, with_inbox: bool) -> None:
        """Load some of what comes straight, and some of the inbox if so; who waits for either hears of it."""
        those = self.straight.take()
        loading = partial(self._load, self._inbox.durable, those, with_inbox=with_inbox)
        try:
            number = await asyncio.get_running_loop().run_in_executor(self._thread, loading)
        except BaseException as error:
            fail(those, error)
            raise
        if with_inbox:
            self._inbox.loaded(number)
            async with self._changed:
                self.loaded = number
                self._changed.notify_all()

    def _load(self, durable: int, straight: Sequence[Straight], *, with_inbox: bool) -> int:
        """Load what comes straight, and one batch of inbox rows; return the last number loaded (loader thread).

        Where the store stands is known to this thread alone, so that a drain that is cut short and begun again
        loads nothing twice.
        """
        if self._at is None:
            self._store.tidy(is_calm=False)  # a file that its engine gave up on tells nothing until it is opened anew
            self._at = self._store.loaded(self._process)
        facts: dict[str, list[Fact]] = defaultdict(list)
        last = self._at
        for number, table, rows in self._inbox.after(self._at) if with_inbox else ():
            if rows:
                facts[table] += rows
            last = number
        tables = {table: [batch(kind_of(table), those)] for table, those in facts.items()}
        taken, marks = self._new_chunks(straight)
        for one in taken:
            tables.setdefault(one.table, []).append(one.rows)
        if last > self._at:
            marks[self._process] = last
        if marks or taken:
            self._append({table: pa.concat_tables(parts) for table, parts in tables.items()}, marks)
            self._at = last
        for one in straight:
            one.settle(is_new=one in taken)
        return last if self._process in marks else max(last, durable)  # someone may have emptied the inbox

    def _append(self, tables: Mapping[str, Any], marks: dict[str, int]) -> None:
        """Bring batches into the store, each record once, with the marks of where they come from."""
        came = {table: rows for table, rows in tables.items() if len(rows)}
        batches, replaced = {}, {}
        for table, rows in came.items():
            batches[table], known = whole(self._store, table, rows)
            if known is not None:
                replaced[table] = known
        if self._observer is not None:
            marks |= self._observer.coming(came)
        self._at = None  # when this fails, only the store knows whether it took hold
        took_hold = False
        try:
            self._store.append(batches, marks, replaced)
            took_hold = True
        finally:
            if self._observer is not None:
                self._observer.brought(took_hold=took_hold)

    def _new_chunks(self, straight: Sequence[Straight]) -> tuple[list[Straight], dict[str, int]]:
        """Return what is not in the store yet, and the marks that it leaves there; who asks too early hears so."""
        taken: list[Straight] = []
        marks: dict[str, int] = {}
        for one in straight:
            if one.chunk is not None:
                source, number = one.chunk
                there = self._store.loaded(source)
                if number <= there:
                    continue
                if number > there + 1:
                    missing = f"Chunk {there + 1} comes before chunk {number}."
                    one.settle(error=ConflictError(missing, target="chunk"))
                    continue
                marks[source] = number
            taken.append(one)
        return taken, marks
