"""Retention: told events and finished deliveries go in small steps when their time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.delivery import queue
from trunkline.errors import TrunklineError
from trunkline.events.outbox import outbox
from trunkline.events.subscriptions import Subscriptions
from trunkline.state.database import Database
from trunkline.state.transaction import Transaction
from trunkline.state.trouble import mention

_log = logging.getLogger(__name__)
Forget = Callable[[Transaction, datetime, int], int]
STEP = 500
"""How many rows go in one transaction, so that no other write waits long."""

INTERVAL_S = 60.0
_old = (
    sa.select(outbox.c.number)
    .where(outbox.c.told_at < sa.bindparam("before"))
    .order_by(outbox.c.told_at)
    .limit(sa.bindparam("most"))
)
_drop = sa.delete(outbox).where(outbox.c.number == sa.bindparam("of_number"))


class Retention:
    """Cleans up from `start` to `stop`; expired subscriptions go too.

    `also` removes old rows of the floors above in the same way: at most so many made before a moment.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: Settings,
        subscriptions: Subscriptions,
        also: Sequence[Forget] = (),
    ) -> None:
        self._database = database
        self._clock = clock
        self._kept = timedelta(hours=settings.event_retention_hours)
        self._subscriptions = subscriptions
        self._forget: tuple[Forget, ...] = (forget_events, queue.forget, *also)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin at once, and again every minute."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop between two steps."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def clean(self) -> int:
        """Remove everything whose time is over; returns how many rows went."""
        await self._subscriptions.remove_expired()
        before = self._clock.now() - self._kept
        gone = 0
        for forget in self._forget:
            while step := await self._database.write(_bound(forget, before)):
                gone += step
        return gone

    async def _run(self) -> None:
        while True:
            try:
                if self._database.is_on_duty and (gone := await self.clean()):
                    _log.debug("forgot %d old events and deliveries", gone)
            except TrunklineError as error:
                mention(_log, "old events cannot be removed now", error)
            await self._clock.sleep(INTERVAL_S)


def forget_events(transaction: Transaction, before: datetime, most: int) -> int:
    """Remove some events that were told before a moment; returns how many."""
    rows = transaction.all(_old, before=before, most=most)
    for row in rows:
        transaction.hand(_drop, of_number=row.number)
    return len(rows)


def _bound(forget: Forget, before: datetime) -> Callable[[Transaction], int]:
    return lambda transaction: forget(transaction, before, STEP)
