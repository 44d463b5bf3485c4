"""Answers a query: one question to each kind of fact, folded into the vendor's rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from trunkline.apis.infobip.conditions import conditions
from trunkline.apis.infobip.facets import CALLS, MESSAGES, Cell, Facet, Split, channel_codes, facet
from trunkline.apis.infobip.query import CHANNEL_CODE, NOT_AVAILABLE, VOICE, Query
from trunkline.catalogue.rows import Calendar, Catalogue, MetricWord
from trunkline.config import Settings
from trunkline.errors import InvalidError
from trunkline.telemetry import calendar
from trunkline.telemetry.questions import Series
from trunkline.telemetry.recorder import Recorder

MOST_ROWS = 100_000
"""Rows of an answer; groups before they are folded may be some more."""
_MOST_GROUPS = 4 * MOST_ROWS
_MANY = 5000
_COUNTS = {CALLS: "calls.count", MESSAGES: "messages.count"}
_SHARE = "share"
Row = list[Any]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of an answer, and the span that they are of."""

    since: datetime
    until: datetime
    columns: tuple[tuple[str, str], ...]
    rows: list[Row]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of one kind of fact: the question, the facets of the dimensions, and where each one's columns are.

    `channel` is the place of the channel's code among the facets, `time` that of the moments, if there are any.
    """

    fact: str
    question: Series
    facets: tuple[Facet, ...]
    places: tuple[tuple[int, ...], ...]
    channel: int
    time: int | None


class Answers:
    """Answers queries in the vendor's words; `keys` gives the accounts' keys by their names."""

    def __init__(
        self, catalogue: Catalogue, recorder: Recorder, settings: Settings, keys: Callable[[], Mapping[str, str]]
    ) -> None:
        self._measures = catalogue.measures
        self._words = catalogue.words["infobip"]
        self._recorder = recorder
        self._keys = keys
        self._times = 100.0 if settings.infobip_rates == "percent" else 1.0
        first = settings.infobip_voice_since
        self._voice_since = datetime.fromisoformat(first).replace(tzinfo=UTC) if first else None

    async def answer(self, query: Query, now: datetime) -> Found:
        """Answer a query that was put at a moment. Raises InvalidError when it has too many rows."""
        since, until = self._period(query, now)
        rows: list[tuple[datetime | None, Row]] = []
        for part in self._parts(query, since, until):
            rows += await self._fold(part, query)
            if len(rows) > MOST_ROWS:
                raise _too_many()
        if any(moment for moment, _ in rows):
            rows.sort(key=lambda row: row[0] or since)
        dimensions = self._words.dimensions
        columns = [(name, dimensions[name].type) for name in query.by]
        columns += [(name, self._words.metrics[name].type) for name in query.metrics]
        if query.channels == (VOICE,):
            since = self._since(CALLS, since, until)
        return Found(since=since, until=until, columns=tuple(columns), rows=[row for _, row in rows])

    # --- the question ---

    def _step(self, query: Query) -> Calendar:
        return next((row.step for name in query.by if (row := self._words.dimensions[name]).step), "")

    def _period(self, query: Query, now: datetime) -> tuple[datetime, datetime]:
        """Return the span that is really answered: whole steps, and nothing that has not begun."""
        since, until, step = query.since, query.until, self._step(query)
        begun = now + timedelta(milliseconds=1)
        if step:
            since, until = calendar.whole(step, query.zone or "UTC", since, until)
            _, begun = calendar.whole(step, query.zone or "UTC", now, begun)
        return since, max(since, min(until, begun))

    def _since(self, fact: str, since: datetime, until: datetime) -> datetime:
        """Return from when facts are answered: calls by the vendor's rule, which can be set."""
        if fact != CALLS or self._voice_since is None:
            return since
        return min(max(since, self._voice_since), until)

    def _parts(self, query: Query, since: datetime, until: datetime) -> Iterator[Part]:
        known = self._words.dimensions[CHANNEL_CODE]
        voice = [code for code in query.channels if code == VOICE]
        others = [code for code in query.channels if code != VOICE]
        for fact, codes in ((CALLS, voice), (MESSAGES, others)):
            start = self._since(fact, since, until)
            if codes and start < until:
                yield self._part(query, fact, channel_codes(known, codes), start, until)

    def _part(self, query: Query, fact: str, channels: Mapping[str, str], since: datetime, until: datetime) -> Part:
        rows, keys = self._words.dimensions, self._keys()
        names = [name for name in query.by if not rows[name].step]
        facets = tuple(facet(rows[name], fact, channels, keys) for name in names)
        split: dict[Split, int] = {}
        places = tuple(tuple(split.setdefault(one, len(split)) for one in each.columns) for each in facets)
        leaves = [leaf for name in query.metrics for leaf in self._leaves(name, fact, set(channels.values()))]
        return Part(
            fact=fact,
            question=Series(
                measures=tuple(dict.fromkeys([*leaves, _COUNTS[fact]])),
                start=since,
                end=until,
                by=tuple(split),
                where=tuple(conditions(query, self._words, fact, list(channels))),
                step=self._step(query),
                zone=query.zone or "UTC",
                limit=_MOST_GROUPS + 1,
            ),
            facets=facets,
            places=places,
            channel=names.index(CHANNEL_CODE),
            time=next((place for place, name in enumerate(query.by) if rows[name].step), None),
        )

    # --- measures ---

    def _means(self, word: MetricWord, fact: str, channel: str) -> str:
        """Return the measure that a metric is of facts of a channel; "" where it has no meaning."""
        means = word.otherwise.get(channel, word.means)
        if not means or (word.only and channel not in word.only):
            return ""
        measure = self._measures[means]
        source = self._measures[measure.ratio[0]].source if measure.ratio else measure.source
        return means if source == fact else ""

    def _leaves(self, name: str, fact: str, channels: set[str]) -> Iterator[str]:
        """Yield the measures of which a metric is made."""
        word = self._words.metrics[name]
        for channel in sorted(channels):
            if means := self._means(word, fact, channel):
                yield from self._measures[means].ratio or (means,)

    def _cell(self, name: str, part: Part, channel: str) -> Callable[[Sequence[float]], Any]:
        """Return how a metric is worked out from the sums of its measures."""
        word = self._words.metrics[name]
        means = self._means(word, part.fact, channel)
        if not means:
            return lambda _: NOT_AVAILABLE
        measure, order = self._measures[means], part.question.measures
        if measure.ratio:
            over, under = (order.index(leaf) for leaf in measure.ratio)
            times = self._times if measure.unit == _SHARE else 1.0
            return lambda sums: sums[over] / sums[under] * times if sums[under] else 0.0
        place, factor = order.index(means), word.factor
        return lambda sums: round(sums[place] * factor)

    # --- folding ---

    async def _fold(self, part: Part, query: Query) -> list[tuple[datetime | None, Row]]:
        """Put the question, and bring groups together that are one in the vendor's words."""
        table = await self._recorder.table(part.question)
        if len(table) > _MOST_GROUPS:
            raise _too_many()
        if len(table) > _MANY:  # it takes long enough for others to notice
            return await asyncio.to_thread(self._folded, part, query, table)
        return self._folded(part, query, table)

    def _folded(self, part: Part, query: Query, table: Any) -> list[tuple[datetime | None, Row]]:
        moments = table.column(0).to_pylist() if part.time is not None else [None] * len(table)
        splits = len(part.question.by)
        columns = [table.column(1 + place).to_pylist() for place in range(splits)]
        cells = [
            _written(one, [columns[at] for at in places], len(table))
            for one, places in zip(part.facets, part.places, strict=True)
        ]
        measured = [table.column(1 + splits + place).to_pylist() for place in range(len(part.question.measures))]
        sums: dict[tuple[Any, ...], list[float]] = {}
        for key, values in zip(zip(moments, *cells, strict=True), zip(*measured, strict=True), strict=True):
            known = sums.get(key)
            sums[key] = [*values] if known is None else _added(known, values)
        return [*self._rows(part, query, sums)]

    def _rows(
        self, part: Part, query: Query, sums: Mapping[tuple[Any, ...], list[float]]
    ) -> Iterator[tuple[datetime | None, Row]]:
        stamps: dict[datetime, str] = {}
        place = calendar.zone(query.zone) if query.zone else None
        tellers: dict[str, list[Callable[[Sequence[float]], Any]]] = {}
        for (moment, *cells), found in sums.items():
            channel = str(cells[part.channel])
            if channel not in tellers:
                tellers[channel] = [self._cell(name, part, channel) for name in query.metrics]
            values = [value or 0 for value in found]
            if part.time is not None:
                cells.insert(part.time, stamps.get(moment) or stamps.setdefault(moment, stamp(moment, place)))
            yield moment, [*cells, *(tell(values) for tell in tellers[channel])]


def _too_many() -> InvalidError:
    return InvalidError(f"The result has more than {MOST_ROWS} rows; ask by fewer dimensions, or for less time.")


def _written(one: Facet, columns: Sequence[list[str | None]], many: int) -> list[Cell]:
    """Write the cells of a facet; what stands there often is worked out once."""
    if not columns:
        return [one.write(())] * many
    known: dict[tuple[str | None, ...], Cell] = {}
    cells = []
    for values in zip(*columns, strict=True):
        cell = known.get(values)
        if cell is None:
            cell = known[values] = one.write([value or "" for value in values])
        cells.append(cell)
    return cells


def _added(known: list[float], values: Sequence[float | None]) -> list[float]:
    return [(one or 0) + (other or 0) for one, other in zip(known, values, strict=True)]


def stamp(moment: datetime, place: ZoneInfo | None = None) -> str:
    """Write a moment as yyyy-MM-dd'T'HH:mm:ss.SSSZ; in UTC, as +0000, unless a place is given."""
    there = moment.astimezone(place or UTC)
    return f"{there:%Y-%m-%dT%H:%M:%S}.{there.microsecond // 1000:03d}{there:%z}"
