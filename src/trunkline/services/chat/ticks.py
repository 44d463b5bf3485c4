"""Ticks: the numbers of a thread's messages and versions, milliseconds that only grow within the thread.

They grow also while messages come faster than milliseconds, over a restart, and when the clock is set back:
what this process does not remember of a thread, it reads, and everything after the turn of another process.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

import sqlalchemy as sa

from trunkline.clock import milliseconds
from trunkline.services.chat.tables import messages
from trunkline.state.transaction import Transaction

_KEPT = 100_000
_last = sa.select(sa.func.max(messages.c.id)).where(messages.c.thread_id == sa.bindparam("of_thread"))


class Ticks:
    """Gives the next tick of a thread; used within units of work only, in the one writer thread."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._last: OrderedDict[str, int] = OrderedDict()
        self._generation = 0

    def first(self, transaction: Transaction, now: datetime, thread_id: str) -> int:
        """Return the first tick of a thread that is being made."""
        self._follow(transaction)
        return self._keep(thread_id, milliseconds(now))

    def next(self, transaction: Transaction, now: datetime, thread_id: str, after: int = 0) -> int:
        """Return a tick above every earlier one of the thread, and above `after`.

        The first call for a thread reads, so it stands before whatever the unit hands over.
        """
        self._follow(transaction)
        last = self._last.get(thread_id)
        if last is None:
            last = transaction.value(_last, of_thread=thread_id) or 0
        return self._keep(thread_id, max(last + 1, after + 1, milliseconds(now)))

    def _follow(self, transaction: Transaction) -> None:
        """Forget everything when another process may have written."""
        if self._generation != transaction.generation:
            self._generation = transaction.generation
            self._last.clear()

    def _keep(self, thread_id: str, tick: int) -> int:
        self._last[thread_id] = tick
        self._last.move_to_end(thread_id)
        if len(self._last) > self._kept:
            self._last.popitem(last=False)
        return tick
