"""Carriage: brings messages to the carrier and its reports back; what is owed is a row with a due time.

A kill loses nothing: what was due is done after the next start. Only then may a message that the carrier took just
before be offered again, under the same id: as long as the process lives, what became of an offer is kept until it is
written. A carrier that is slow with some messages holds up no others. The process on duty carries the messages of a
database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.catalogue import facts
from trunkline.catalogue.load import load
from trunkline.clock import Clock, from_microseconds, microseconds
from trunkline.delivery.carrier import Busy, Carrier, Taken, Text
from trunkline.errors import TrunklineError
from trunkline.events import outbox
from trunkline.events.event import Event
from trunkline.ids import Ids
from trunkline.numbering import country_of, kind_of
from trunkline.services.sms.sending import fact
from trunkline.services.sms.tables import sent
from trunkline.state.alarm import Alarm
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Reader, Transaction
from trunkline.state.trouble import mention

MOST_AT_ONCE = 200
MOST_OFFERS = 8
PATIENCE_S = 30.0
SLOW_POLL_S = 60.0
_AFTER_A_FAILURE_S = 1.0
_UNAVAILABLE_MS = 5000
_LONGEST_MS = 24 * 3600 * 1000
GIVEN_UP = "unavailable"
DELIVERED = "delivered"
UNKNOWN = "unknown"
_log = logging.getLogger(__name__)

_due = (
    sa.select(sent)
    .where(sent.c.due_at <= sa.bindparam("now", type_=Moment))
    .order_by(sent.c.due_at)
    .limit(MOST_AT_ONCE)
)
_next = sa.select(sa.func.min(sent.c.due_at)).where(sent.c.due_at > sa.bindparam("now", type_=Moment))
_open = sa.select(sa.func.count()).where(sent.c.due_at.is_not(None))
_owing = _open.where(sent.c.owed != "")
_still = sa.select(sent.c.id, sent.c.due_at).where(sent.c.id.in_(sa.bindparam("of_ids", expanding=True)))
_advance = (
    sa.update(sent)
    .where(sent.c.id == sa.bindparam("of_id"))
    .values(
        due_at=sa.bindparam("due_at"),
        owed=sa.bindparam("owed"),
        offers=sa.bindparam("offers", type_=sa.JSON),
        status=sa.bindparam("status"),
        outcome=sa.bindparam("outcome"),
    )
)


class _Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a message's row becomes, and the event that tells of it."""

    row: Any
    due_at: datetime | None
    owed: str = ""
    offers: list[tuple[int, bool]]
    outcome: str = ""
    event: Event | None = None

    @property
    def status(self) -> str:
        """What is shown of the message."""
        return "sent" if not self.outcome else DELIVERED if self.outcome == DELIVERED else "failed"


