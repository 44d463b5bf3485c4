"""Participants of a thread: who may join, joins, leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.acs import identifiers
from trunkline.clock import Clock, from_milliseconds
from trunkline.errors import InvalidError, NotFoundError
from trunkline.ids import Ids
from trunkline.services.actor import Actor
from trunkline.services.chat import rules
from trunkline.services.chat.rules import Participant
from trunkline.services.chat.tables import participants
from trunkline.services.chat.ticks import Ticks
from trunkline.services.identity import Identities
from trunkline.state.database import Database
from trunkline.state.transaction import Transaction

put_participant = sa.insert(participants)
_drop = sa.delete(participants).where(
    participants.c.thread_id == sa.bindparam("of_thread"), participants.c.user_id == sa.bindparam("of_user")
)
_leave = (
    sa.update(participants)
    .where(
        participants.c.thread_id == sa.bindparam("of_thread"),
        participants.c.user_id == sa.bindparam("of_user"),
    )
    .values(removed_at=sa.bindparam("removed_at"))
)


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who is to join a thread."""

    user_id: str
    display_name: str = ""
    metadata: dict[str, str] = {}
    shared_from: datetime | None = None

    def shown(self) -> dict[str, Any]:
        """Return who joins, as messages and events tell it."""
        return {"id": self.user_id, "display_name": self.display_name, "metadata": self.metadata}

    def participant(self, shared_from: datetime) -> Participant:
        """Return the participant that this becomes."""
        return Participant(
            user_id=self.user_id,
            display_name=self.display_name,
            metadata=self.metadata,
            shared_from=shared_from,
        )


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who cannot join, and why."""

    user_id: str
    reason: Literal["not found", "not allowed"]


class Participants:
    """Lists, adds and removes participants."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, ticks: Ticks, identities: Identities) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._ticks = ticks
        self._identities = identities

    async def list(self, actor: Actor, thread_id: str, *, most: int, skip: int) -> Sequence[Participant]:
        """List who takes part, in the order of joining."""
        thread = await self._database.read(lambda reader: rules.joined(reader, actor, thread_id)[0])
        return thread.present[skip : skip + most]

    async def add(self, actor: Actor, thread_id: str, joining: Sequence[Joining]) -> Sequence[Refused]:
        """Add participants; for those already there nothing changes. Returns who cannot join."""
        if not joining:
            raise InvalidError("At least one participant is needed.", target="participants")
        welcome, refused = await sort_out(self._identities, actor, joining)

        def unit(transaction: Transaction) -> list[Refused]:
            thread, _ = rules.joined(transaction, actor, thread_id, also=[one.user_id for one in welcome])
            present = {one.user_id for one in thread.present}
            new = [one for one in welcome if one.user_id not in present]
            if len(present) + len(new) > rules.MOST_PARTICIPANTS:
                raise InvalidError(
                    f"A thread has at most {rules.MOST_PARTICIPANTS} participants.", target="participants"
                )
            if new:
                self._join(transaction, actor, thread, new)
            return refused

        return await self._database.write(unit)

    def _join(self, transaction: Transaction, actor: Actor, thread: rules.Thread, new: Sequence[Joining]) -> None:
        message_id = rules.system_message(
            transaction,
            self._ticks,
            self._clock.now(),
            thread.id,
            actor,
            kind="participantAdded",
            members=[one.shown() for one in new],
        )
        # without a time given, the history begins with the message that tells of the joining
        now = from_milliseconds(message_id)
        recipients = [
            *thread.others(actor.user_id),
            *(one.user_id for one in new if one.user_id != actor.user_id),
        ]
        for place, one in enumerate(new, start=len(thread.everyone)):
            row = row_of(thread.id, one, joined_at=now, shared_from=one.shared_from or now, place=place)
            if (returning := thread.find(one.user_id)) is not None:
                transaction.hand(_drop, of_thread=thread.id, of_user=one.user_id)
                row["earlier"] = returning.windows
            transaction.hand(put_participant, **row)
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.participant.added",
                thread_id=thread.id,
                created_at=thread.created_at,
                added_at=now,
                added_by=actor.user_id,
                participant=one.shown(),
                participant_id=one.user_id,
                version=message_id,
                recipients=recipients,
            )

    async def remove(self, actor: Actor, thread_id: str, user_id: str) -> None:
        """Remove a participant, who may be the actor; the history up to now stays readable to them."""

        def unit(transaction: Transaction) -> None:
            thread, _ = rules.joined(transaction, actor, thread_id)
            leaving = thread.find(user_id)
            if leaving is None or leaving.removed_at is not None:
                raise NotFoundError("The user is not a participant of the thread.", target=user_id)
            shown = Joining(user_id=user_id, display_name=leaving.display_name, metadata=leaving.metadata).shown()
            message_id = rules.system_message(
                transaction,
                self._ticks,
                self._clock.now(),
                thread_id,
                actor,
                kind="participantRemoved",
                members=[shown],
            )
            # the message that tells of the removal is the last one they may read
            now = from_milliseconds(message_id)
            transaction.hand(_leave, of_thread=thread_id, of_user=user_id, removed_at=now)
            rules.tell(
                transaction,
                self._ids,
                now,
                actor,
                "chat.participant.removed",
                thread_id=thread_id,
                created_at=thread.created_at,
                removed_at=now,
                removed_by=actor.user_id,
                participant=shown,
                participant_id=user_id,
                version=message_id,
                recipients=thread.others(actor.user_id),
            )

        await self._database.write(unit)


async def sort_out(
    identities: Identities, actor: Actor, joining: Sequence[Joining]
) -> tuple[list[Joining], list[Refused]]:
    """Split those who are to join into those who may and those who cannot; a name given twice counts once."""
    if len(joining) > rules.MOST_PER_BATCH:
        raise InvalidError(f"At most {rules.MOST_PER_BATCH} participants are added at once.", target="participants")
    once = {one.user_id: one for one in joining}
    for one in once.values():
        rules.checked_name(one.display_name, "displayName")
        rules.checked_metadata(one.metadata)
    users = [user_id for user_id in once if identifiers.is_user(user_id)]
    living = await identities.living(users)
    welcome: list[Joining] = []
    refused: list[Refused] = []
    for user_id, one in once.items():
        if user_id in living or user_id.startswith("8:orgid:"):
            if _at_home(actor, user_id):
                welcome.append(one)
            else:
                refused.append(Refused(user_id=user_id, reason="not allowed"))
        elif identifiers.is_user(user_id):
            refused.append(Refused(user_id=user_id, reason="not found"))
        else:
            refused.append(Refused(user_id=user_id, reason="not allowed"))
    return welcome, refused


def _at_home(actor: Actor, user_id: str) -> bool:
    """Tell whether a user is of the actor's resource; users of a tenant are of every resource."""
    return user_id.startswith((f"{identifiers.USER}{actor.resource.immutable_id}_", "8:orgid:"))


def row_of(thread_id: str, one: Joining, *, joined_at: datetime, shared_from: datetime, place: int) -> dict[str, Any]:
    """Return the table's row of someone who joins."""
    return {
        "thread_id": thread_id,
        "user_id": one.user_id,
        "display_name": one.display_name,
        "metadata": one.metadata,
        "joined_at": joined_at,
        "shared_from": shared_from,
        "place": place,
        "removed_at": None,
        "earlier": [],
    }
