"""Batches that go into the store without a stay in the inbox: they queue for the loader, and who sent one waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from trunkline.errors import OverloadedError, UnavailableError

MOST_ROWS_AT_ONCE = 100_000
MOST_ROWS_WAITING = 1_000_000
MOST_BYTES_WAITING = 256 * 1024 * 1024
COMPANY_S = 0.01
"""So long a batch waits for those that are still being read: a transaction costs more than most of them."""
_ENOUGH = 4_000


@dataclass(frozen=True, eq=False)
class Straight:
    """A batch and who waits for it; a `chunk` is one of a source, numbered from 1."""

    table: str
    rows: Any
    future: asyncio.Future[bool]
    weight: int
    chunk: tuple[str, int] | None = None

    def settle(self, *, is_new: bool = False, error: BaseException | None = None) -> None:
        """Tell who waits how it went (any thread)."""

        def tell() -> None:
            if self.future.done():
                return
            if error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(is_new)

        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(tell)


class Queue:
    """Those that wait, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[Straight] = deque()
        self._expected = 0
        self._changed = asyncio.Event()
        self.rows = 0
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, table: str, rows: Any, chunk: tuple[str, int] | None) -> asyncio.Future[bool]:
        """Let a batch wait. Raises OverloadedError when too much does."""
        weight = rows.nbytes
        is_much = self.rows + len(rows) > MOST_ROWS_WAITING or self.bytes + weight > MOST_BYTES_WAITING
        if self._waiting and is_much:
            raise OverloadedError("Too many facts are waiting to be loaded.", retry_after_s=1)
        one = Straight(table, rows, asyncio.get_running_loop().create_future(), weight, chunk)
        self._waiting.append(one)
        self.rows += len(rows)
        self.bytes += weight
        self._changed.set()
        return one.future

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Let those that wait know that another one is being read."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            self._changed.set()

    async def company(self) -> None:
        """Return when nothing more is expected, enough waits, or it has taken too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(COMPANY_S):
                while self._expected and self.rows < _ENOUGH:
                    self._changed.clear()
                    await self._changed.wait()

    def take(self) -> list[Straight]:
        """Take some of the batches: one of each source at most, so that its chunks come one by one."""
        found: list[Straight] = []
        sources: set[str] = set()
        room = MOST_ROWS_AT_ONCE
        while self._waiting and room > 0:
            first = self._waiting[0]
            if first.chunk is not None:
                if first.chunk[0] in sources:
                    break
                sources.add(first.chunk[0])
            found.append(self._waiting.popleft())
            room -= len(first.rows)
            self.rows -= len(first.rows)
            self.bytes -= first.weight
        return found


def fail(those: Sequence[Straight], error: BaseException) -> None:
    """Tell who waits that it went wrong, or is not known to have gone well."""
    if isinstance(error, asyncio.CancelledError):
        error = UnavailableError("The server stops; send it again.")
    for one in those:
        one.settle(error=error)
