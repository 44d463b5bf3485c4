"""The export: every hour it writes what was recorded of the hours before, once each, to where settings say.

What is written next, and by which digests its rows are known again, is kept in the state before it is written; where it
goes is the position up to which the file had come. So after a crash the same bytes go to the same place, and a row that
is found again later is not written again. What comes late, or ends late, is written when it is there, within two days.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.log_tables import MOST_ROWS, LogTable
from trunkline.clock import Clock
from trunkline.errors import NotFoundError, TrunklineError
from trunkline.insight.logs.destinations import Destination, Destinations
from trunkline.insight.logs.reader import LogQuestion, LogReader
from trunkline.insight.logs.records import file, folder, line
from trunkline.insight.logs.settings import HOUR, Kept, LogSettings, hour_of, hours, known, settings
from trunkline.services.resources import Resource
from trunkline.state.database import Database
from trunkline.state.rounds import AGAIN_S, Rounds
from trunkline.state.transaction import Moment, Transaction
from trunkline.state.trouble import mention
from trunkline.telemetry.questions import Condition, Series
from trunkline.telemetry.recorder import Recorder

_log = logging.getLogger(__name__)
DELAY = timedelta(minutes=5)
"""So long after its end an hour is written first: by then what happened in it is recorded."""

LATE = timedelta(hours=48)
"""So far back what comes late is still looked for."""

LARGEST = 1024 * 1024
"""So many bytes are written at once, but for a longer row."""

MOST_OF_HOUR = 1_000_000
_DAY = timedelta(days=1)
_DIGEST = 8
_FIGURES = {
    "requests": ("requests.count",),
    "calls": ("calls.count", "calls.running", "calls.duration_total"),
    "samples": ("samples.count",),
    "call_events": ("call_events.count",),
    "messages": ("messages.count", "messages.delivered", "messages.failed"),
    "feedback": ("feedback.count",),
}
"""What changes when facts of an hour come late."""

_of_mark: sa.BindParameter[str] = sa.bindparam("of_mark")
_of_table: sa.BindParameter[str] = sa.bindparam("of_table")
_of_hour: sa.BindParameter[datetime] = sa.bindparam("of_hour", type_=Moment)
_is_there = sa.select(settings.c.mark).where(settings.c.mark == _of_mark)
_rows = sa.select(hours).where(hours.c.mark == _of_mark)
_this = (hours.c.mark == _of_mark, hours.c.log_table == _of_table, hours.c.hour == _of_hour)
_drop = sa.delete(hours).where(*_this)
_put = sa.insert(hours)
_digests = (
    sa.select(known.c.number, known.c.digests)
    .where(known.c.mark == _of_mark, known.c.log_table == _of_table, known.c.hour == _of_hour)
    .order_by(known.c.number)
)
_note = sa.insert(known)
_come = sa.update(settings).where(settings.c.mark == _of_mark)
_old = [
    sa.delete(table).where(table.c.mark == _of_mark, table.c.hour < sa.bindparam("before", type_=Moment))
    for table in (hours, known)
]


class _Hour(msgspec.Struct, frozen=True, kw_only=True):
    """An hour of a table: how far its file has come, what was counted then, and what is about to be written."""

    log_table: str
    hour: datetime
    position: int = 0
    figure: str = ""
    pending: bytes = b""


class LogExport:
    """Writes log tables from `start` to `stop`; `find` returns the account of a name."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        reader: LogReader,
        recorder: Recorder,
        kept: LogSettings,
        destinations: Destinations,
        find: Callable[[str], Resource | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._reader = reader
        self._recorder = recorder
        self._kept = kept
        self._destinations = destinations
        self._find = find
        self._running = asyncio.Lock()
        self._rounds = Rounds(database, clock, self._round, log=_log, words="logs cannot be written")
        self.start = self._rounds.start

    async def stop(self) -> None:
        """Stop between two writes, or in the middle of one that is done again after the next start."""
        await self._rounds.stop()
        await self._destinations.stop()

    async def run(self) -> bool:
        """Write what is to be written of every setting; tells whether all of them could be."""
        done = True
        async with self._running:
            for one in await self._kept.all():
                try:
                    await self._write(one)
                except TrunklineError as error:
                    done = False
                    mention(_log, f"logs cannot be written by the setting {one.setting.name}", error)
        return done

    async def _round(self) -> datetime:
        """Write, beginning with what passed since the last time; soon again what could not be written."""
        now = self._clock.now()
        return hour_of(now - DELAY) + HOUR + DELAY if await self.run() else now + timedelta(seconds=AGAIN_S)

    # --- one setting ---

    async def _write(self, one: Kept) -> None:
        """Write every hour of a setting that has ended, as far as it is new or has changed."""
        account = self._find(one.setting.resource)
        if account is None:
            raise NotFoundError(f"There is no account {one.setting.resource!r} any more.")
        destination = self._destinations.named(one.setting.destination)
        closed = hour_of(self._clock.now() - DELAY)
        begins = max(one.setting.begins or one.until, min(one.until, closed - LATE))
        there = await self._finished(one, account, destination)
        tables = [table for table in self._reader.known.tables.values() if table.name in one.setting.tables]
        figures = await self._figures(tables, account.name, begins, closed)
        hour = begins
        while hour < closed:
            for table in tables:
                figure = _figure(table, hour, closed, figures)
                row = there.get((table.name, hour))
                if figure and (row is None or row.figure != figure):
                    old = row or _Hour(log_table=table.name, hour=hour)
                    await _Writing(self._database, self._reader, one, account, destination, table, old).write(figure)
            hour += HOUR
        await self._database.write(lambda transaction: self._come(transaction, one.mark, max(closed, one.until)))

    def _come(self, transaction: Transaction, mark: str, until: datetime) -> None:
        """Keep how far a setting has come, and forget of what is too long ago how far that had."""
        transaction.hand(_come, of_mark=mark, until=until)
        for statement in _old:
            transaction.hand(statement, of_mark=mark, before=until - LATE)

    async def _finished(
        self, one: Kept, account: Resource, destination: Destination
    ) -> dict[tuple[str, datetime], _Hour]:
        """Write what was about to be written when the server ended; returns how far each hour has come."""
        found = await self._database.read(lambda reader: reader.all(_rows, of_mark=one.mark))
        there = {}
        for row in found:
            state = _Hour(
                log_table=row.log_table,
                hour=row.hour,
                position=row.position,
                figure=row.figure,
                pending=row.pending,
            )
            if state.pending:
                table = self._reader.known.tables[state.log_table]
                state = await _Writing(self._database, self._reader, one, account, destination, table, state).finish()
            there[state.log_table, state.hour] = state
        return there

    async def _figures(
        self, tables: Sequence[LogTable], account: str, start: datetime, end: datetime
    ) -> Mapping[str, Mapping[datetime, Sequence[Any]]]:
        """Count the facts of each hour, by their tables."""
        found: dict[str, dict[datetime, Sequence[Any]]] = {}
        for fact in sorted({fact for table in tables for fact in table.facts}):
            if start >= end:
                break
            question = Series(
                measures=_FIGURES[fact],
                start=start,
                end=end,
                step_s=3600,
                where=(Condition(column="resource", values=(account,)),),
            )
            found[fact] = {point.at: point.values for point in await self._recorder.ask(question)}
        return found


class _Writing:
    """Writes an hour of a table, from where its file has come to."""

    def __init__(
        self,
        database: Database,
        reader: LogReader,
        one: Kept,
        account: Resource,
        destination: Destination,
        table: LogTable,
        state: _Hour,
    ) -> None:
        self._database = database
        self._reader = reader
        self._one = one
        self._account = account
        self._destination = destination
        self._table = table
        self._state = state
        self._number = 0

    async def write(self, figure: str) -> None:
        """Write the rows that have not been written; remember what was counted, unless something is still to come."""
        those = await self._database.read(lambda reader: reader.all(_digests, **self._key))
        done = {row.digests[at : at + _DIGEST] for row in those for at in range(0, len(row.digests), _DIGEST)}
        self._number = len(those)
        lines: list[bytes] = []
        digests: list[bytes] = []
        size, is_settled = 0, True
        async for digest, text in self._lines():
            if not text:
                is_settled = False
            elif digest not in done and len(done) < MOST_OF_HOUR:
                done.add(digest)
                lines.append(text)
                digests.append(digest)
                size += len(text)
                if size >= LARGEST:
                    await self._append(lines, digests)
                    lines, digests, size = [], [], 0
        if lines:
            await self._append(lines, digests)
        if len(done) >= MOST_OF_HOUR:
            _log.error("%s has more rows in an hour than are written: %d", self._table.name, MOST_OF_HOUR)
        await self._keep(msgspec.structs.replace(self._state, figure=figure if is_settled else ""))

    async def finish(self) -> _Hour:
        """Write what was about to be written; returns how far the hour has come."""
        state = self._state
        resource = resource_id(self._account.subscription_id, self._account.resource_group, self._account.name)
        name = file(resource, state.hour)
        position = await self._destination.append(folder(self._table), name, state.position, state.pending)
        await self._keep(msgspec.structs.replace(state, position=position, pending=b""))
        return self._state

    async def _append(self, lines: list[bytes], digests: list[bytes]) -> None:
        await self._keep(msgspec.structs.replace(self._state, pending=b"".join(lines)), b"".join(digests))
        await self.finish()

    async def _keep(self, state: _Hour, digests: bytes = b"") -> None:
        number = self._number
        row = msgspec.structs.asdict(state)

        def unit(transaction: Transaction) -> bool:
            if transaction.value(_is_there, of_mark=self._one.mark) is None:
                return False
            transaction.hand(_drop, **self._key)
            transaction.hand(_put, mark=self._one.mark, **row)
            if digests:
                named = {"mark": self._one.mark, "log_table": state.log_table, "hour": state.hour}
                transaction.hand(_note, **named, number=number, digests=digests)
            return True

        if not await self._database.write(unit):
            raise NotFoundError("The setting is gone, or goes elsewhere now.")
        self._number += 1 if digests else 0
        self._state = state

    async def _lines(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield the digest of each row of the hour, and the row as a line; no line where it is not settled yet."""
        seen: Counter[tuple[Any, ...]] = Counter()
        after = ""
        while True:
            question = LogQuestion(
                table=self._table,
                start=self._state.hour,
                end=self._state.hour + HOUR,
                accounts=(self._account.name,),
                limit=MOST_ROWS,
                next=after,
                own=True,
            )
            page = await self._reader.page(question)
            for entry in page.entries:
                seen[entry.key] += 1
                text = repr((*entry.key, seen[entry.key])).encode()
                digest = hashlib.blake2b(text, digest_size=_DIGEST).digest()
                yield digest, line(self._table, entry.columns) if entry.settled else b""
            after = page.next
            if not after:
                return

    @property
    def _key(self) -> dict[str, Any]:
        return {"of_mark": self._one.mark, "of_table": self._state.log_table, "of_hour": self._state.hour}


def _figure(
    table: LogTable, hour: datetime, closed: datetime, figures: Mapping[str, Mapping[datetime, Sequence[Any]]]
) -> str:
    """Return what was counted of the facts of an hour, "" where there is nothing to write."""
    by_day = any(part.of == "days" for part in table.parts)
    if by_day and (hour.hour or hour + _DAY > closed):
        return ""
    span = [hour + number * HOUR for number in range(24 if by_day else 1)]
    counted = list(_counted(table, span, figures))
    return ",".join(f"{one:g}" for one in counted) if any(counted) else ""


def _counted(
    table: LogTable, span: Sequence[datetime], figures: Mapping[str, Mapping[datetime, Sequence[Any]]]
) -> Iterator[float]:
    for fact in table.facts:
        for place in range(len(_FIGURES[fact])):
            yield sum((figures[fact].get(hour, ())[place : place + 1] or (0,))[0] or 0 for hour in span)
