"""Chat threads: created, listed, changed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock, from_milliseconds, milliseconds
from trunkline.errors import InvalidError
from trunkline.ids import Ids
from trunkline.services import repeatability
from trunkline.services.actor import Actor
from trunkline.services.chat import rules
from trunkline.services.chat.participants import Joining, Refused, put_participant, row_of, sort_out
from trunkline.services.chat.rules import Thread
from trunkline.services.chat.tables import messages, participants, threads
from trunkline.services.chat.ticks import Ticks
from trunkline.services.identity import Identities
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction

_put = sa.insert(threads)
_change = (
    sa.update(threads)
    .where(threads.c.id == sa.bindparam("of_thread"))
    .values(
        topic=sa.bindparam("topic"),
        metadata=sa.bindparam("metadata", type_=sa.JSON),
        version=sa.bindparam("version"),
    )
)
_delete = (
    sa.update(threads)
    .where(threads.c.id == sa.bindparam("of_thread"))
    .values(deleted_at=sa.bindparam("deleted_at"), version=sa.bindparam("version"))
)
_last = sa.select(sa.func.max(messages.c.id)).where(messages.c.thread_id == threads.c.id).scalar_subquery()
_of_user = (
    sa.select(threads.c.id, threads.c.topic, threads.c.deleted_at, _last.label("last_id"))
    .join_from(participants, threads, threads.c.id == participants.c.thread_id)
    .where(
        participants.c.user_id == sa.bindparam("of_user"),
        participants.c.removed_at.is_(None),
        threads.c.resource == sa.bindparam("of_resource"),
    )
    .subquery()
)
_page = (
    sa.select(_of_user)
    .where(
        _of_user.c.last_id >= sa.bindparam("since"),
        sa.or_(
            _of_user.c.last_id < sa.bindparam("before"),
            sa.and_(_of_user.c.last_id == sa.bindparam("before"), _of_user.c.id > sa.bindparam("after_id")),
        ),
    )
    .order_by(_of_user.c.last_id.desc(), _of_user.c.id)
    .limit(sa.bindparam("most"))
)
_one = sa.select(threads).where(threads.c.id == sa.bindparam("of_thread"))
_FAR = 2**62


class _Made(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a creation that may be asked for again."""

    thread_id: str
    refused: list[Refused]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A thread as its user's list shows it."""

    id: str
    topic: str
    deleted_at: datetime | None
    last_id: int

    @property
    def last_message_at(self) -> datetime:
        """When the last message came."""
        return from_milliseconds(self.last_id)


