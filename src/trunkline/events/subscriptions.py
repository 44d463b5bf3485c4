"""Subscriptions: made, changed, confirmed, deleted; held in memory and kept in the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hmac import compare_digest
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.delivery import queue
from trunkline.delivery.courier import Courier
from trunkline.delivery.parcel import Parcel
from trunkline.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from trunkline.events import envelopes, handshake
from trunkline.events.envelopes import Topic
from trunkline.events.handshake import Invitation, Verdict
from trunkline.events.subscription import Spec, State, Subscription, check, check_name, keeping_values, merged
from trunkline.ids import Ids
from trunkline.state.database import Database
from trunkline.state.memory import Subject
from trunkline.state.transaction import Reader, Transaction, metadata
from trunkline.state.trouble import mention

_log = logging.getLogger(__name__)
MOST_OF_A_RESOURCE = 500
_AFTER_A_FAILURE_S = 1.0

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    # in lower case: names are told apart without regard to it
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_all = sa.select(subscriptions)
_body = sa.select(subscriptions.c.body).where(
    subscriptions.c.resource == sa.bindparam("of_resource"), subscriptions.c.name == sa.bindparam("of_name")
)
_put = sa.insert(subscriptions)
_drop = sa.delete(subscriptions).where(
    subscriptions.c.resource == sa.bindparam("of_resource"), subscriptions.c.name == sa.bindparam("of_name")
)
_as_kept = Subject(changed_by={subscriptions.name: ()}, most=1)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Subscription).decode
_ASKING: frozenset[State] = frozenset({"creating", "updating"})
Key = tuple[str, str]


class Subscriptions:
    """The subscriptions of every resource; handshakes run in the background, `settled` waits for one.

    `resource` finds a resource by its name or returns None, and `look_for_resources` reads them anew; `public_url`
    gives the address at which clients reach this server.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        courier: Courier,
        resource: Callable[[str], Topic | None],
        look_for_resources: Callable[[], Awaitable[None]],
        public_url: Callable[[], str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._courier = courier
        self._resource = resource
        self._look_for_resources = look_for_resources
        self._public_url = public_url
        self._known: dict[Key, Subscription] = {}
        self.kept: Mapping[Key, bytes] = {}
        """What is known, as it is kept; whoever reads `kept_now` finds out whether that is still so."""

        self._handshakes: dict[Key, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self.version = 0
        """Grows with each change, so that others know when to look again."""

    def open(self) -> None:
        """Read what is kept."""
        self._database.watch([subscriptions.name], self.refresh)
        self._learn(self._database.read_now(kept_now))

    def _learn(self, kept: Mapping[Key, bytes]) -> None:
        self.kept = kept
        self._known = {key: _decode(body) for key, body in kept.items()}
        self.version += 1

    async def refresh(self) -> None:
        """Read again what another process may have changed."""
        async with self._one_at_a_time:  # no change of this process can come between
            before = self._known
            kept = await self._database.read(kept_now)
            if any(self._resource(resource) is None for resource, _ in kept):
                await self._look_for_resources()  # their events could be told to nobody
            self._learn(kept)
        for key, old in before.items():
            new = self._known.get(key)
            if new is None or new.code != old.code or not new.is_pending:
                self._end_handshake(old)
            if new != old:
                self._courier.recall(old.id)

    async def start(self) -> None:
        """Take up the handshakes that a stop interrupted."""
        for subscription in list(self._known.values()):
            if subscription.is_pending:
                self._begin_handshake(subscription)

    async def stop(self) -> None:
        """Let go of handshakes; `start` takes them up again."""
        tasks = list(self._handshakes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def get(self, resource: str, name: str) -> Subscription:
        """Return a subscription by its name, in any case; raises NotFoundError."""
        subscription = self._known.get((resource, name.lower()))
        if subscription is None:
            raise NotFoundError(f"There is no event subscription {name!r}.", target=name)
        return subscription

    def list(self, resource: str) -> Sequence[Subscription]:
        """List the subscriptions of a resource by name."""
        return sorted((one for one in self._known.values() if one.resource == resource), key=lambda one: one.name)

    def all(self) -> Sequence[Subscription]:
        """List every subscription."""
        return tuple(self._known.values())

    async def create_or_update(self, resource: str, name: str, spec: Spec) -> Subscription:
        """Make a subscription, or make it what the spec says; an address that is new is asked first.

        Raises InvalidError, NotFoundError for an unknown resource.
        """
        async with self._one_at_a_time:
            old = self._known.get((resource, name.lower()))
            return await self._become(resource, name, keeping_values(spec, old.wanted if old else None), old)

    async def change(self, resource: str, name: str, **changes: Any) -> Subscription:
        """Change the members of the spec that are given and not None. Raises NotFoundError, InvalidError."""
        async with self._one_at_a_time:
            old = self.get(resource, name)
            return await self._become(resource, old.name, merged(old.wanted, changes), old)

    async def _become(self, resource: str, name: str, spec: Spec, old: Subscription | None) -> Subscription:
        now = self._clock.now()
        check_name(name)
        self._topic(resource)
        check(spec, now)
        self._courier.check_url(spec.url)
        if old is None and len(self.list(resource)) >= MOST_OF_A_RESOURCE:
            raise InvalidError(f"A resource has at most {MOST_OF_A_RESOURCE} event subscriptions.", target="name")
        works = old is not None and (old.state == "active" or old.next is not None)
        changed: dict[str, Any] = {"changed_at": now, "problem": ""}
        if old is not None and works and (old.spec.url, old.spec.schema) == (spec.url, spec.schema):
            self._end_handshake(old)
            return await self._keep(msgspec.structs.replace(old, spec=spec, next=None, state="active", **changed))
        code: dict[str, Any] = {"code": self._ids.guid(), "code_until": now + handshake.WINDOW}
        if old is None:
            new = Subscription(
                id=self._ids.guid(),
                resource=resource,
                name=name,
                spec=spec,
                state="creating",
                created_at=now,
                changed_at=now,
                **code,
            )
        elif works:
            new = msgspec.structs.replace(old, next=spec, state="updating", **changed, **code)
        else:
            new = msgspec.structs.replace(old, spec=spec, next=None, state="creating", **changed, **code)
        await self._keep(new)
        self._begin_handshake(new)
        return new

    async def delete(self, resource: str, name: str) -> None:
        """Delete a subscription, take back what waits for it, and tell its webhook. Raises NotFoundError."""
        async with self._one_at_a_time:
            await self._delete(self.get(resource, name))

    async def confirm(self, resource: str, name: str, code: str) -> Subscription:
        """Let a webhook have its events because somebody who got the code asks for it.

        Raises NotFoundError, ForbiddenError for a wrong code, ConflictError when it is too late.
        """
        async with self._one_at_a_time:
            old = self.get(resource, name)
            if not old.code or not compare_digest(code.encode(), old.code.encode()):
                raise ForbiddenError("This is not the validation code.")
            if old.state == "active":
                return old
            if not old.is_pending or old.code_until is None or self._clock.now() >= old.code_until:
                raise ConflictError("The event subscription was not confirmed in time.")
            self._end_handshake(old)
            return await self._activate(old)

    async def settled(self, resource: str, name: str) -> Subscription:
        """Return the subscription once its webhook was asked; it may await confirmation then."""
        key = (resource, name.lower())
        while (one := self.get(resource, name)).state in _ASKING and (task := self._handshakes.get(key)):
            await asyncio.wait({task})
        return one

    async def remove_expired(self) -> None:
        """Delete the subscriptions whose time is over."""
        now = self._clock.now()
        for key, one in list(self._known.items()):
            if one.is_over(now):
                async with self._one_at_a_time:
                    last = self._known.get(key)
                    if last is not None and last.is_over(now) and last.next is None:  # nobody asked for more time
                        await self._delete(last)

    # --- inside ---

    def _topic(self, resource: str) -> str:
        topic = self._resource(resource)
        if topic is None:
            raise NotFoundError(f"There is no resource {resource!r}.", target=resource)
        return envelopes.topic_id(topic)

    async def _keep(self, new: Subscription, *also: Callable[[Transaction], None]) -> Subscription:
        """Write a subscription, and whatever has to be written with it, and hold it in memory."""
        key = (new.resource, new.name.lower())
        body, old = _encode(new), self.kept.get(key)

        def unit(transaction: Transaction) -> None:
            _check_unchanged(transaction, key, old)
            transaction.hand(_drop, of_resource=key[0], of_name=key[1])
            transaction.hand(_put, resource=key[0], name=key[1], id=new.id, body=body)
            for write in also:
                write(transaction)

        await self._database.write(unit)
        self._known[key] = new
        self.kept = {**self.kept, key: body}
        self.version += 1
        return new

    async def _delete(self, old: Subscription) -> None:
        key, farewell = (old.resource, old.name.lower()), self._farewell(old)

        def unit(transaction: Transaction) -> None:
            _check_unchanged(transaction, key, self.kept.get(key))
            transaction.hand(_drop, of_resource=key[0], of_name=key[1])
            queue.recall(transaction, old.id)
            if farewell is not None:
                queue.put(transaction, farewell)

        self._end_handshake(old)
        await self._database.write(unit)
        del self._known[key]
        self.kept = {other: body for other, body in self.kept.items() if other != key}
        self.version += 1
        self._courier.recall(old.id)
        self._courier.wake([old.id])

    async def _activate(self, old: Subscription) -> Subscription:
        new = msgspec.structs.replace(old, spec=old.wanted, next=None, state="active", problem="")
        if old.next is None or old.next.url == old.spec.url:
            return await self._keep(new)
        # what waits for the old address goes to the new one
        await self._keep(new, lambda transaction: queue.readdress(transaction, new.id, new.spec.url))
        self._courier.recall(new.id)
        return new

    def _begin_handshake(self, subscription: Subscription) -> None:
        self._end_handshake(subscription)
        key = (subscription.resource, subscription.name.lower())
        waits = subscription.state == "awaiting"
        task = asyncio.create_task(self._await_confirmation(subscription) if waits else self._ask(subscription))
        self._handshakes[key] = task
        task.add_done_callback(lambda done: self._handshake_ended(key, done))

    def _end_handshake(self, subscription: Subscription) -> None:
        task = self._handshakes.pop((subscription.resource, subscription.name.lower()), None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _handshake_ended(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._handshakes.get(key) is task:
            del self._handshakes[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a handshake ended in an unforeseen way", exc_info=error)

    async def _ask(self, subscription: Subscription) -> None:
        invitation = Invitation(
            name=subscription.name,
            topic=self._topic(subscription.resource),
            url=subscription.wanted.url,
            schema=subscription.wanted.schema,
            code=subscription.code,
            callback=handshake.callback_url(
                self._public_url(), subscription.resource, subscription.name, subscription.code
            ),
        )
        verdict = await handshake.shake(invitation, self._courier, self._clock, self._ids)
        await self._apply(subscription, verdict)

    async def _await_confirmation(self, subscription: Subscription) -> None:
        if subscription.code_until is not None:
            await self._clock.sleep((subscription.code_until - self._clock.now()).total_seconds())
        await self._apply(subscription, Verdict(problem="The event subscription was not confirmed in time."))

    async def _apply(self, asked: Subscription, verdict: Verdict) -> None:
        """Let a verdict take effect, unless the subscription became something else meanwhile."""
        is_old = False
        while True:
            try:
                if is_old:
                    await self.refresh()
                await self._apply_at_once(asked, verdict)
                return
            except ConflictError:  # another process changed it, and this one has not heard of it
                is_old = True
            except (OverloadedError, UnavailableError) as error:  # nobody would ask the webhook again
                mention(_log, "what a webhook answered cannot be kept yet", error)
                await self._clock.sleep(_AFTER_A_FAILURE_S)

    async def _apply_at_once(self, asked: Subscription, verdict: Verdict) -> None:
        async with self._one_at_a_time:
            old = self._known.get((asked.resource, asked.name.lower()))
            if old is None or old.code != asked.code or not old.is_pending:
                return
            if verdict.accepted:
                await self._activate(old)
            elif verdict.waits:
                self._begin_handshake(await self._keep(msgspec.structs.replace(old, state="awaiting")))
            else:
                _log.warning("subscription %s of %s: %s", old.name, old.resource, verdict.problem)
                # what worked before goes on as it was
                state: State = "active" if old.next is not None else "failed"
                await self._keep(msgspec.structs.replace(old, state=state, next=None, problem=verdict.problem))

    def _farewell(self, subscription: Subscription) -> Parcel | None:
        """Make the parcel that tells a webhook of the end of its subscription; it is tried once."""
        topic, now = self._resource(subscription.resource), self._clock.now()
        if topic is None or not subscription.is_active(now):
            return None
        spec = subscription.spec
        event_id = self._ids.guid()
        return Parcel(
            subscription=subscription.id,
            subscription_name=subscription.name,
            resource=subscription.resource,
            url=spec.url,
            body=envelopes.deletion(event_id, envelopes.topic_id(topic), now, subscription.name, spec.schema),
            headers=envelopes.headers_of(subscription.name, spec.schema, batched=False, kind="SubscriptionDeletion"),
            count_header=envelopes.COUNT_HEADER,
            event_ids=(event_id,),
            made_at=now,
            due_at=now,
            expires_at=now + spec.life,
            most_attempts=1,
        )


def kept_now(reader: Reader | Transaction) -> dict[Key, bytes]:
    """Read every subscription as it is kept."""
    return {(row.resource, row.name): row.body for row in reader.all(_all)}


def kept_at_last(transaction: Transaction) -> Mapping[Key, bytes]:
    """Return every subscription as the writer finds it, which is read again only when one was written."""
    return transaction.recall(_as_kept, (), kept_now) or {}


def _check_unchanged(transaction: Transaction, key: Key, old: bytes | None) -> None:
    """Raise ConflictError when another process changed a subscription a moment ago: this one decided on the old."""
    if transaction.value(_body, of_resource=key[0], of_name=key[1]) != old:
        raise ConflictError("The event subscription was changed at the same time; try again.")
