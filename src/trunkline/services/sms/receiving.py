"""Receiving: a text that somebody sent to a number of a resource, and the words by which people opt out and in."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.catalogue import facts
from trunkline.catalogue.acs import identifiers
from trunkline.clock import Clock
from trunkline.errors import InvalidError, NotFoundError
from trunkline.events import outbox
from trunkline.events.event import Event
from trunkline.ids import Ids
from trunkline.numbering import country_of, is_address, kind_of
from trunkline.services.actor import Actor
from trunkline.services.numbers import Numbers
from trunkline.services.sms import optouts, segments, sending
from trunkline.state.database import Database
from trunkline.state.transaction import Transaction

LONGEST_TEXT = 2048
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
START_WORDS = frozenset({"START", "UNSTOP"})
STOPPED = "You are unsubscribed and get no more messages from this number. Reply START to get them again."
STARTED = "You get messages from this number again. Reply STOP to get none."


class Receiving:
    """Takes messages in; `happened` hears of each, once durable, `nudge` tells who carries the answers to words."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        numbers: Numbers,
        happened: Callable[[Event], None],
        nudge: Callable[[], None],
        record: Callable[[facts.Fact], None],
    ) -> None:
        self._record = record
        self._database = database
        self._clock = clock
        self._ids = ids
        self._numbers = numbers
        self._happened = happened
        self._nudge = nudge

    async def receive(self, actor: Actor, sender: str, recipient: str, text: str) -> str:
        """Take in a message to a number of the actor's resource; returns its id.

        A word like STOP or START is answered, and told as every other message is. Raises NotFoundError when the
        resource does not own the number, InvalidError.
        """
        resource = actor.resource.name
        if not is_address(sender):
            raise InvalidError("The sender is no phone number in E.164 and no short code.", target="from")
        if not self._numbers.owns(resource, recipient):
            raise NotFoundError(
                f"{resource!r} owns no number {recipient[:20]!r}; `trunkline numbers add` gives it one.", target="to"
            )
        if not is_address(recipient):
            raise InvalidError("Nobody can answer a sender name.", target="to")
        if len(text) > LONGEST_TEXT:
            raise InvalidError(f"A message has at most {LONGEST_TEXT} characters.", target="text")
        word = text.strip(" \t\r\n.!'\"").upper()

        def unit(transaction: Transaction) -> Event:
            event = self._event(actor, sender, recipient, text)
            if word in STOP_WORDS:
                optouts.opt_out(transaction, resource, recipient, [sender], event.at)
                self._answer(transaction, event, STOPPED)
            elif word in START_WORDS:
                optouts.opt_in(transaction, resource, recipient, [sender])
                self._answer(transaction, event, STARTED)
            outbox.tell(transaction, event)
            return event

        event = await self._database.write(unit)
        self._happened(event)
        self._record(_fact(event))
        self._nudge()
        message_id: str = event.facts["message_id"]
        return message_id

    def _event(self, actor: Actor, sender: str, recipient: str, text: str) -> Event:
        now = self._clock.now()
        return Event(
            id=self._ids.guid(),
            name="sms.message.received",
            resource=actor.resource.name,
            at=now,
            cause=actor.cause,
            facts={
                "message_id": identifiers.message("Incoming", now, self._ids.guid()),
                "number": recipient.removeprefix("+"),
                "sender": sender,
                "recipient": recipient,
                "text": text,
                "segments": segments.count(text),
                "received_at": now,
                "number_type": kind_of(recipient),
                "country": country_of(sender),
            },
        )

    def _answer(self, transaction: Transaction, event: Event, text: str) -> None:
        """Answer a word, as networks do: also to who has just opted out."""
        sending.hand(
            transaction,
            message_id=identifiers.message("Outgoing", event.at, self._ids.guid()),
            resource=event.resource,
            message=sending.Message(sender=event.facts["recipient"], content=text),
            parts=segments.count(text),
            recipient=event.facts["sender"],
            cause=event.cause,
            now=event.at,
        )


def _fact(event: Event) -> facts.Message:
    told = event.facts
    return facts.Message(
        happened_at=event.at,
        resource=event.resource,
        message_id=told["message_id"],
        recipient=told["recipient"],
        channel="sms",
        direction="inbound",
        sender=told["sender"],
        sender_type=kind_of(told["sender"]),
        country=told["country"],
        segments=told["segments"],
        status="received",
        correlation_id=event.cause,
    )