class Threads:
    """Creates, lists, changes and deletes threads."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, ticks: Ticks, identities: Identities) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._ticks = ticks
        self._identities = identities

    async def create(
        self,
        actor: Actor,
        topic: str,
        joining: Sequence[Joining],
        metadata: dict[str, str],
        request: str = "",
    ) -> tuple[Thread, list[Refused]]:
        """Create a thread with the actor and those who may join; a repeated request gives the same thread."""
        rules.checked_topic(topic)
        rules.checked_metadata(metadata)
        welcome, refused = await sort_out(self._identities, actor, joining)
        own = next((one for one in welcome if one.user_id == actor.user_id), Joining(user_id=actor.user_id))
        members = [own, *(one for one in welcome if one.user_id != actor.user_id)]
        if len(members) > rules.MOST_PARTICIPANTS:
            raise InvalidError(f"A thread has at most {rules.MOST_PARTICIPANTS} participants.", target="participants")
        thread_id = f"19:{self._ids.hex()}@thread.v2"
        scope = f"{actor.resource.name}/chat/{actor.user_id}"

        def unit(transaction: Transaction) -> tuple[Thread, list[Refused]]:
            if request and (answer := repeatability.earlier(transaction, scope, request)):
                made = msgspec.json.decode(answer, type=_Made)
                found = rules.thread_of(transaction, actor, made.thread_id, also_deleted=True)
                return found, made.refused
            thread = self._write(transaction, actor, thread_id, topic, metadata, members)
            if request:
                made = _Made(thread_id=thread_id, refused=refused)
                repeatability.keep(transaction, scope, request, made, self._clock.now())
            return thread, refused

        return await self._database.write(unit)

    def _write(
        self,
        transaction: Transaction,
        actor: Actor,
        thread_id: str,
        topic: str,
        metadata: dict[str, str],
        members: list[Joining],
    ) -> Thread:
        version = self._ticks.first(transaction, self._clock.now(), thread_id)
        now = from_milliseconds(version)
        thread = Thread(
            id=thread_id,
            topic=topic,
            metadata=metadata,
            created_at=now,
            created_by=actor.user_id,
            deleted_at=None,
            version=version,
            # whoever is there from the beginning sees everything, unless told otherwise
            everyone=tuple(one.participant(one.shared_from or now) for one in members),
        )
        properties = msgspec.structs.asdict(thread)
        del properties["everyone"]
        transaction.hand(_put, resource=actor.resource.name, **properties)
        for place, one in enumerate(members):
            row = row_of(thread_id, one, joined_at=now, shared_from=one.shared_from or now, place=place)
            transaction.hand(put_participant, **row)
        shown = [one.shown() for one in members]
        rules.system_message(transaction, self._ticks, now, thread_id, actor, kind="participantAdded", members=shown)
        rules.system_message(transaction, self._ticks, now, thread_id, actor, kind="topicUpdated", content=topic)
        rules.tell(
            transaction,
            self._ids,
            now,
            actor,
            "chat.thread.created",
            thread_id=thread_id,
            topic=topic,
            metadata=metadata,
            created_at=now,
            created_by=actor.user_id,
            version=version,
            participants=shown,
            recipients=thread.others(actor.user_id),
        )
        return thread

    async def get(self, actor: Actor, thread_id: str) -> Thread:
        """Return a thread that the actor takes part in."""
        return await self._database.read(lambda reader: rules.joined(reader, actor, thread_id)[0])

    async def kept(self, thread_id: str) -> sa.Row[Any] | None:
        """Return what is kept of a thread of any resource, also of a deleted one; None if nothing is."""
        return await self._database.read(lambda reader: reader.one(_one, of_thread=thread_id))

    async def list(
        self, actor: Actor, *, most: int, since: datetime | None, after: tuple[int, str] | None
    ) -> Sequence[Summary]:
        """List the actor's threads by their last message, newest first, after a position in that order."""
        before, after_id = after or (_FAR, "")
        bound: dict[str, Any] = {
            "of_user": actor.user_id,
            "of_resource": actor.resource.name,
            "most": most,
            "before": before,
            "after_id": after_id,
            "since": milliseconds(since) if since else 0,
        }

        def read(reader: Reader) -> list[Summary]:
            return [
                Summary(id=row.id, topic=row.topic, deleted_at=row.deleted_at, last_id=row.last_id)
                for row in reader.all(_page, **bound)
            ]

        return await self._database.read(read)

    async def update(
        self,
        actor: Actor,
        thread_id: str,
        topic: str | None,
        metadata: dict[str, str | None] | msgspec.UnsetType | None,
    ) -> None:
        """Change the topic (None: keep) and merge metadata (UNSET: keep)."""
        if topic is not None:
            rules.checked_topic(topic)

        def unit(transaction: Transaction) -> None:
            thread, _ = rules.joined(transaction, actor, thread_id)
            if topic is None and metadata is msgspec.UNSET:
                return  # an empty patch changes nothing, and nobody is told
            now = self._clock.now()
            new_topic = thread.topic if topic is None else topic
            new_metadata = thread.metadata if metadata is msgspec.UNSET else rules.merged(thread.metadata, metadata)
            version = self._ticks.next(transaction, now, thread_id, after=thread.version)
            transaction.hand(_change, of_thread=thread_id, topic=new_topic, metadata=new_metadata, version=version)
            if topic is not None:
                rules.system_message(
                    transaction, self._ticks, now, thread_id, actor, kind="topicUpdated", content=topic
                )
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.thread.updated",
                thread_id=thread_id,
                topic=new_topic,
                metadata=new_metadata,
                created_at=thread.created_at,
                edited_at=now,
                edited_by=actor.user_id,
                version=version,
                recipients=thread.others(actor.user_id),
            )

        await self._database.write(unit)

    async def delete(self, actor: Actor, thread_id: str) -> None:
        """Delete a thread for everyone. Deleting twice is fine."""

        def unit(transaction: Transaction) -> None:
            thread, _ = rules.joined(transaction, actor, thread_id, also_deleted=True)
            if thread.deleted_at is not None:
                return
            now = self._clock.now()
            version = self._ticks.next(transaction, now, thread_id, after=thread.version)
            transaction.hand(_delete, of_thread=thread_id, deleted_at=now, version=version)
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.thread.deleted",
                thread_id=thread_id,
                created_at=thread.created_at,
                deleted_at=now,
                deleted_by=actor.user_id,
                version=version,
                recipients=thread.others(actor.user_id),
            )

        await self._database.write(unit)