class Carriage:
    """Works off what is due from `start` to `stop`; `nudge` makes it look at once."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        carrier: Carrier,
        happened: Callable[[Event], None],
        record: Callable[[facts.Fact], None],
    ) -> None:
        self._record = record
        self._database = database
        self._clock = clock
        self._ids = ids
        self._carrier = carrier
        self._happened = happened
        self._alarm = Alarm(clock)
        self._task: asyncio.Task[None] | None = None
        self._is_ending = False
        # what is being offered, and what became of it until that is written
        self._offers: dict[str, asyncio.Task[None]] = {}
        self._steps: list[_Step] = []

    async def start(self) -> None:
        """Begin with whatever is due."""
        self._database.watch_duty(self.nudge)
        self._database.watch([sent.name], self._look_soon)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; what is owed is done after the next start."""
        self._is_ending = True
        self._alarm.ring()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        for offer in self._offers.values():
            offer.cancel()
        await asyncio.gather(*self._offers.values(), return_exceptions=True)
        try:
            await self._settle()  # what the carrier has taken is not offered again
        except TrunklineError as error:
            mention(_log, "what became of some text messages cannot be kept; they are offered again", error)

    def nudge(self) -> None:
        """Look soon; to be called when a message was taken in."""
        self._alarm.ring()

    async def _look_soon(self) -> None:
        self.nudge()

    async def _run(self) -> None:
        while not self._is_ending:
            try:
                pause_s = await self._work()
            except TrunklineError as error:
                mention(_log, "text messages cannot be carried yet", error)
                pause_s = _AFTER_A_FAILURE_S
            except Exception:  # noqa: BLE001 - whatever it is, it must not end the carriage
                _log.exception("text messages could not be carried in an unforeseen way")
                pause_s = _AFTER_A_FAILURE_S
            if not self._is_ending:
                await self._alarm.wait(pause_s)

    async def _work(self) -> float:
        """Write down what became of offers, begin what is due, up to a bound; returns how long nothing more is due.

        Whatever was begun rings when it is done.
        """
        await self._settle()
        if not self._database.is_on_duty:
            return SLOW_POLL_S
        now = self._clock.now()
        rows, next_at = await self._database.read(
            lambda reader: (reader.all(_due, now=now), reader.value(_next, now=now))
        )
        for row in rows:
            if row.id not in self._offers:
                self._offers[row.id] = asyncio.create_task(self._carry(row))
        if next_at is None:
            return SLOW_POLL_S
        seconds: float = (next_at - self._clock.now()).total_seconds()
        return min(SLOW_POLL_S, max(0.0, seconds))  # time may have passed while it was read

    async def _carry(self, row: Any) -> None:
        try:
            step = await self._step(row)
        except Exception:  # noqa: BLE001 - one message that cannot be carried holds up no other
            _log.exception("message %s could not be carried in an unforeseen way", row.id)
            step = _Step(row=row, due_at=_later(self._clock.now(), _UNAVAILABLE_MS), owed=row.owed, offers=row.offers)
        self._steps.append(step)
        self._alarm.ring()

    async def _settle(self) -> None:
        """Write down what became of offers, and tell of it; what cannot be written is kept for the next time."""
        steps = self._steps.copy()
        if not steps:
            return
        kept = await self._database.write(lambda transaction: _keep(transaction, steps))
        del self._steps[: len(steps)]
        for step in steps:
            del self._offers[step.row.id]
        for step in kept:
            if step.event is not None:
                self._happened(step.event)
            if step.outcome:
                self._record(_fact(step, self._clock.now()))

    async def _step(self, row: Any) -> _Step:
        offers = [(at, taken) for at, taken in row.offers]
        if row.owed:
            return self._report(row, row.owed, offers)
        answer = await self._offer(row, len(offers) + 1)
        now = self._clock.now()
        offers.append((microseconds(now), isinstance(answer, Taken)))
        if isinstance(answer, Busy):
            if len(offers) >= MOST_OFFERS:
                return self._report(row, GIVEN_UP, offers)
            return _Step(row=row, due_at=_later(now, answer.retry_after_ms), offers=offers)
        if not answer.outcome:
            return _Step(row=row, due_at=None, offers=offers)
        return _Step(row=row, due_at=_later(now, answer.after_ms), owed=answer.outcome, offers=offers)

    async def _offer(self, row: Any, attempt: int) -> Taken | Busy:
        text = Text(
            id=row.id,
            sender=row.sender,
            recipient=row.recipient,
            content=row.content,
            segments=row.segments,
            attempt=attempt,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                return _sound(await self._carrier.submit(text))
        except Exception as error:  # noqa: BLE001 - whatever a carrier raises means that it is unavailable for now
            _log.warning("the carrier did not take message %s: %s", row.id, error or type(error).__name__)
            return Busy(retry_after_ms=_UNAVAILABLE_MS)

    def _report(self, row: Any, outcome: str, offers: list[tuple[int, bool]]) -> _Step:
        step = _Step(row=row, due_at=None, offers=offers, outcome=outcome)
        if not row.wants_report:
            return step
        now = self._clock.now()
        arrived = outcome == DELIVERED
        event = Event(
            id=self._ids.guid(),
            name="sms.report.received",
            resource=row.resource,
            at=now,
            cause=row.cause,
            facts={
                "message_id": row.id,
                "number": row.sender.removeprefix("+"),
                "sender": row.sender,
                "recipient": row.recipient,
                "status": step.status,
                "outcome": outcome,
                "attempts": [
                    {
                        "at": from_microseconds(at),
                        "succeeded": row.segments if taken and arrived else 0,
                        "failed": 0 if taken and arrived else row.segments,
                    }
                    for at, taken in offers
                ],
                "received_at": now,
                "tag": row.tag,
                "number_type": kind_of(row.sender),
                "country": country_of(row.recipient),
            },
        )
        return msgspec.structs.replace(step, event=event)


def counts(reader: Reader) -> dict[str, int]:
    """Count the messages that are not over: to be offered to the carrier, and to be reported."""
    owed = reader.value(_owing) or 0
    return {"offer": (reader.value(_open) or 0) - owed, "report": owed}


def _fact(step: _Step, now: datetime) -> facts.Message:
    """Return what became of a message, as a later piece of its fact."""
    row = step.row
    sent_fact = fact(row.id, row.resource, row.sender, row.recipient, row.sent_at, row.cause, row.segments, row.tag)
    arrived = step.outcome == DELIVERED
    return msgspec.structs.replace(
        sent_fact,
        status="delivered" if arrived else "failed",
        error_code="" if arrived else step.outcome,
        delivered_at=now if arrived else None,
        revised_at=now,
    )


def _keep(transaction: Transaction, steps: Sequence[_Step]) -> list[_Step]:
    """Write the steps of the messages that are still as they were read; returns those."""
    rows = transaction.all(_still, of_ids=[step.row.id for step in steps])
    due = {row.id: row.due_at for row in rows}
    kept = [step for step in steps if due.get(step.row.id) == step.row.due_at]
    for step in kept:
        transaction.hand(
            _advance,
            of_id=step.row.id,
            due_at=step.due_at,
            owed=step.owed,
            offers=step.offers,
            status=step.status,
            outcome=step.outcome,
        )
        if step.event is not None:
            outbox.tell(transaction, step.event)
    return kept


def _sound(answer: Any) -> Taken | Busy:
    """Return a carrier's answer, made to make sense; raises TypeError when it is none."""
    if isinstance(answer, Busy):
        return Busy(retry_after_ms=min(max(answer.retry_after_ms, 0), _LONGEST_MS))
    if isinstance(answer, Taken):
        outcome = answer.outcome if not answer.outcome or answer.outcome in load().delivery_outcomes else UNKNOWN
        return Taken(outcome=outcome, after_ms=min(max(answer.after_ms, 0), _LONGEST_MS))
    raise TypeError(f"it answered {type(answer).__name__}")


def _later(now: datetime, ms: int) -> datetime:
    return now + timedelta(milliseconds=ms)
