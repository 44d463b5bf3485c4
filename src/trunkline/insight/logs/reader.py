"""Pages of a log table: rows in order of time, of the accounts that may be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.log_tables import LogPart, LogTable, LogTables
from trunkline.catalogue.rows import Measure
from trunkline.clock import microseconds
from trunkline.insight.logs.makers import CallRows, FactRows, RequestRows, UsedRows
from trunkline.insight.logs.media import DayRows, ReadingRows, StreamRows
from trunkline.insight.logs.places import Made, Maker, Page, Place, Wanted, from_text, written
from trunkline.insight.logs.values import Columns, LogRow, check_names, holds
from trunkline.services.resources import Resource
from trunkline.telemetry.questions import Condition, Either, Row
from trunkline.telemetry.recorder import Recorder

MOST_READ = 50_000
"""So many facts are read for a page at most: it may be shorter than asked for, and goes on all the same."""

_FACTS_AT_ONCE = 1000
_TABLE = "log_table"


class LogQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a table over [start, end) whose columns are as `where` says.

    They are of these accounts, of all if none is named, and go on at `next`, which an earlier page told. With `own`
    they are those that facts of here make, without rows that came from elsewhere.
    """

    table: LogTable
    start: datetime
    end: datetime
    accounts: tuple[str, ...] = ()
    where: Mapping[str, str] = {}
    limit: int = 100
    next: str = ""
    own: bool = False


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row: of which account, when, what stands in its columns, and by which key it is known again."""

    account: str
    at: datetime
    columns: LogRow
    key: tuple[Any, ...] = ()
    settled: bool = True


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows, and where it goes on ("" at the end)."""

    entries: list[LogEntry]
    next: str


class LogReader:
    """Reads log tables; `find` returns the account of a name, `now` the present moment."""

    def __init__(
        self,
        known: LogTables,
        recorder: Recorder,
        measures: Mapping[str, Measure],
        find: Callable[[str], Resource | None],
        now: Callable[[], datetime],
    ) -> None:
        self.known = known
        self._columns = Columns(known)
        self._find = find
        self._now = now
        days = known.words["days"]
        self._makers: dict[str, Maker] = {
            "requests": RequestRows(recorder),
            "calls": CallRows(recorder),
            "events": FactRows(
                recorder, "call_events", ("happened_at", "call_id", "edge", "topic", "name", "text", "extra")
            ),
            "messages": FactRows(recorder, "messages", ("message_id", "recipient", "status")),
            "feedback": FactRows(recorder, "feedback", ("happened_at", "call_id", "survey_id", "participant_id")),
            "lines": FactRows(recorder, "log_lines", ("happened_at", "body")),
            "calls used": UsedRows(recorder, "calls"),
            "messages used": UsedRows(recorder, "messages"),
            "streams": StreamRows(recorder),
            "readings": ReadingRows(recorder, known.words["metrics"]),
            "days": DayRows(recorder, days, {name: measures[name].unit for name in days}),
        }

    async def page(self, question: LogQuestion) -> LogPage:
        """Return a page of a table; raises InvalidError, UnavailableError."""
        table, where = question.table, check_names(question.table, question.where)
        first = Place(max(0, microseconds(question.start)))
        lines = LogPart(of="lines", where={"source": ("import",), _TABLE: (table.name,)})
        of = table.parts if question.own else (*table.parts, lines)
        places: list[Place | None] = [first for _ in of]
        if question.next:
            places = from_text(question.next, len(of))
        parts = [self._wanted(question, part, where) for part in of]
        found: list[LogEntry] = []
        read = 0
        while any(places) and len(found) < question.limit and read < MOST_READ:
            pages = [
                await self._page(part, place, question.limit) if place is not None else None
                for part, place in zip(parts, places, strict=True)
            ]
            read += sum(page.read for page in pages if page is not None)
            rows, places = self._some(table, pages, where, question.limit - len(found))
            found += rows
        return LogPage(entries=found, next=written(places))

    async def _page(self, wanted: Wanted, place: Place, limit: int) -> Page:
        most = _FACTS_AT_ONCE if wanted.where or limit > _FACTS_AT_ONCE // 2 else max(limit, 50)
        return await self._makers[wanted.part.of].page(wanted, place, most)

    def _wanted(self, question: LogQuestion, part: LogPart, where: Mapping[str, str]) -> Wanted:
        conditions: list[Condition | Either | None] = [
            self._columns.condition(part, question.table.columns[name], value) for name, value in where.items()
        ]
        if part.of != "lines":  # what rows from elsewhere became is told by those rows themselves
            conditions.append(Condition(column=f"extra.{_TABLE}", values=("",)))
        return Wanted(
            table=question.table,
            part=part,
            start=question.start,
            end=question.end,
            now=self._now(),
            accounts=question.accounts,
            where=tuple(one for one in conditions if one is not None),
        )

    def _some(
        self, table: LogTable, pages: Sequence[Page | None], where: Mapping[str, str], limit: int
    ) -> tuple[list[LogEntry], list[Place | None]]:
        """Return the rows of all parts in order of time, as far as each of them was read, and where each goes on."""
        ends = [page.after.at_us for page in pages if page is not None and page.after is not None]
        farthest = min(ends) if ends else None
        ready = sorted(
            (one.place, part)
            for part, page in enumerate(pages)
            if page is not None
            for one in page.rows
            if farthest is None or one.place.at_us <= farthest
        )
        made = [{one.place: one for one in page.rows} if page is not None else {} for page in pages]
        places = [_goes_on(page, farthest) for page in pages]
        found: list[LogEntry] = []
        for number, (place, part) in enumerate(ready):
            if len(found) == limit:
                for other in {one for _, one in ready[number:]}:
                    places[other] = next(at for at, one in ready[number:] if one == other)
                break
            entry = self._entry(table, made[part][place])
            if holds(entry.columns, where):
                found.append(entry)
        return found, places

    def _entry(self, table: LogTable, one: Made) -> LogEntry:
        name = one.row["resource"]
        account = self._find(name)
        about: dict[str, Any] = {"table": {"name": table.name, "category": table.category}, "account": {}}
        if account is not None:
            about["account"] = {
                "subscription_id": account.subscription_id,
                "resource_id": resource_id(account.subscription_id, account.resource_group, account.name),
            }
        return LogEntry(
            account=name,
            at=one.row["happened_at"],
            columns=_as_it_was(table, one.row) if _TABLE in one.row else self._columns.row(table, {**one.row, **about}),
            key=one.key,
            settled=one.settled,
        )


def _as_it_was(table: LogTable, line: Row) -> LogRow:
    """Return a row that came from elsewhere, which its line has as a whole."""
    try:
        row = msgspec.json.decode(line["body"], type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        row = {}
    return {name: row.get(name) for name in table.columns}


def _goes_on(page: Page | None, farthest: int | None) -> Place | None:
    """Return where a part goes on: at its first row beyond what was read of all parts, or behind what it read."""
    if page is None:
        return None
    late = (one.place for one in page.rows if farthest is not None and one.place.at_us > farthest)
    return next(late, page.after)
