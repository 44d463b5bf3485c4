"""What holds for every verb of chat: who takes part, who sees what, how large things may be.

Sources: the chat concepts and service limits of the documentation, and what the official tests assert.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from trunkline.clock import from_milliseconds, milliseconds
from trunkline.errors import ForbiddenError, InvalidError, NotFoundError, TooLargeError
from trunkline.events import outbox
from trunkline.events.event import Event
from trunkline.ids import Ids
from trunkline.services.actor import Actor
from trunkline.services.chat.tables import messages, participants, threads
from trunkline.services.chat.ticks import Ticks
from trunkline.state.memory import Subject
from trunkline.state.transaction import Reader, Transaction

MOST_PARTICIPANTS = 250
MOST_PER_BATCH = 200
MOST_FOR_RECEIPTS = 20
LONGEST_MESSAGE_BYTES = 28 * 1024
LONGEST_TOPIC = 250
LONGEST_NAME = 256
MOST_METADATA_BYTES = 1024
MOST_MESSAGE_METADATA_BYTES = 4 * 1024
NOT_ALLOWED = "User is not allowed to perform specified action."
_FAR = 2**62

_with_participants = (
    sa.select(
        threads.c.resource,
        threads.c.topic,
        threads.c.metadata,
        threads.c.created_at,
        threads.c.created_by,
        threads.c.deleted_at,
        threads.c.version,
        participants.c.user_id,
        participants.c.display_name,
        participants.c.metadata.label("member_metadata"),
        participants.c.shared_from,
        participants.c.removed_at,
        participants.c.earlier,
    )
    .outerjoin_from(
        threads,
        participants,
        sa.and_(
            participants.c.thread_id == threads.c.id,
            # whoever has left is read by name only: a thread may have been left by many more than are in it
            sa.or_(
                participants.c.removed_at.is_(None),
                participants.c.user_id.in_(sa.bindparam("also", expanding=True)),
            ),
        ),
    )
    .where(threads.c.id == sa.bindparam("of_thread"))
    .order_by(participants.c.joined_at, participants.c.place)
)
_present = (
    sa.select(threads.c.resource, participants.c.user_id)
    .join_from(threads, participants, participants.c.thread_id == threads.c.id)
    .where(
        threads.c.id == sa.bindparam("of_thread"),
        threads.c.deleted_at.is_(None),
        participants.c.removed_at.is_(None),
    )
    .order_by(participants.c.joined_at, participants.c.place)
)
_circles = Subject(
    changed_by={threads.name: ("of_thread", "id"), participants.name: ("of_thread", "thread_id")}, most=4000
)
# the newest message has the highest number: one step into the primary key, however long the thread
_last_sequence = (
    sa.select(messages.c.sequence)
    .where(messages.c.thread_id == sa.bindparam("thread_id"))
    .order_by(messages.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
put_message = sa.insert(messages).values(
    thread_id=sa.bindparam("thread_id"),
    id=sa.bindparam("id"),
    sequence=sa.func.coalesce(_last_sequence, 0) + 1,
    kind=sa.bindparam("kind"),
    content=sa.bindparam("content"),
    sender_id=sa.bindparam("sender_id"),
    sender_display_name=sa.bindparam("sender_display_name"),
    metadata=sa.bindparam("metadata", type_=sa.JSON),
    members=sa.bindparam("members", type_=sa.JSON),
    version=sa.bindparam("version"),
    edited_at=None,
    deleted_at=None,
)


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """One user of a thread, present or past; `earlier` is what former stays let them read."""

    user_id: str
    display_name: str = ""
    metadata: dict[str, str] = {}
    shared_from: datetime
    removed_at: datetime | None = None
    earlier: tuple[tuple[int, int], ...] = ()

    @property
    def windows(self) -> list[tuple[int, int]]:
        """The history this participant may read: first and last message ids, newest first, never overlapping."""
        last = _FAR if self.removed_at is None else milliseconds(self.removed_at)
        found: list[tuple[int, int]] = []
        for start, end in sorted([*self.earlier, (_ceiling(self.shared_from), last)]):
            if found and start <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            elif start <= end:
                found.append((start, end))
        return found[::-1]

    def sees(self, message_id: int) -> bool:
        """Tell whether a message lies in the history that the participant may read."""
        return any(first <= message_id <= last for first, last in self.windows)


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread with everyone who takes part, and those who took part and were asked for."""

    id: str
    topic: str
    metadata: dict[str, str]
    created_at: datetime
    created_by: str
    deleted_at: datetime | None
    version: int
    everyone: tuple[Participant, ...]

    @property
    def present(self) -> list[Participant]:
        """Who takes part now, in the order of joining."""
        return [one for one in self.everyone if one.removed_at is None]

    def find(self, user_id: str) -> Participant | None:
        """Return someone who takes or took part."""
        return next((one for one in self.everyone if one.user_id == user_id), None)

    def others(self, user_id: str) -> list[str]:
        """Name who takes part now, but for one: who is told of what that one does."""
        return [one.user_id for one in self.everyone if one.removed_at is None and one.user_id != user_id]


class Circle(msgspec.Struct, frozen=True):
    """Who takes part in a thread now, in the order of joining: all that has to be known to speak there."""

    resource: str
    present: tuple[str, ...]

    def others(self, user_id: str) -> list[str]:
        """Name everyone but one: who is told of what that one does."""
        return [one for one in self.present if one != user_id]


