"""What was sent by chat: one entry for everyone who was in the thread when a message came, but its sender.

Who was there is read from the participants: of the last stay both ends are kept, so someone who joins later gets no
entry although the shared history shows the message. Of stays before that, only what they let the user read is kept,
and counts. What was sent stays listed when its thread is deleted; a deleted message has lost its text.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from trunkline.clock import from_milliseconds, milliseconds
from trunkline.services.chat.tables import messages, participants, threads
from trunkline.services.sent import Sent, Wanted
from trunkline.state.transaction import Reader

NAME = "chat"
BATCH = 100
MOST_THREADS = 50
"""Threads of one user that are gone through side by side; who has more is searched for among all messages."""
_KINDS = frozenset({"text", "html"})
_FAR = 2**62

_columns = sa.select(
    messages.c.thread_id,
    messages.c.id,
    messages.c.kind,
    messages.c.content,
    messages.c.sender_id,
    messages.c.sender_display_name,
    messages.c.metadata,
    messages.c.edited_at,
    messages.c.deleted_at,
)
_all = (
    _columns.where(
        messages.c.id >= sa.bindparam("first"),
        messages.c.id <= sa.bindparam("last"),
        sa.or_(messages.c.id < sa.bindparam("last"), messages.c.thread_id > sa.bindparam("after_thread")),
    )
    .order_by(messages.c.id.desc(), messages.c.thread_id)
    .limit(sa.bindparam("most"))
)
_of_thread = (
    _columns.where(
        messages.c.thread_id == sa.bindparam("of_thread"),
        messages.c.id >= sa.bindparam("first"),
        messages.c.id <= sa.bindparam("last"),
    )
    .order_by(messages.c.id.desc())
    .limit(sa.bindparam("most"))
)
_threads_of = (
    sa.select(participants.c.thread_id).where(participants.c.user_id == sa.bindparam("of_user")).limit(MOST_THREADS + 1)
)
_owners = sa.select(threads.c.id, threads.c.resource).where(threads.c.id.in_(sa.bindparam("those", expanding=True)))
_people = sa.select(
    participants.c.thread_id,
    participants.c.user_id,
    participants.c.joined_at,
    participants.c.removed_at,
    participants.c.earlier,
).where(participants.c.thread_id.in_(sa.bindparam("those", expanding=True)))


class ChatSent:
    """The channel of chat messages; a message's id is the one its sender was answered."""

    @property
    def tables(self) -> Sequence[str]:
        """The tables that it reads."""
        return [messages.name]

    @property
    def name(self) -> str:
        """The channel's name."""
        return NAME

    def sent(self, reader: Reader, wanted: Wanted) -> Iterator[Sent]:
        """Give the entries newest first, of one moment by thread and recipient."""
        crowds = _Crowds(reader, wanted.resource)
        for row in _rows(reader, wanted, crowds):
            for entry in _entries(row, crowds, wanted):
                if wanted.begins_before(entry):
                    yield entry


class _Crowds:
    """Who was when in which thread of a resource; each thread is read once."""

    def __init__(self, reader: Reader, resource: str) -> None:
        self._reader = reader
        self._resource = resource
        self._owners: dict[str, str] = {}
        self._people: dict[str, list[Any]] = {}

    def meet(self, thread_ids: Iterable[str]) -> None:
        """Read who is in these threads, where it is not known yet."""
        if not (new := {one for one in thread_ids if one not in self._owners}):
            return
        self._owners |= {row.id: row.resource for row in self._reader.all(_owners, those=list(new))}
        ours = [one for one in new if self.owner(one) == self._resource]
        self._people |= {one: [] for one in ours}
        for row in self._reader.all(_people, those=ours) if ours else ():
            self._people[row.thread_id].append(row)

    def owner(self, thread_id: str) -> str:
        """Return the resource of a thread that was met."""
        return self._owners.get(thread_id, "")

    def present(self, thread_id: str, message_id: int) -> list[str]:
        """Name who was in a thread when a message came to it, in the order of the names."""
        there = [one.user_id for one in self._people.get(thread_id, ()) if _was_there(one, message_id)]
        return sorted(there)


def _rows(reader: Reader, wanted: Wanted, crowds: _Crowds) -> Iterator[Any]:
    """Give the messages newest first, of one moment by thread: from as few threads as the conditions name."""
    first = milliseconds(wanted.since) if wanted.since else 0
    last = milliseconds(wanted.until) if wanted.until else _FAR
    if wanted.id:
        if not wanted.id.isascii() or not wanted.id.isdigit() or len(wanted.id) > 18:
            return iter(())
        first, last = max(first, int(wanted.id)), min(last, int(wanted.id))
    if wanted.tag:
        return iter(())  # chat has no tags
    thread_ids = _thread_ids(reader, wanted)
    if thread_ids is None:
        return _among_all(reader, crowds, first, last)
    crowds.meet(thread_ids)
    lists = [_within(reader, one, first, last, max(10, BATCH // len(thread_ids))) for one in thread_ids]
    return heapq.merge(*lists, key=lambda row: (-row.id, row.thread_id))


def _thread_ids(reader: Reader, wanted: Wanted) -> list[str] | None:
    """Name the threads in which everything wanted is; None when they are too many or nothing narrows them."""
    if wanted.thread:
        return [wanted.thread]
    for user_id in (wanted.recipient, wanted.sender):
        if user_id:
            found = [row.thread_id for row in reader.all(_threads_of, of_user=user_id)]
            if len(found) <= MOST_THREADS:
                return found
    return None


def _among_all(reader: Reader, crowds: _Crowds, first: int, last: int) -> Iterator[Any]:
    after_thread = ""
    while rows := reader.all(_all, first=first, last=last, after_thread=after_thread, most=BATCH):
        crowds.meet(row.thread_id for row in rows)
        yield from rows
        last, after_thread = rows[-1].id, rows[-1].thread_id


def _within(reader: Reader, thread_id: str, first: int, last: int, most: int) -> Iterator[Any]:
    while rows := reader.all(_of_thread, of_thread=thread_id, first=first, last=last, most=most):
        yield from rows
        last = rows[-1].id - 1


def _entries(row: Any, crowds: _Crowds, wanted: Wanted) -> Iterator[Sent]:
    """Give a message's entry for each recipient; one without a recipient when there is nobody to list it for."""
    recipients: Sequence[str] = ()
    if row.kind in _KINDS:
        recipients = [
            one
            for one in crowds.present(row.thread_id, row.id)
            if one != row.sender_id and wanted.recipient in {"", one}
        ]
    details: dict[str, Any] = {"thread_id": row.thread_id, "type": row.kind}
    details |= {"sender_display_name": row.sender_display_name, "metadata": row.metadata}
    details |= {name: moment for name in ("edited_at", "deleted_at") if (moment := getattr(row, name)) is not None}
    for recipient in recipients or [""]:
        yield Sent(
            channel=NAME,
            id=str(row.id),
            key=f"{row.thread_id} {recipient}",
            resource=crowds.owner(row.thread_id),
            sender=row.sender_id,
            recipient=recipient,
            text=row.content,
            sent_at=from_milliseconds(row.id),
            status=_status(row),
            details=details,
        )


def _status(row: Any) -> str:
    if row.deleted_at is not None:
        return "deleted"
    return "sent" if row.edited_at is None else "edited"


def _was_there(participant: Any, message_id: int) -> bool:
    left = _FAR if participant.removed_at is None else milliseconds(participant.removed_at)
    stays = [*participant.earlier, (milliseconds(participant.joined_at), left)]
    return any(first <= message_id <= last for first, last in stays)
