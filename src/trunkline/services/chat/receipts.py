"""Read receipts and typing: who has read how far, and who is typing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock, from_milliseconds
from trunkline.errors import InvalidError, NotFoundError
from trunkline.ids import Ids
from trunkline.services.actor import Actor
from trunkline.services.chat import rules
from trunkline.services.chat.tables import messages, receipts
from trunkline.services.chat.ticks import Ticks
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction

_exists = sa.select(messages.c.id).where(
    messages.c.thread_id == sa.bindparam("of_thread"), messages.c.id == sa.bindparam("of_id")
)
_of_user = sa.select(receipts.c.message_id).where(
    receipts.c.thread_id == sa.bindparam("of_thread"), receipts.c.user_id == sa.bindparam("of_user")
)
_page = (
    sa.select(receipts)
    .where(receipts.c.thread_id == sa.bindparam("of_thread"))
    .order_by(receipts.c.message_id, receipts.c.user_id)
    .limit(sa.bindparam("most"))
    .offset(sa.bindparam("skip"))
)
_put = sa.insert(receipts)
_drop = sa.delete(receipts).where(
    receipts.c.thread_id == sa.bindparam("of_thread"), receipts.c.user_id == sa.bindparam("of_user")
)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """How far one participant has read, and when they said so."""

    user_id: str
    message_id: int
    read_at: datetime


class Receipts:
    """Keeps one receipt a participant, the furthest; passes typing on."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, ticks: Ticks) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._ticks = ticks

    async def send(self, actor: Actor, thread_id: str, message_id: int) -> None:
        """Keep that the actor has read up to a message; an earlier one changes nothing."""

        def unit(transaction: Transaction) -> None:
            thread, member = rules.joined(transaction, actor, thread_id)
            _small(thread)
            known = transaction.one(_exists, of_thread=thread_id, of_id=message_id)
            if known is None or not member.sees(message_id):
                raise NotFoundError("The chat message does not exist.", target=str(message_id))
            earlier = transaction.value(_of_user, of_thread=thread_id, of_user=actor.user_id)
            if earlier is not None and earlier >= message_id:
                return
            if earlier is not None:
                transaction.hand(_drop, of_thread=thread_id, of_user=actor.user_id)
            transaction.hand(
                _put,
                thread_id=thread_id,
                user_id=actor.user_id,
                message_id=message_id,
                read_at=self._clock.now(),
            )

        await self._database.write(unit)

    async def list(self, actor: Actor, thread_id: str, *, most: int, skip: int) -> Sequence[Receipt]:
        """List one receipt for each participant that sent one."""

        def read(reader: Reader) -> list[Receipt]:
            rules.joined(reader, actor, thread_id)
            return [
                Receipt(user_id=row.user_id, message_id=row.message_id, read_at=row.read_at)
                for row in reader.all(_page, of_thread=thread_id, most=most, skip=skip)
            ]

        return await self._database.read(read)

    async def typing(self, actor: Actor, thread_id: str, sender_display_name: str) -> None:
        """Tell that the actor is typing."""
        rules.checked_name(sender_display_name, "senderDisplayName")

        def unit(transaction: Transaction) -> None:
            thread, _ = rules.joined(transaction, actor, thread_id)
            _small(thread)
            now = self._clock.now()
            tick = self._ticks.next(transaction, now, thread_id)
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.typing.sent",
                # told in the shape of a message: one that says nothing yet
                thread_id=thread_id,
                message_id=str(tick),
                sender_id=actor.user_id,
                sender_display_name=sender_display_name,
                content="",
                type="text",
                metadata={},
                composed_at=from_milliseconds(tick),
                version=tick,
                recipients=thread.others(actor.user_id),
            )

        await self._database.write(unit)


def _small(thread: rules.Thread) -> None:
    if len(thread.present) > rules.MOST_FOR_RECEIPTS:
        raise InvalidError(
            f"Read receipts and typing are for threads of at most {rules.MOST_FOR_RECEIPTS} participants."
        )
