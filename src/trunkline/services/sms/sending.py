"""Sending: a text to one or more recipients, each with a message and a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from trunkline.catalogue import facts
from trunkline.catalogue.acs import identifiers
from trunkline.clock import Clock
from trunkline.errors import InvalidError
from trunkline.ids import Ids
from trunkline.numbering import is_address, kind_of
from trunkline.services import repeatability
from trunkline.services.actor import Actor
from trunkline.services.numbers import Numbers
from trunkline.services.sms import optouts, segments
from trunkline.services.sms.tables import sent
from trunkline.state.database import Database
from trunkline.state.transaction import Transaction

MOST_RECIPIENTS = 100
LONGEST_TEXT = 2048
LONGEST_TAG = 1024
LONGEST_KEPT_TAG = 200
LONGEST_REPEAT = 100
_put = sa.insert(sent)
BAD_NUMBER = "The recipient is no phone number in E.164 (+14255550123) and no short code."


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets the message; the same `repeat` for the same number means the same message."""

    number: str
    repeat: str = ""

    @property
    def request(self) -> str:
        """What names the request that may be repeated; "" when it may not."""
        return f"{self.repeat} {self.number}" if self.repeat else ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the request for one recipient: a message's id, or a problem."""

    number: str
    message_id: str = ""
    problem: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: `tag` comes back with the report, if one is wanted."""

    sender: str
    content: str
    wants_report: bool = False
    tag: str | None = None


class Sending:
    """Takes messages in; `nudge` tells who carries them, `record` gets a fact of each."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        numbers: Numbers,
        nudge: Callable[[], None],
        record: Callable[[facts.Fact], None],
    ) -> None:
        self._record = record
        self._database = database
        self._clock = clock
        self._ids = ids
        self._numbers = numbers
        self._nudge = nudge

    async def send(self, actor: Actor, message: Message, recipients: Sequence[Recipient]) -> list[Result]:
        """Take a message for each recipient, in their order; a number that is none has a problem instead.

        Raises UnauthenticatedError when the resource does not own the sender, InvalidError when no recipient's number
        is one, or anything else of the request is wrong.
        """
        _check(message, recipients)
        resource = actor.resource.name
        self._numbers.check(resource, message.sender)
        good = {place: one for place, one in enumerate(recipients) if is_address(one.number)}
        if not good:
            raise InvalidError(BAD_NUMBER, target="smsRecipients")
        parts = segments.count(message.content)

        def unit(transaction: Transaction) -> tuple[dict[int, str], list[tuple[str, str, datetime]]]:
            now = self._clock.now()
            scope = f"sms {resource}"
            requests = [one.request for one in good.values() if one.request]
            earlier = repeatability.several(transaction, scope, requests)
            blocked = optouts.among(transaction, resource, message.sender, [one.number for one in good.values()])
            taken: dict[int, str] = {}
            fresh: list[tuple[str, str, datetime]] = []
            for place, one in good.items():
                if one.request in earlier:
                    taken[place] = msgspec.json.decode(earlier[one.request], type=str)
                    continue
                message_id = taken[place] = identifiers.message("Outgoing", now, self._ids.guid())
                hand(
                    transaction,
                    message_id=message_id,
                    resource=resource,
                    message=message,
                    parts=parts,
                    recipient=one.number,
                    cause=actor.cause,
                    now=now,
                    owed=optouts.OUTCOME if one.number in blocked else "",
                )
                fresh.append((message_id, one.number, now))
                if one.request:
                    repeatability.keep(transaction, scope, one.request, message_id, now)
                    earlier[one.request] = msgspec.json.encode(message_id)
            return taken, fresh

        taken, fresh = await self._database.write(unit)
        for message_id, number, now in fresh:
            self._record(fact(message_id, resource, message.sender, number, now, actor.cause, parts, message.tag))
        self._nudge()
        return [_result(one.number, taken.get(place, "")) for place, one in enumerate(recipients)]


def _result(number: str, message_id: str) -> Result:
    if not message_id:
        return Result(number=number, problem=BAD_NUMBER)
    return Result(number=number, message_id=message_id)


def fact(
    message_id: str,
    resource: str,
    sender: str,
    recipient: str,
    sent_at: datetime,
    cause: str,
    parts: int,
    tag: str | None,
) -> facts.Message:
    """Return the fact of a message that was sent."""
    return facts.Message(
        happened_at=sent_at,
        resource=resource,
        message_id=message_id,
        recipient=recipient,
        channel="sms",
        direction="outbound",
        sender=sender,
        sender_type=kind_of(sender),
        segments=parts,
        status="sent",
        correlation_id=cause,
        tag=(tag or "")[:LONGEST_KEPT_TAG],
    )


def hand(
    transaction: Transaction,
    *,
    message_id: str,
    resource: str,
    message: Message,
    parts: int,
    recipient: str,
    cause: str,
    now: datetime,
    owed: str = "",
) -> None:
    """Hand over a message of so many parts to one recipient.

    It is to be offered to the carrier, or to be reported with what is `owed`.
    """
    transaction.hand(
        _put,
        id=message_id,
        resource=resource,
        sender=message.sender,
        recipient=recipient,
        content=message.content,
        segments=parts,
        tag=message.tag,
        wants_report=message.wants_report,
        cause=cause,
        sent_at=now,
        status="sent",
        due_at=now,
        owed=owed,
        outcome="",
        offers=[],
    )


def _check(message: Message, recipients: Sequence[Recipient]) -> None:
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        raise InvalidError(f"A message has 1 to {MOST_RECIPIENTS} recipients.", target="smsRecipients")
    if len(message.content) > LONGEST_TEXT:
        raise InvalidError(f"A message has at most {LONGEST_TEXT} characters.", target="message")
    if message.tag is not None and len(message.tag) > LONGEST_TAG:
        raise InvalidError(f"A tag has at most {LONGEST_TAG} characters.", target="smsSendOptions.tag")
    if any(len(one.repeat) > LONGEST_REPEAT for one in recipients):
        raise InvalidError(
            f"repeatabilityRequestId has at most {LONGEST_REPEAT} characters.",
            target="smsRecipients.repeatabilityRequestId",
        )
