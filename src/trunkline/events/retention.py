"""Retention: told events and finished deliveries go in small steps when their time is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.delivery import queue
from trunkline.events.outbox import outbox
from trunkline.events.subscriptions import Subscriptions
from trunkline.state.database import Database
from trunkline.state.rounds import Rounds
from trunkline.state.transaction import Transaction

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
        self._rounds = Rounds(database, clock, self._round, log=_log, words="old events cannot be removed")
        self.start, self.stop = self._rounds.start, self._rounds.stop

    async def clean(self) -> int:
        """Remove everything whose time is over; returns how many rows went."""
        await self._subscriptions.remove_expired()
        before = self._clock.now() - self._kept
        gone = 0
        for forget in self._forget:
            while step := await self._database.write(_bound(forget, before)):
                gone += step
        return gone

    async def _round(self) -> datetime:
        due = self._clock.now() + timedelta(seconds=INTERVAL_S)
        if gone := await self.clean():
            _log.debug("forgot %d old events and deliveries", gone)
        return due


def forget_events(transaction: Transaction, before: datetime, most: int) -> int:
    """Remove some events that were told before a moment; returns how many."""
    rows = transaction.all(_old, before=before, most=most)
    for row in rows:
        transaction.hand(_drop, of_number=row.number)
    return len(rows)


def _bound(forget: Forget, before: datetime) -> Callable[[Transaction], int]:
    return lambda transaction: forget(transaction, before, STEP)
