"""The dispatcher: takes events from the outbox, wraps them for whoever wants them, and queues the parcels.

Marking events as told and queuing their parcels is one transaction: after a crash an event is either told with
all its parcels or not at all. Of the processes of a database the one on duty tells; should two believe that they are,
the second to write finds the events told and tells nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.rows import Catalogue
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.delivery import queue
from trunkline.delivery.courier import Courier
from trunkline.delivery.parcel import Parcel
from trunkline.errors import ConflictError
from trunkline.events import outbox
from trunkline.events.envelopes import Envelope, Template, Topic, topic_id
from trunkline.events.event import Event
from trunkline.events.examples import example
from trunkline.events.parcels import Address
from trunkline.events.subscription import Subscription
from trunkline.events.subscriptions import Key, Subscriptions, kept_at_last, kept_now, subscriptions
from trunkline.ids import Ids
from trunkline.state.database import Database
from trunkline.state.rounds import Rounds
from trunkline.state.transaction import Reader, Transaction

_log = logging.getLogger(__name__)
MOST_EVENTS = 500
MOST_PARCELS = 2000
"""About how many parcels one transaction queues: the rest of the events waits for the next."""

SLOW_POLL_S = 2.0
_AFTER_A_FAILURE_S = 1.0
_TABLES = (outbox.outbox.name, subscriptions.name)
_OVERTAKEN = -1
_untold_numbers = (
    sa.select(outbox.outbox.c.number)
    .where(outbox.outbox.c.told_at.is_(None))
    .order_by(outbox.outbox.c.number)
    .limit(sa.bindparam("most"))
)


class Round(msgspec.Struct):
    """What one look into the outbox gives: the events that were dealt with, and the parcels for them."""

    numbers: list[int]
    parcels: list[Parcel]
    is_full: bool


class Dispatcher:
    """Tells events from `start` to `stop`; `nudge` makes it look at once.

    `resource` finds a resource by its name or returns None.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        catalogue: Catalogue,
        subscriptions: Subscriptions,
        courier: Courier,
        resource: Callable[[str], Topic | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._catalogue = catalogue
        self._subscriptions = subscriptions
        self._courier = courier
        self._resource = resource
        self._rounds = Rounds(
            database,
            clock,
            self._tell,
            log=_log,
            words="events cannot be told",
            tables=_TABLES,
            again_s=_AFTER_A_FAILURE_S,
        )
        self.start, self.stop, self.nudge = self._rounds.start, self._rounds.stop, self._rounds.nudge
        self._templates: dict[str, list[Template]] = defaultdict(list)
        for row in catalogue.event_types.values():
            self._templates[row.on].append(Template(row, camel=settings.sms_event_casing == "camel"))
        self._addresses: dict[str, list[Address]] = {}
        self._version = -1
        self._generation = 0  # when events were told last: another process may have told them only in a later one
        self.told = 0
        self.queued = 0
        self.failed = 0

    async def fire(self, resource: str, name: str, event_type: str) -> Event:
        """Send an example of an event type to one subscription, past its filter; returns the event.

        Raises NotFoundError for an unknown subscription, resource or type.
        """
        subscription = self._subscriptions.get(resource, name)
        now = self._clock.now()
        event = example(self._catalogue, event_type, resource, now, self._ids)
        wanted = event_type.casefold()
        topic = self._topic(resource) or ""
        address = self._address(subscription)
        taken = [
            envelope
            for template in self._templates[event.name]
            if wanted in {template.name.casefold(), template.name.rpartition(".")[2].casefold()}
            for envelope in template.wrap(event, topic)
        ]
        parcels = list(address.parcels(taken, now))
        await self._database.write(lambda transaction: _put(transaction, parcels))
        self._courier.wake([subscription.id])
        return event

    async def resend(self, resource: str, name: str) -> int:
        """Let the dead letters of a subscription wait again, for its address of now; returns how many events those are.

        Raises NotFoundError for an unknown subscription, ConflictError for one that has not agreed or that changes.
        """
        subscription = self._subscriptions.get(resource, name)
        if subscription.state != "active":
            raise ConflictError(f"The event subscription {subscription.name} is {subscription.state}, not active.")
        key, kept = (subscription.resource, subscription.name.lower()), self._subscriptions.kept
        spec, now = subscription.spec, self._clock.now()
        terms = queue.Terms(url=spec.url, most_attempts=spec.most_attempts, due_at=now, expires_at=now + spec.life)

        def unit(transaction: Transaction, after: int) -> dict[int, int]:
            if not _are_unchanged(transaction, {key}, kept):
                raise ConflictError("The event subscription was changed at the same time; try again.")
            return queue.revive(transaction, subscription.id, terms, after, MOST_PARCELS)

        events, last = 0, -1
        while revived := await self._database.write(lambda transaction, after=last: unit(transaction, after)):  # type: ignore[misc]
            events, last = events + sum(revived.values()), max(revived)
            self._courier.wake([subscription.id])
        return events

    async def _tell(self) -> datetime:
        while self._database.is_on_duty and await self._tell_some():
            pass
        return self._clock.now() + timedelta(seconds=SLOW_POLL_S)

    async def _tell_some(self) -> bool:
        """Tell what is in the outbox, up to a bound; returns whether there is more."""
        now = self._clock.now()
        self._refresh()
        addresses, kept = self._active(now), self._subscriptions.kept
        found = await self._database.read(lambda reader: self._look(reader, addresses, kept, now))
        if found is None:
            await self._subscriptions.refresh()
            return True
        if found.numbers:

            def unit(transaction: Transaction) -> int:
                others_wrote = transaction.generation != self._generation
                if others_wrote and not outbox.are_untold(transaction, found.numbers):
                    return _OVERTAKEN
                keys = {(parcel.resource, parcel.subscription_name.lower()) for parcel in found.parcels}
                if not _are_unchanged(transaction, keys, kept):
                    return _OVERTAKEN
                _put(transaction, found.parcels)
                outbox.mark_told(transaction, found.numbers, now)
                return transaction.generation

            generation = await self._database.write(unit)
            if generation == _OVERTAKEN:
                return True  # what is there now is to be looked at anew
            self._generation = generation
            self.told += len(found.numbers)
            self.queued += len(found.parcels)
            self._courier.wake({parcel.subscription for parcel in found.parcels})
        return found.is_full

    def _look(
        self, reader: Reader, addresses: dict[str, list[Address]], kept: Mapping[Key, bytes], now: datetime
    ) -> Round | None:
        """Look into the outbox; None when subscriptions changed meanwhile: what is in it may be for a new one."""
        if kept_now(reader) != kept:
            return None
        return self._prepare(reader, addresses, now) if addresses else _all_in_vain(reader)

    def _prepare(self, reader: Reader, addresses: dict[str, list[Address]], now: datetime) -> Round:
        """Wrap events until there is enough for one transaction (reader thread)."""
        events = outbox.untold(reader, MOST_EVENTS)
        taken: dict[Address, list[Envelope]] = defaultdict(list)
        numbers: list[int] = []
        many = 0
        for number, event in events:
            if many >= MOST_PARCELS:
                break
            numbers.append(number)
            try:
                for address, envelope in self._wrap(event, addresses.get(event.resource, ())):
                    taken[address].append(envelope)
                    many += 1
            except Exception:  # noqa: BLE001 - one event that cannot be wrapped must not hold up all others
                self.failed += 1
                _log.exception("event %s (%s) cannot be told", event.id, event.name)
        parcels = [parcel for address, some in taken.items() for parcel in address.parcels(some, now)]
        return Round(numbers, parcels, len(numbers) < len(events) or len(events) == MOST_EVENTS)

    def _wrap(self, event: Event, addresses: Sequence[Address]) -> Iterable[tuple[Address, Envelope]]:
        if not addresses:
            return []
        topic = self._topic(event.resource)
        if topic is None:
            return []
        wrapped: list[tuple[Address, Envelope]] = []
        for template in self._templates.get(event.name, ()):
            wanting = [
                one
                for one in addresses
                if one.takes_type(template.name, is_preview=template.is_preview, is_named_only=template.is_named_only)
            ]
            for envelope in template.wrap(event, topic) if wanting else ():
                for address in wanting:
                    if address.takes(envelope):
                        envelope.encoded(address.subscription.spec.schema)  # what fails should fail here
                        wrapped.append((address, envelope))
        return wrapped

    def _topic(self, resource: str) -> str | None:
        topic = self._resource(resource)
        return None if topic is None else topic_id(topic)

    def _address(self, subscription: Subscription) -> Address:
        return Address(
            subscription,
            lenient_subjects=self._settings.lenient_subjects,
            previews=self._settings.preview_event_types,
        )

    def _refresh(self) -> None:
        """Make the addresses anew when a subscription has changed."""
        if self._version == self._subscriptions.version:
            return
        self._version = self._subscriptions.version
        self._addresses = defaultdict(list)
        for subscription in self._subscriptions.all():
            self._addresses[subscription.resource].append(self._address(subscription))

    def _active(self, now: datetime) -> dict[str, list[Address]]:
        return {
            resource: active
            for resource, some in self._addresses.items()
            if (active := [one for one in some if one.subscription.is_active(now)])
        }


def _put(transaction: Transaction, parcels: Sequence[Parcel]) -> None:
    for parcel in parcels:
        queue.put(transaction, parcel)


def _are_unchanged(transaction: Transaction, keys: Collection[Key], kept: Mapping[Key, bytes]) -> bool:
    """Tell whether nobody has deleted or changed one of these subscriptions since they were read."""
    if not keys:
        return True
    last = kept_at_last(transaction)
    return all(last.get(key) == kept.get(key) for key in keys)


def _all_in_vain(reader: Reader) -> Round:
    """Find the events that nobody wants, without reading what they carry."""
    numbers = [row.number for row in reader.all(_untold_numbers, most=MOST_EVENTS)]
    return Round(numbers, [], len(numbers) == MOST_EVENTS)
