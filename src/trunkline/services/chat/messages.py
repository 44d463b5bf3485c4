"""Messages of a thread: sent, listed, edited, deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import nh3
import sqlalchemy as sa

from trunkline.catalogue import facts
from trunkline.clock import Clock, from_milliseconds, milliseconds
from trunkline.errors import ForbiddenError, NotFoundError
from trunkline.ids import Ids
from trunkline.services.actor import Actor
from trunkline.services.chat import rules
from trunkline.services.chat.tables import messages
from trunkline.services.chat.ticks import Ticks
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction

_one = sa.select(messages).where(
    messages.c.thread_id == sa.bindparam("of_thread"), messages.c.id == sa.bindparam("of_id")
)
_page = (
    sa.select(messages)
    .where(
        messages.c.thread_id == sa.bindparam("of_thread"),
        messages.c.id >= sa.bindparam("first"),
        messages.c.id <= sa.bindparam("last"),
    )
    .order_by(messages.c.id.desc())
    .limit(sa.bindparam("most"))
)
_this = (messages.c.thread_id == sa.bindparam("of_thread")) & (messages.c.id == sa.bindparam("of_id"))
_edit = (
    sa.update(messages)
    .where(_this)
    .values(
        content=sa.bindparam("content"),
        metadata=sa.bindparam("metadata", type_=sa.JSON),
        version=sa.bindparam("version"),
        edited_at=sa.bindparam("edited_at"),
    )
)
_delete = (
    sa.update(messages)
    .where(_this)
    .values(
        content="",
        metadata=sa.bindparam("metadata", type_=sa.JSON),
        version=sa.bindparam("version"),
        deleted_at=sa.bindparam("deleted_at"),
    )
)
Kind = Literal["text", "html"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its thread keeps it; `members` are those whom a system message tells of."""

    id: int
    sequence: int
    kind: str
    content: str
    sender_id: str
    sender_display_name: str
    metadata: dict[str, str]
    members: list[dict[str, Any]]
    version: int
    edited_at: datetime | None
    deleted_at: datetime | None

    @property
    def sent_at(self) -> datetime:
        """When the message was sent: its id says it."""
        return from_milliseconds(self.id)


