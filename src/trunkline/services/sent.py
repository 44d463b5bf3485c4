"""What was sent to whom, whatever the channel: listed newest first, and waited for."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import msgspec

from trunkline.clock import Clock, microseconds, monotonic
from trunkline.errors import InvalidError, OverloadedError
from trunkline.state.alarm import Alarm
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction

MOST = 1000
"""Matches of one look."""
MOST_EXAMINED = 10_000
"""Entries that one look goes through, matches or not; a longer search goes on from where it ended."""
MOST_WAITING = 100
LONGEST_WAIT_S = 60.0
BETWEEN_LOOKS_S = 0.02
_MOMENT = timedelta(microseconds=1)


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one recipient.

    `id` is the message's own, as its sender was told it; `key` is unique within the channel among entries of the
    same `sent_at`. `status` is a lower-case word (sent, delivered, failed …; of chat: sent, edited, deleted).
    `details` is what only this channel has (thread_id, tag, segments …), ready for JSON but for moments. An entry
    without a recipient was sent to nobody, and is passed over.
    """

    channel: str
    id: str
    key: str
    resource: str
    sender: str
    recipient: str
    text: str
    sent_at: datetime
    status: str
    details: dict[str, Any] = {}


class Position(NamedTuple):
    """A place in the order of a list: newest first, then by channel, then by key."""

    at: datetime
    channel: str
    key: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are asked for: all that is not empty must hold.

    `text` is contained in the entry's, in any case of letters; `thread` and `tag` are details; everything else is
    equal. `since` is the earliest moment. `until` and `after` say where a channel's list begins: with entries sent
    before `until`, or at that very moment with a greater key than `after`.
    """

    resource: str
    channel: str = ""
    id: str = ""
    recipient: str = ""
    sender: str = ""
    text: str = ""
    thread: str = ""
    tag: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: str = ""

    def accepts(self, entry: Sent) -> bool:
        """Tell whether an entry is one of those asked for, wherever the list begins."""
        pairs = (
            (self.resource, entry.resource),
            (self.channel, entry.channel),
            (self.id, entry.id),
            (self.recipient, entry.recipient),
            (self.sender, entry.sender),
            (self.thread, entry.details.get("thread_id")),
            (self.tag, entry.details.get("tag")),
            (self.status, entry.status),
        )
        return (
            bool(entry.recipient)
            and all(not wanted or wanted == found for wanted, found in pairs)
            and (self.since is None or entry.sent_at >= self.since)
            and self.text.casefold() in entry.text.casefold()
        )

    def begins_before(self, entry: Sent) -> bool:
        """Tell whether an entry comes at or after the place where the list begins."""
        if self.until is None or entry.sent_at < self.until:
            return True
        return entry.sent_at == self.until and entry.key > self.after


class Channel(Protocol):
    """One way to reach people, and what it keeps of what went out."""

    @property
    def name(self) -> str:
        """A lower-case word: sms, chat."""
        ...

    @property
    def tables(self) -> Sequence[str]:
        """The tables that it reads."""
        ...

    def sent(self, reader: Reader, wanted: Wanted) -> Iterator[Sent]:
        """Give its entries newest first, and by rising key within a moment, from where the list begins.

        It may give more than is wanted (everything is asked `accepts` again), never less, and may use any of the
        conditions to find them by an index. It is lazy: each statement is bounded, the next one is put when the
        rows of the last are used up, and whoever asks stops asking when they have seen enough. It gives something
        for every row it reads, so that they can count: an entry of another resource, or without a recipient, is
        passed over.
        """
        ...


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found, newest first; `rest` is where the next look goes on, None when there is nothing more."""

    found: Sequence[Sent]
    rest: Position | None


