"""The courier: takes due parcels, posts them, and writes down what happened before it forgets them."""

from __future__ import annotations

import asyncio
import logging
import random as randomness
import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from trunkline.catalogue.facts import Attempt, Fact
from trunkline.clock import Clock, monotonic
from trunkline.config import Settings
from trunkline.delivery import queue, retry
from trunkline.delivery.guard import Lookup
from trunkline.delivery.lane import Lane
from trunkline.delivery.parcel import Answer, Outcome, Parcel, Reason
from trunkline.delivery.sender import TIMEOUT_S, Sender
from trunkline.errors import TrunklineError
from trunkline.state.database import Database
from trunkline.state.rounds import Rounds
from trunkline.state.transaction import Transaction
from trunkline.state.trouble import mention

_log = logging.getLogger(__name__)
MOST_AT_ONCE = 256
MOST_TO_THE_DEAD = 64
"""Attempts at once to addresses that did not answer last; they have room of their own."""

_ROUND_S = 60.0
_AFTER_A_FAILURE_S = 1.0


class Records(Protocol):
    """Whoever remembers facts."""

    def record(self, fact: Fact) -> None:
        """Remember a fact."""


class Courier:
    """Carries parcels from `start` to `stop`; `send` makes one request beside the queue.

    `random` gives 0.0 to 1.0 for the jitter, `timeout_s` bounds an attempt, `lookup` resolves names as
    `socket.getaddrinfo` does.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: Settings,
        recorder: Records,
        random: Callable[[], float] = randomness.random,
        timeout_s: float = TIMEOUT_S,
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._recorder = recorder
        self._random = random
        self._sender = Sender(settings, timeout_s=timeout_s, lookup=lookup)
        self._lanes: dict[str, tuple[Lane, asyncio.Task[None]]] = {}
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        self._room_for_the_dead = asyncio.Semaphore(MOST_TO_THE_DEAD)
        self._rounds = Rounds(
            database, clock, self._go_round, log=_log, words="what waits to be delivered cannot be looked for"
        )
        self._stopping = False
        self.delivered = 0
        self.failed = 0
        self.buried = 0

    async def start(self) -> None:
        """Open the session and take up what waits. Raises ConfigurationError for a wrong CA file."""
        self._sender.start()
        self._database.watch_duty(self._start_over)
        self._database.watch([queue.parcels.name], self._look_again)
        await self._rounds.start()

    async def stop(self) -> None:
        """Let attempts in flight end for a while; whatever has no outcome then is tried again after a restart."""
        self._stopping = True
        await self._rounds.stop()
        lanes = list(self._lanes.values())
        await _end([task for _, task in lanes])
        flying = [task for lane, _ in lanes for task in lane.flying]
        if flying:
            _, late = await asyncio.wait(flying, timeout=self._settings.graceful_timeout_s)
            await _end(late)
        await self._sender.stop()

    def check_url(self, url: str) -> None:
        """Check an address before anything is meant for it; raises InvalidError."""
        self._sender.guard.check_url(url)

    async def send(
        self, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> Answer:
        """Make one request under the same guard, without the queue; the outcome tells what happened."""
        return await self._sender.send(url, body, headers, method)

    def wake(self, subscriptions: Iterable[str]) -> None:
        """Look for new parcels of these subscriptions (their ids) at once."""
        if self._stopping or not self._database.is_on_duty:
            return  # the process on duty hears of what was queued
        for subscription in subscriptions:
            known = self._lanes.get(subscription)
            if known is None:
                self._open_lane(subscription)
            else:
                known[0].wake()

    def recall(self, subscription: str) -> None:
        """Forget what was read ahead for a subscription that changed or is gone; after that is durable."""
        if known := self._lanes.get(subscription):
            known[0].recall()

    async def _look_again(self) -> None:
        """Take up what another process queued, and forget what it may have changed."""
        if self._database.is_on_duty:  # whoever stands by hears of each outcome, and has nothing to do with it
            self._start_over()

    def _start_over(self) -> None:
        for lane, _ in self._lanes.values():
            lane.recall()  # one that still had something under way when the duty went may wait for nothing else
        self._rounds.nudge()

    def _open_lane(self, subscription: str) -> None:
        lane = Lane(subscription, self._database, self._clock, self._carry)
        task = asyncio.create_task(lane.run())
        self._lanes[subscription] = (lane, task)
        task.add_done_callback(lambda done: self._close_lane(subscription, done))

    def _close_lane(self, subscription: str, task: asyncio.Task[None]) -> None:
        del self._lanes[subscription]
        if not task.cancelled() and (error := task.exception()) is not None:
            # the next round opens it again
            _log.error("a lane ended in an unforeseen way", exc_info=error)

    async def _go_round(self) -> datetime:
        """Open a lane wherever something waits: at the start, and in case a wake was missed."""
        waiting = await self._database.read(queue.subscriptions)
        self.wake(one for one in waiting if one not in self._lanes)
        return self._clock.now() + timedelta(seconds=_ROUND_S)

    async def _carry(self, lane: Lane, parcel: Parcel) -> Outcome:
        """Attempt one parcel and make its outcome durable."""
        if retry.is_expired(parcel, self._clock.now()):
            await self._keep(self._burial(parcel, Reason.TIME))
            return Outcome.TIMED_OUT
        async with self._room if lane.healthy else self._room_for_the_dead:
            answer = await self._attempt(parcel)
        lane.heard(answer.outcome, answer.status)
        await self._keep(self._settled(parcel, answer))
        return answer.outcome

    async def _attempt(self, parcel: Parcel) -> Answer:
        headers = parcel.headers
        if parcel.count_header:
            headers = {**headers, parcel.count_header: str(parcel.attempts)}
        started_at, started = self._clock.now(), monotonic()
        answer = await self._sender.send(parcel.url, parcel.body, headers)
        self._recorder.record(
            Attempt(
                happened_at=started_at,
                resource=parcel.resource,
                subscription=parcel.subscription_name,
                parcel=str(parcel.id),
                event_type=parcel.event_type,
                number=parcel.attempts + 1,
                status=answer.status,
                outcome=answer.outcome.value,
                duration_ms=round((monotonic() - started) * 1000, 3),
                foreign_ids=_carried(parcel),
            )
        )
        return answer

    def _settled(self, parcel: Parcel, answer: Answer) -> Callable[[Transaction], None]:
        """Decide what becomes of a parcel after an attempt."""
        now = self._clock.now()
        parcel = msgspec.structs.replace(
            parcel,
            attempts=parcel.attempts + 1,
            last_status=answer.status,
            last_outcome=answer.outcome.value,
            tried_at=now,
        )
        if answer.outcome is Outcome.DELIVERED:
            self.delivered += 1
            return lambda transaction: queue.finish(transaction, parcel, now)
        self.failed += 1
        step = retry.next_step(parcel, answer.status, answer.outcome, now, self._random)
        if isinstance(step, datetime):
            due_at = step
            return lambda transaction: queue.reschedule(transaction, parcel, due_at)
        return self._burial(parcel, step)

    def _burial(self, parcel: Parcel, reason: Reason) -> Callable[[Transaction], None]:
        now = self._clock.now()
        last = parcel.tried_at or now
        dead_at = max(now, last + timedelta(seconds=self._settings.dead_letter_delay_s))
        self.buried += 1
        _log.warning(
            "gave up parcel %d of subscription %s: %s after %d attempts, last %s %s",
            parcel.id,
            parcel.subscription_name,
            reason.value,
            parcel.attempts,
            parcel.last_outcome,
            parcel.last_status or "",
        )
        return lambda transaction: queue.bury(transaction, parcel, reason.value, now, dead_at)

    async def _keep(self, unit: Callable[[Transaction], None]) -> None:
        """Write an outcome, again and again while the database cannot: the parcel is ours until then."""
        while True:
            try:
                await self._database.write(unit)
                return
            except TrunklineError as error:
                mention(_log, "the outcome of an attempt cannot be kept yet", error)
                await self._clock.sleep(_AFTER_A_FAILURE_S)


async def _end(tasks: Iterable[asyncio.Task[object]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _carried(parcel: Parcel) -> dict[str, str]:
    """Return the ids by which an attempt is found as well: those of the events, and of the requests behind them."""
    events = {f"event {number}": one for number, one in enumerate(parcel.event_ids, 1)}
    return events | {f"cause {number}": one for number, one in enumerate(parcel.causes, 1)}
