"""The watch: every minute it lets each watcher look at the minute that has passed, and keeps and tells what it found.

What a look finds, what is told of it and up to where the facts have been looked at are one transaction: after a crash
the watch goes on with the minute that came next. Of the processes of a database the one on duty looks; should two
believe that they are, the second to write finds the minute looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa

from trunkline.catalogue.facts import Fact
from trunkline.clock import Clock, from_milliseconds, milliseconds
from trunkline.insight.incidents import Change, Incident, Kind, forget, keep, open_ones
from trunkline.state.database import Database
from trunkline.state.rounds import Rounds
from trunkline.state.transaction import Moment, Reader, Transaction, metadata

_log = logging.getLogger(__name__)
DELAY_S = 10
"""So long after its end a minute is looked at: by then its requests are answered, and told by every process."""

_MINUTE = timedelta(minutes=1)
_STEP = 500

marks = sa.Table(
    "watch_marks",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("at", Moment, nullable=False),
)
_mark = sa.select(marks.c.at).where(marks.c.name == sa.bindparam("of_name"))
_unmark = sa.delete(marks).where(marks.c.name == sa.bindparam("of_name"))
_put = sa.insert(marks)


class Watcher(Protocol):
    """Somebody who finds incidents of a kind."""

    @property
    def kind(self) -> Kind:
        """The kind of incidents."""
        ...

    @property
    def furthest_back(self) -> timedelta:
        """How far back it looks at what passed while nobody watched."""
        ...

    async def changes(self, until: datetime, those: Sequence[Incident]) -> list[Change]:
        """Return what became of incidents, the open ones and new ones, with the minute that ends at a moment."""
        ...


class Teller(Protocol):
    """Somebody who tells of incidents."""

    def tell(self, transaction: Transaction, changes: Sequence[Change], now: datetime) -> list[Fact]:
        """Hand over what is told, within the transaction of the changes; returns the facts of it."""
        ...

    def told(self, facts: Iterable[Fact]) -> None:
        """Hear that what was handed over is durable."""
        ...


class Watch:
    """Looks every minute from `start` to `stop`; incidents that were closed so many days ago go."""

    def __init__(
        self, *, database: Database, clock: Clock, watchers: Sequence[Watcher], teller: Teller, kept_days: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._watchers = watchers
        self._teller = teller
        self._kept = timedelta(days=kept_days)
        self._rounds = Rounds(database, clock, self._round, log=_log, words="what happened cannot be watched")
        self.start, self.stop = self._rounds.start, self._rounds.stop
        self.looked_at: datetime | None = None

    async def look(self) -> None:
        """Let each watcher look at every minute that has passed since it looked last.

        Raises UnavailableError when the facts cannot be asked for, or nothing be written.
        """
        until = minute_of(self._clock.now() - timedelta(seconds=DELAY_S))
        for watcher in self._watchers:
            while await self._look(watcher, until):
                pass
        self.looked_at = until

    async def _round(self) -> datetime:
        """Look, beginning with what passed since the last look."""
        seen = minute_of(self._clock.now() - timedelta(seconds=DELAY_S))
        await self.look()
        await self._forget()
        return seen + _MINUTE + timedelta(seconds=DELAY_S)

    async def _look(self, watcher: Watcher, until: datetime) -> bool:
        """Look at one minute, the first that nobody looked at; returns whether there are more."""

        def read(reader: Reader) -> tuple[datetime | None, list[Incident]]:
            return reader.value(_mark, of_name=watcher.kind), open_ones(reader, watcher.kind)

        seen, those = await self._database.read(read)
        after = seen
        if after is None or after > until + watcher.furthest_back:  # the first look, or the clock was set back
            after = until - _MINUTE
        moment = max(after, until - watcher.furthest_back) + _MINUTE
        if moment > until:
            return False
        changes = await watcher.changes(moment, those)
        now = self._clock.now()

        def unit(transaction: Transaction) -> list[Fact] | None:
            if transaction.value(_mark, of_name=watcher.kind) != seen:
                return None
            # one that was closed meanwhile, with its rule, would be opened again by what was made of it before
            if {one.id for one in open_ones(transaction, watcher.kind)} != {one.id for one in those}:
                return None
            keep(transaction, changes, [one.id for one in those])
            transaction.hand(_unmark, of_name=watcher.kind)
            transaction.hand(_put, name=watcher.kind, at=moment)
            return self._teller.tell(transaction, changes, now)

        told = await self._database.write(unit)
        if told is None:
            return True  # another look came first, or a rule went: what there is now is to be seen anew
        if any(change.what for change in changes):
            self._teller.told(told)
        return moment < until

    async def _forget(self) -> None:
        before = self._clock.now() - self._kept
        while await self._database.write(_bound(before)) == _STEP:
            pass


def _bound(before: datetime) -> Callable[[Transaction], int]:
    return lambda transaction: forget(transaction, before, _STEP)


def minute_of(moment: datetime) -> datetime:
    """Return the beginning of the minute in which a moment lies."""
    return from_milliseconds(milliseconds(moment) // 60_000 * 60_000)