class Messages:
    """Sends, lists, edits and deletes messages."""

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, ticks: Ticks, record: Callable[[facts.Fact], None]
    ) -> None:
        self._record = record
        self._database = database
        self._clock = clock
        self._ids = ids
        self._ticks = ticks

    async def send(
        self,
        actor: Actor,
        thread_id: str,
        content: str,
        *,
        kind: Kind,
        sender_display_name: str,
        metadata: dict[str, str],
    ) -> int:
        """Send a message; returns its id. Raises NotFoundError, ForbiddenError, InvalidError, TooLargeError."""
        rules.checked_content(content)
        rules.checked_name(sender_display_name, "senderDisplayName")
        rules.checked_metadata(metadata, rules.MOST_MESSAGE_METADATA_BYTES)
        content = _clean(kind, content)

        def unit(transaction: Transaction) -> tuple[int, datetime, list[str]]:
            circle = rules.circle_of(transaction, actor, thread_id)
            now = self._clock.now()
            recipients = circle.others(actor.user_id)
            message_id = self._ticks.next(transaction, now, thread_id)
            said: dict[str, Any] = {
                "thread_id": thread_id,
                "content": content,
                "sender_id": actor.user_id,
                "sender_display_name": sender_display_name,
                "metadata": metadata,
                "version": message_id,
            }
            transaction.hand(rules.put_message, id=message_id, kind=kind, members=[], **said)
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.message.sent",
                **said,
                message_id=str(message_id),
                type=kind,
                composed_at=from_milliseconds(message_id),
                recipients=recipients,
            )
            return message_id, now, recipients

        message_id, now, recipients = await self._database.write(unit)
        for recipient in recipients:
            self._record(_fact(actor, thread_id, message_id, now, recipient))
        return message_id

    async def list(
        self, actor: Actor, thread_id: str, *, most: int, since: datetime | None, before: int | None
    ) -> Sequence[Message]:
        """List the messages that the actor may see, newest first, before a message id."""

        def read(reader: Reader) -> list[Message]:
            _, member = rules.known(reader, actor, thread_id)
            earliest = milliseconds(since) if since else 0
            found: list[Message] = []
            for first, last in member.windows:
                rows = reader.all(
                    _page,
                    of_thread=thread_id,
                    first=max(first, earliest),
                    last=last if before is None else min(last, before - 1),
                    most=most - len(found),
                )
                found += [_message(row) for row in rows]
            return found

        return await self._database.read(read)

    async def get(self, actor: Actor, thread_id: str, message_id: int) -> Message:
        """Return one message that the actor may see."""

        def read(reader: Reader) -> Message:
            _, member = rules.known(reader, actor, thread_id)
            row = reader.one(_one, of_thread=thread_id, of_id=message_id)
            if row is None or not member.sees(message_id):
                raise _missing(message_id)
            return _message(row)

        return await self._database.read(read)

    async def edit(
        self,
        actor: Actor,
        thread_id: str,
        message_id: int,
        content: str | None,
        metadata: dict[str, str | None] | msgspec.UnsetType | None,
    ) -> None:
        """Change the content (None: keep) and merge metadata (UNSET: keep) of a message of the actor's own."""
        if content is not None:
            rules.checked_content(content)

        def unit(transaction: Transaction) -> None:
            thread, message = self._own(transaction, actor, thread_id, message_id)
            if content is None and metadata is msgspec.UNSET:
                return  # an empty patch changes nothing, and nobody is told
            now = self._clock.now()
            version = self._ticks.next(transaction, now, thread_id, after=message.version)
            text = message.content if content is None else _clean(message.kind, content)
            merged = message.metadata
            if metadata is not msgspec.UNSET:
                merged = rules.merged(merged, metadata, rules.MOST_MESSAGE_METADATA_BYTES)
            transaction.hand(
                _edit,
                of_thread=thread_id,
                of_id=message_id,
                content=text,
                metadata=merged,
                version=version,
                edited_at=now,
            )
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.message.edited",
                **_told(thread_id, message),
                content=text,
                metadata=merged,
                edited_at=now,
                version=version,
                recipients=thread.others(actor.user_id),
            )

        await self._database.write(unit)

    async def delete(self, actor: Actor, thread_id: str, message_id: int) -> None:
        """Delete a message of the actor's own: it stays listed, without content. Deleting twice is fine."""

        def unit(transaction: Transaction) -> None:
            thread, message = self._own(transaction, actor, thread_id, message_id, deleted=True)
            if message.deleted_at is not None:
                return
            now = self._clock.now()
            version = self._ticks.next(transaction, now, thread_id, after=message.version)
            transaction.hand(
                _delete, of_thread=thread_id, of_id=message_id, metadata={}, version=version, deleted_at=now
            )
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.message.deleted",
                **_told(thread_id, message),
                deleted_at=now,
                version=version,
                recipients=thread.others(actor.user_id),
            )

        await self._database.write(unit)

    def _own(
        self,
        transaction: Transaction,
        actor: Actor,
        thread_id: str,
        message_id: int,
        *,
        deleted: bool = False,
    ) -> tuple[rules.Thread, Message]:
        thread, member = rules.joined(transaction, actor, thread_id)
        row = transaction.one(_one, of_thread=thread_id, of_id=message_id)
        if row is None or not member.sees(message_id) or (row.deleted_at is not None and not deleted):
            raise _missing(message_id)
        if row.sender_id != actor.user_id or row.kind not in {"text", "html"}:
            raise ForbiddenError(rules.NOT_ALLOWED)
        return thread, _message(row)


def _fact(actor: Actor, thread_id: str, message_id: int, now: datetime, recipient: str) -> facts.Message:
    return facts.Message(
        happened_at=now,
        resource=actor.resource.name,
        message_id=str(message_id),
        recipient=recipient,
        channel="chat",
        direction="outbound",
        sender=actor.user_id,
        sender_type="user",
        thread_id=thread_id,
        status="sent",
        correlation_id=actor.cause,
    )


def _told(thread_id: str, message: Message) -> dict[str, Any]:
    return {
        "thread_id": thread_id,
        "message_id": str(message.id),
        "sender_id": message.sender_id,
        "sender_display_name": message.sender_display_name,
        "type": message.kind,
        "composed_at": message.sent_at,
    }


def _message(row: Any) -> Message:
    return Message(
        id=row.id,
        sequence=row.sequence,
        kind=row.kind,
        content=row.content,
        sender_id=row.sender_id,
        sender_display_name=row.sender_display_name,
        metadata=row.metadata,
        members=row.members,
        version=row.version,
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
    )


def _missing(message_id: int) -> NotFoundError:
    return NotFoundError("The chat message does not exist.", target=str(message_id))


def _clean(kind: str, content: str) -> str:
    """Take scripts and other active parts out of HTML; text stays as it is."""
    return nh3.clean(content) if kind == "html" else content
