"""A lane: the parcels of one subscription on their way, so that a dead address delays no other.

A lane is narrow at first, widens with each success, and is one parcel wide while its address does not answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from trunkline.clock import Clock
from trunkline.delivery import queue
from trunkline.delivery.parcel import Outcome, Parcel
from trunkline.errors import TrunklineError
from trunkline.state.alarm import Alarm
from trunkline.state.database import Database
from trunkline.state.transaction import Reader
from trunkline.state.trouble import mention

_log = logging.getLogger(__name__)
FIRST_WIDTH = 4
WIDEST = 32
PAGE = 64
_BUSY = frozenset({408, 429, 502, 503, 504})
_SHORTEST_WAIT_S = 0.001
_AFTER_A_FAILURE = timedelta(seconds=1)


class Lane:
    """Takes due parcels of one subscription and lets `carry` attempt each; ends when nothing waits."""

    def __init__(
        self,
        subscription: str,
        database: Database,
        clock: Clock,
        carry: Callable[[Lane, Parcel], Coroutine[Any, Any, Outcome]],
    ) -> None:
        self.subscription = subscription
        self.healthy = True
        self._width = FIRST_WIDTH
        self._database = database
        self._clock = clock
        self._carry = carry
        self._alarm = Alarm(clock)
        self._ready: deque[Parcel] = deque()
        self._flying: dict[int, asyncio.Task[Outcome]] = {}
        self._landed_since: set[int] = set()
        self._look = True
        self._recalls = 0
        self._next_at: datetime | None = None

    @property
    def flying(self) -> list[asyncio.Task[Outcome]]:
        """The attempts under way."""
        return list(self._flying.values())

    def wake(self) -> None:
        """Look for new parcels."""
        self._look = True
        self._alarm.ring()

    def recall(self) -> None:
        """Drop what was read ahead: it changed, or is gone."""
        self._ready.clear()
        self._recalls += 1
        self.wake()

    def heard(self, outcome: Outcome, status: int) -> None:
        """Learn from an attempt how many parcels the address takes at once."""
        if outcome is Outcome.DELIVERED:
            self.healthy = True
            self._width = min(self._width + 1, WIDEST)
        elif status == 0 or status in _BUSY:
            self.healthy = status != 0
            self._width = 1

    async def run(self) -> None:
        """Carry parcels until none waits, now or later."""
        while True:
            if not self._database.is_on_duty:  # what is under way ends; another process goes on
                self._ready.clear()
                self._look, self._next_at = False, None
            if not self._ready and (self._look or self._wait_s() == 0):
                await self._read_ahead()
            while self._ready and len(self._flying) < self._width:
                self._launch(self._ready.popleft())
            if not (self._ready or self._flying or self._look) and self._next_at is None:
                return
            if self._look and not self._ready:
                continue
            full = len(self._flying) >= self._width
            await self._alarm.wait(None if full else self._wait_s())

    def _wait_s(self) -> float | None:
        """Return the seconds until the next parcel is due; None when none is known."""
        if self._next_at is None:
            return None
        wait_s = (self._next_at - self._clock.now()).total_seconds()
        return 0 if wait_s <= 0 else max(wait_s, _SHORTEST_WAIT_S)

    async def _read_ahead(self) -> None:
        now = self._clock.now()
        most = PAGE + len(self._flying)
        recalls, self._look = self._recalls, False
        self._landed_since.clear()

        def read(reader: Reader) -> tuple[list[Parcel], datetime | None]:
            return (
                queue.due(reader, self.subscription, now, most),
                queue.next_due_at(reader, self.subscription, now),
            )

        try:
            found, next_at = await self._database.read(read)
        except TrunklineError as error:
            mention(_log, "parcels cannot be read", error)
            self._next_at = now + _AFTER_A_FAILURE
            return
        self._next_at = next_at
        if recalls != self._recalls:
            return
        self._look = self._look or len(found) == most
        # what landed while we read was read as it stood before
        known = self._flying.keys() | self._landed_since
        self._ready.extend(parcel for parcel in found if parcel.id not in known)

    def _launch(self, parcel: Parcel) -> None:
        task = asyncio.ensure_future(self._carry(self, parcel))
        self._flying[parcel.id] = task
        task.add_done_callback(lambda done: self._landed(parcel, done))

    def _landed(self, parcel: Parcel, task: asyncio.Task[Outcome]) -> None:
        del self._flying[parcel.id]
        self._landed_since.add(parcel.id)
        if task.cancelled():
            pass
        elif (error := task.exception()) is not None:
            _log.error("an attempt failed in an unforeseen way", exc_info=error)
            self._next_at = self._clock.now() + _AFTER_A_FAILURE
        elif task.result() is not Outcome.DELIVERED:
            self._look = True  # it may wait for its next attempt now
        self._alarm.ring()