class Sentbox:
    """Everything that was sent over its channels."""

    def __init__(self, database: Database, clock: Clock, channels: Sequence[Channel]) -> None:
        self._database = database
        self._clock = clock
        self._channels = sorted(channels, key=lambda channel: channel.name)
        self._turn = asyncio.Lock()
        self._arrivals = _Arrivals()
        self._closed = False

    def open(self) -> None:
        """Hear of everything that is written from now on; to be called on the event loop."""
        self._arrivals.listen()
        self._database.carry(self._arrivals)
        self._database.watch([table for channel in self._channels for table in channel.tables], self._hear)

    async def _hear(self) -> None:
        self._arrivals.ring()

    def dismiss(self) -> None:
        """Let everyone who waits have what there is, now and from now on: the server is about to stop."""
        self._closed = True
        self._arrivals.ring()

    @property
    def channels(self) -> list[str]:
        """Name the channels."""
        return [channel.name for channel in self._channels]

    @property
    def waiting(self) -> int:
        """Count who waits."""
        return len(self._arrivals.alarms)

    async def look(self, wanted: Wanted, *, most: int = MOST, after: Position | None = None) -> Page:
        """List at most so many entries, after a position; raises InvalidError for a channel there is not."""
        if wanted.channel and wanted.channel not in self.channels:
            known = ", ".join(self.channels)
            raise InvalidError(f"There is no channel {wanted.channel!r}; there are: {known}.", target="channel")
        return await self._database.read(lambda reader: self._look(reader, wanted, most, after))

    async def wait(self, wanted: Wanted, *, count: int, seconds: float, most: int = MOST) -> Page:
        """Look until there are `count` entries or the seconds are over; whatever there is then is the answer.

        Raises InvalidError as `look` does, OverloadedError when too many wait already.
        """
        if self.waiting >= MOST_WAITING:
            raise OverloadedError(f"{MOST_WAITING} requests wait for messages already.", retry_after_s=1)
        end = self._clock.now() + timedelta(seconds=min(seconds, LONGEST_WAIT_S))
        with self._arrivals.heard(self._clock) as alarm:
            while True:
                # One at a time, and with a pause as long as the look: however many wait, for whatever takes long to
                # find, they take half of one reader from those who ask.
                async with self._turn:
                    left, begun = (end - self._clock.now()).total_seconds(), monotonic()
                    page = await self.look(wanted, most=most)
                    if len(page.found) >= count or left <= 0 or self._closed:
                        return page
                    await asyncio.sleep(monotonic() - begun)
                await alarm.wait(left)

    def _look(self, reader: Reader, wanted: Wanted, most: int, after: Position | None) -> Page:
        lists = [
            channel.sent(reader, _beginning(wanted, channel.name, after))
            for channel in self._channels
            if wanted.channel in {"", channel.name}
        ]
        found: list[Sent] = []
        last: Sent | None = None
        for examined, entry in enumerate(heapq.merge(*lists, key=_rank)):
            if last is not None and (len(found) == most or examined == MOST_EXAMINED):
                return Page(found=found, rest=Position(last.sent_at, last.channel, last.key))
            if wanted.accepts(entry):
                found.append(entry)
            last = entry
        return Page(found=found, rest=None)


class _Arrivals:
    """Rings the alarms of who waits when a group of writes is durable, at most once in BETWEEN_LOOKS_S.

    It rides with the writer's groups to hear that they have arrived, and adds nothing to them.
    """

    def __init__(self) -> None:
        self.alarms: set[Alarm] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False
        self._rung_at = 0.0

    def listen(self) -> None:
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def heard(self, clock: Clock) -> Iterator[Alarm]:
        """Give an alarm that is rung while the block lasts."""
        alarm = Alarm(clock)
        self.alarms.add(alarm)
        try:
            yield alarm
        finally:
            self.alarms.remove(alarm)

    def ring(self) -> None:
        """Ring every alarm."""
        self._is_due = False
        for alarm in self.alarms:
            alarm.ring()

    def board(self, transaction: Transaction) -> None:
        """Add nothing to the group."""

    def arrived(self) -> None:
        """Hear, in the writer's thread, that a group is durable."""
        if self.alarms and self._loop is not None:
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._ring_soon, self._loop)

    def _ring_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_due:
            self._is_due = True
            now = loop.time()
            self._rung_at = max(now, self._rung_at + BETWEEN_LOOKS_S)
            loop.call_at(self._rung_at, self.ring)


def _beginning(wanted: Wanted, channel: str, after: Position | None) -> Wanted:
    """Say where a channel's list goes on: of one moment, entries come by the names of the channels."""
    if after is None:
        return wanted
    if channel < after.channel:
        return msgspec.structs.replace(wanted, until=after.at - _MOMENT, after="")
    return msgspec.structs.replace(wanted, until=after.at, after=after.key if channel == after.channel else "")


def _rank(entry: Sent) -> tuple[int, str]:
    return -microseconds(entry.sent_at), entry.channel
