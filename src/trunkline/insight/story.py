"""The story of an id: whatever bears it, and what belongs to that, in order of time.

From what bears the id it goes on by the ids that one undertaking shares (correlation vectors, ids of requests, of calls
and of messages), and never by those that many share: a user's story would be everybody's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from trunkline.catalogue.columns import kind_of, tables
from trunkline.ids import digest
from trunkline.insight.sentences import Entry, of_fact, of_samples
from trunkline.telemetry.finding import Places
from trunkline.telemetry.questions import EVER, Condition, Row, Rows, Series, among
from trunkline.telemetry.recorder import Recorder

MOST_ENTRIES = 500
MOST_OF_A_FACT = 200
"""So many facts of a kind are read for one id: of what more bear, the newest."""
LONGEST = 2000
"""So long may an id be: those that other systems gave, such as a server call id, have no bound of their own here."""
_ROUNDS = 3
_MOST_IDS = 40
_FEW = 4
"""An attempt that carries the ids of more events than these is about many undertakings, and leads nowhere."""
_SAMPLES = "samples"
_FOREIGN = "foreign_ids"
_JOINING: Mapping[str, Sequence[str]] = {
    "requests": ("ms_cv", "request_id", "client_request_id", "correlation_id"),
    "attempts": (_FOREIGN,),
    "calls": ("leg_id", "call_id", _FOREIGN),
    "call_events": ("call_id",),
    "messages": ("message_id", "correlation_id"),
    "log_lines": ("call_id", "correlation_id", "ms_cv", "request_id", "client_request_id", "message_id"),
    "feedback": ("call_id", "correlation_id"),
}
"""The columns whose ids one undertaking shares, by fact."""
_LEADING = {"calls", "attempts"}
"""Whatever leads to one of these, leads on: every id of theirs is one undertaking's, the parcel's too."""
_KEYS: Mapping[str, Sequence[str]] = {
    "requests": ("resource", "happened_at", "request_id", "ms_cv"),
    "attempts": ("resource", "parcel", "number", "happened_at"),
    "calls": ("resource", "leg_id", "happened_at"),
    "call_events": ("resource", "call_id", "happened_at", "name", "edge"),
    "messages": ("resource", "message_id", "recipient"),
    "log_lines": ("resource", "happened_at", "source", "log_table", "session_id", "sequence", "text", "body"),
    "feedback": ("resource", "happened_at", "call_id", "survey_id", "participant_id", "user_id", "text"),
}
_MEASURES = ("samples.count", "samples.mos_avg", "samples.jitter_avg", "samples.rtt_avg", "samples.loss_avg")


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an id is: of what kind, in words, and whose (an account)."""

    kind: str
    text: str
    account: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What an id is, and what happened, the oldest first; `is_cut` when there is more of it.

    `ids` are those by which it went on.
    """

    id: str
    meanings: tuple[Meaning, ...]
    entries: tuple[Entry, ...]
    ids: tuple[str, ...] = ()
    is_cut: bool = False


Knower = Callable[[str], Awaitable[Iterable[tuple[Meaning, Entry | None]]]]
"""Tells what it keeps under an id, of any account, and when that began."""


Attacher = Callable[[Sequence[str], Sequence[str], datetime, datetime], Awaitable[Iterable[Entry]]]
"""Tells what else belongs to some ids, among these accounts (none named: all), where their facts lie in a span."""


class Stories:
    """Tells stories over what was recorded, and over what those who know keep; attachers add what is no fact.

    `spellings` tells how else facts spell an id.
    """

    def __init__(
        self,
        recorder: Recorder,
        knowers: Sequence[Knower] = (),
        spellings: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        self._recorder = recorder
        self._knowers = [*knowers]
        self._attachers: list[Attacher] = []
        self._spellings = spellings

    def join(self, knowers: Iterable[Knower], attachers: Iterable[Attacher]) -> None:
        """Let others tell, too, who were put together later."""
        self._knowers += knowers
        self._attachers += attachers

    async def of(self, wanted: str, family: Sequence[str] = ()) -> Story:
        """Return the story of an id among these accounts, all of them if none is named; raises UnavailableError."""
        spelt = [wanted, *(one for one in self._spellings(wanted) if one != wanted)]
        gathered = _Gathered(spelt, tuple(family))
        known = [each for knower in self._knowers for one in gathered.spelt for each in await knower(one)]
        known = [each for each in known if not family or each[0].account in family]
        await self._gather(gathered)
        entries = [entry for _, entry in known if entry is not None]
        entries += [of_fact(table, row) for (table, *_), row in gathered.rows.items()]
        entries += await self._readings(gathered)
        moments = [entry.at for entry in entries] or [EVER[1]]
        for attacher in self._attachers:
            entries += await attacher(gathered.ids, gathered.family, min(moments), max(moments))
        entries = [*{(one.at, one.text, one.fact, id(one.row) if one.fact else 0): one for one in entries}.values()]
        entries.sort(key=lambda entry: (entry.at, entry.row.get("sequence", 0)))
        return Story(
            id=wanted,
            meanings=tuple(dict.fromkeys([*(meaning for meaning, _ in known), *gathered.meanings])),
            entries=tuple(entries[-MOST_ENTRIES:]),
            ids=tuple(one for one in gathered.ids if one not in gathered.spelt),
            is_cut=gathered.is_cut or len(entries) > MOST_ENTRIES,
        )

    async def _gather(self, gathered: _Gathered) -> None:
        fresh = gathered.spelt
        for _ in range(_ROUNDS):
            gathered.ids += fresh
            places = await self._recorder.places(fresh)
            for one, spans in places.items():
                for table in dict.fromkeys(span.table for span in spans):
                    if table == _SAMPLES:
                        gathered.measured[one] = (spans[0].first, spans[-1].last + timedelta(microseconds=1))
                    else:
                        gathered.take(one, table, await self._rows(table, {one: spans}, gathered.where))
            fresh = sorted(gathered.leading - set(gathered.ids))[: _MOST_IDS - len(gathered.ids)]
            if not fresh:
                break

    async def _rows(self, table: str, places: Places, where: tuple[Condition, ...]) -> list[Row]:
        start, end = EVER
        return await self._recorder.rows_of(
            places,
            Rows(
                fact=table,
                start=start,
                end=end,
                where=where,
                newest_first=True,
                limit=MOST_OF_A_FACT + 1,
            ),
        )

    async def _readings(self, gathered: _Gathered) -> list[Entry]:
        """Return what was measured of the calls, taken together for each edge and direction."""
        if not gathered.measured:
            return []
        start = min(first for first, _ in gathered.measured.values())
        end = max(last for _, last in gathered.measured.values())
        called = Condition(column="call_id", values=tuple(gathered.measured))
        question = Series(
            measures=_MEASURES,
            start=start,
            end=end,
            by=("resource", "edge", "direction"),
            where=(called, *gathered.where),
        )
        points = await self._recorder.ask(question)
        if points and not gathered.measured.keys().isdisjoint(gathered.spelt):
            gathered.meanings += [
                Meaning(kind="call", text="a call whose media were measured", account=account)
                for account in dict.fromkeys(point.split[0] for point in points)
            ]
        return [of_samples(point, end) for point in points]


class _Gathered:
    """What was found so far."""

    def __init__(self, spelt: list[str], family: tuple[str, ...]) -> None:
        self.spelt = spelt
        self.family = family
        self.where = among(family)
        self.ids: list[str] = []
        self.rows: dict[tuple[Any, ...], Row] = {}
        self.meanings: list[Meaning] = []
        self.leading: set[str] = set()
        self.measured: dict[str, tuple[datetime, datetime]] = {}
        self.is_cut = False

    def take(self, one: str, table: str, rows: Sequence[Row]) -> None:
        """Take facts that bear an id, and note where they lead."""
        self.is_cut = self.is_cut or len(rows) > MOST_OF_A_FACT
        for row in rows[:MOST_OF_A_FACT]:
            self.rows[table, *(row[name] for name in _KEYS[table])] = row
            if one in self.spelt:
                self.meanings += _meant(table, row, one)
            if one in _joining(table, row) or table in _LEADING:
                self.leading |= set(_joining(table, row))


def _joining(table: str, row: Row) -> list[str]:
    """Return the ids of a fact that one undertaking shares."""
    found: list[str] = []
    for name in _JOINING[table]:
        if name != _FOREIGN:
            found.append(row[name])
        elif table != "attempts" or len(row[name]) <= _FEW:
            found += row[name].values()
    return [one for one in found if one]


def _meant(table: str, row: Row, one: str) -> list[Meaning]:
    """Return what an id is to a fact: in which columns it stands."""
    named = [name for name, column in tables()[table].items() if column.is_id and row.get(name) == one]
    named += [name for name, value in (row.get(_FOREIGN) or {}).items() if value == one]
    if not named and (digested := kind_of(table).digested) and digest(row[digested]) == one:
        named = ["digest"]
    is_said = table in {"log_lines", "feedback"}  # what stands in a line is another's id
    told = [
        f"{_plain(name)} in {_KINDS[table]}" if is_said else f"{_ROLES.get(name, _plain(name))} of {_KINDS[table]}"
        for name in named
    ]
    return [
        Meaning(kind=_KINDS[table].removeprefix("a ").removeprefix("an "), text=text, account=row["resource"])
        for text in told
    ]


_KINDS = {
    "requests": "a request",
    "attempts": "a delivery attempt",
    "calls": "a call",
    "call_events": "an event within a call",
    "messages": "a message",
    "log_lines": "a line of a log",
    "feedback": "feedback",
}
_ROLES = {
    "ms_cv": "the correlation vector",
    "correlation_id": "the correlation id",
    "request_id": "the server's id",
    "client_request_id": "the client's id",
    "leg_id": "the id of one leg",
    "call_id": "the id",
    "message_id": "the id",
    "thread_id": "the conversation",
    "parcel": "the parcel",
    "digest": "the digest of the id of one leg",
    "caller_application": "the application",
}


def _plain(name: str) -> str:
    words = name.split()
    return f"the {words[0]}" if words and words[-1].isdigit() else f"the {name.replace('_', ' ')}"