def thread_of(
    reader: Reader | Transaction,
    actor: Actor,
    thread_id: str,
    *,
    also_deleted: bool = False,
    also: Iterable[str] = (),
) -> Thread:
    """Read a thread that is there; of those who left, the actor and those named. Raises NotFoundError."""
    rows = reader.all(_with_participants, of_thread=thread_id, also=[actor.user_id, *also])
    gone = not rows or rows[0].resource != actor.resource.name
    if gone or (rows[0].deleted_at is not None and not also_deleted):
        raise NotFoundError("The chat thread does not exist.", target=thread_id)
    first = rows[0]
    return Thread(
        id=thread_id,
        topic=first.topic,
        metadata=first.metadata,
        created_at=first.created_at,
        created_by=first.created_by,
        deleted_at=first.deleted_at,
        version=first.version,
        everyone=tuple(
            Participant(
                user_id=row.user_id,
                display_name=row.display_name,
                metadata=row.member_metadata,
                shared_from=row.shared_from,
                removed_at=row.removed_at,
                earlier=tuple((first, last) for first, last in row.earlier),
            )
            for row in rows
            if row.user_id is not None
        ),
    )


def joined(
    reader: Reader | Transaction,
    actor: Actor,
    thread_id: str,
    *,
    also_deleted: bool = False,
    also: Iterable[str] = (),
) -> tuple[Thread, Participant]:
    """Read a thread that the actor takes part in, as `thread_of` does; raises NotFoundError, ForbiddenError."""
    thread = thread_of(reader, actor, thread_id, also_deleted=also_deleted, also=also)
    member = thread.find(actor.user_id)
    if member is None or member.removed_at is not None:
        raise ForbiddenError(NOT_ALLOWED)
    return thread, member


def circle_of(transaction: Transaction, actor: Actor, thread_id: str) -> Circle:
    """Say who is in a thread that the actor takes part in; raises NotFoundError, ForbiddenError.

    Remembered by the writer: reading the thread for each message was two thirds of its time (150 of 240 µs).
    """
    circle = transaction.recall(_circles, thread_id, lambda unit: _read_circle(unit, thread_id))
    if circle is None or circle.resource != actor.resource.name or actor.user_id not in circle.present:
        thread, _ = joined(transaction, actor, thread_id)  # says what is wrong
        return Circle(actor.resource.name, tuple(one.user_id for one in thread.present))
    return circle


def _read_circle(transaction: Transaction, thread_id: str) -> Circle | None:
    rows = transaction.all(_present, of_thread=thread_id)
    return Circle(rows[0].resource, tuple(row.user_id for row in rows)) if rows else None


def known(reader: Reader | Transaction, actor: Actor, thread_id: str) -> tuple[Thread, Participant]:
    """Read a thread that the actor takes or took part in: its past stays readable."""
    thread = thread_of(reader, actor, thread_id)
    member = thread.find(actor.user_id)
    if member is None:
        raise ForbiddenError(NOT_ALLOWED)
    return thread, member


def system_message(
    transaction: Transaction,
    ticks: Ticks,
    now: datetime,
    thread_id: str,
    actor: Actor,
    *,
    kind: str,
    content: str = "",
    members: list[dict[str, Any]] | None = None,
) -> int:
    """Hand over a message that tells of the thread itself; returns its id."""
    message_id = ticks.next(transaction, now, thread_id)
    transaction.hand(
        put_message,
        thread_id=thread_id,
        id=message_id,
        kind=kind,
        content=content,
        sender_id=actor.user_id,
        sender_display_name="",
        metadata={},
        members=members or [],
        version=message_id,
    )
    return message_id


def tell(transaction: Transaction, ids: Ids, now: datetime, actor: Actor, name: str, **facts: Any) -> None:
    """Tell of a happening within the transaction of its cause."""
    event = Event(id=ids.guid(), name=name, resource=actor.resource.name, at=now, cause=actor.cause, facts=facts)
    outbox.tell(transaction, event)


def checked_topic(topic: str) -> str:
    """Check a thread's topic."""
    if not topic.strip():
        raise InvalidError("The topic must not be empty.", target="topic")
    if len(topic) > LONGEST_TOPIC:
        raise InvalidError(f"The topic has at most {LONGEST_TOPIC} characters.", target="topic")
    return topic


def checked_content(content: str) -> str:
    """Check a message's content."""
    if not content:
        raise InvalidError("The content must not be empty.", target="content")
    if len(content.encode()) > LONGEST_MESSAGE_BYTES:
        raise TooLargeError("A message has at most 28 KB.", target="content")
    return content


def checked_name(name: str, target: str) -> str:
    """Check a display name."""
    if len(name) > LONGEST_NAME:
        raise InvalidError(f"A display name has at most {LONGEST_NAME} characters.", target=target)
    return name


Metadata = TypeVar("Metadata", bound=dict[str, str])


def checked_metadata(metadata: Metadata, most_bytes: int = MOST_METADATA_BYTES) -> Metadata:
    """Check the size of metadata; a message may have more of it than a thread or a participant."""
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > most_bytes:
        raise InvalidError(f"The metadata has at most {most_bytes // 1024} KB.", target="metadata")
    return metadata


def merged(
    old: dict[str, str], patch: dict[str, str | None] | None, most_bytes: int = MOST_METADATA_BYTES
) -> dict[str, str]:
    """Apply a merge patch to metadata: null removes a key, null for the whole removes all (RFC 7396)."""
    if patch is None:
        return {}
    kept = {**old, **patch}
    return checked_metadata({key: value for key, value in kept.items() if value is not None}, most_bytes)


def _ceiling(moment: datetime) -> int:
    """Return the first whole millisecond at or after a moment."""
    whole = milliseconds(moment)
    return whole if from_milliseconds(whole) >= moment else whole + 1
