"""Rows that are made of readings: a row for each stream where its first reading is, a row for each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from trunkline.clock import from_microseconds
from trunkline.insight.logs.makers import leg
from trunkline.insight.logs.places import Counted, Made, Page, Place, Wanted
from trunkline.insight.logs.places import made as made_of
from trunkline.telemetry.questions import Condition, Row, Rows, Series, among
from trunkline.telemetry.recorder import Recorder

LONGEST = timedelta(days=1)
"""So long a stream goes on at most; what comes later is another one."""

QUIET = timedelta(minutes=10)
"""After so long without a reading a stream is over."""

_BY = ("resource", "call_id", "edge", "direction", "media", "stream")
_SEEN = (*_BY, "codec")
_MEASURES = {
    "count": "samples.count",
    "rtt_avg": "samples.rtt_avg",
    "rtt_max": "samples.rtt_max",
    "jitter_avg": "samples.jitter_avg",
    "jitter_max": "samples.jitter_max",
    "total_jitter_avg": "samples.total_jitter_avg",
    "total_jitter_max": "samples.total_jitter_max",
    "loss_avg": "samples.loss_avg",
    "loss_max": "samples.loss_max",
    "received": "samples.packets_received",
    "sent": "samples.packets_sent",
    "total_received": "samples.total_packets_received",
    "total_sent": "samples.total_packets_sent",
    "total_lost": "samples.total_packets_lost",
    "buffer_avg": "samples.jitter_buffer_avg",
    "buffer_max": "samples.jitter_buffer_max",
    "healed_avg": "samples.healed_avg",
    "frame_rate_avg": "samples.frame_rate_avg",
    "height_avg": "samples.height_avg",
    "freeze_avg": "samples.freeze_avg",
}
_MOST_LEGS = 20_000
Key = tuple[str, ...]


class StreamRows:
    """Streams: a call's readings at one edge in one direction and of one media, told where the first of them is."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._counted = Counted(recorder)

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return the streams that begin within so many readings."""
        facts, after = await self._counted.facts(wanted, "samples", place, most, _SEEN)
        begun: dict[Key, tuple[Place, Row]] = {}
        for at, row in facts:
            begun.setdefault(tuple(row[name] for name in _BY), (at, row))
        begun = {key: one for key, one in begun.items() if one[0] >= place}
        if not begun:
            return Page(rows=[], after=after, read=len(facts))
        start = max(wanted.start, from_microseconds(place.at_us))
        ids = tuple(sorted({key[1] for key in begun}))
        last = max(row["happened_at"] for _, row in begun.values())
        earlier = await self._values(wanted, ("samples.count",), ids, start - LONGEST, start)
        begun = {key: one for key, one in begun.items() if key not in earlier}
        names, measures = zip(*_MEASURES.items(), strict=True)
        values = await self._values(wanted, measures, ids, start, last + LONGEST)
        lately = await self._values(wanted, ("samples.count",), ids, wanted.now - QUIET, wanted.now + QUIET)
        legs = await self._legs(wanted, ids, start - LONGEST, last + LONGEST)
        rows = []
        for key, (at, row) in sorted(begun.items(), key=lambda one: one[1][0]):
            read = _read(dict(zip(names, values.get(key, ()), strict=False)))
            known = legs.get((key[0], key[1]), {})
            whole = {**row, **read, "leg": known}
            named = (*key, read.get("count") if wanted.table.versioned else "")
            rows.append(Made(place=at, row=whole, key=named, settled=key not in lately))
        return Page(rows=rows, after=after, read=len(facts))

    async def _values(
        self, wanted: Wanted, measures: tuple[str, ...], ids: tuple[str, ...], start: datetime, end: datetime
    ) -> dict[Key, tuple[float | None, ...]]:
        where = (Condition(column="call_id", values=ids), *among(wanted.accounts))
        question = Series(measures=measures, start=start, end=end, by=_BY, where=where)
        return {point.split: point.values for point in await self._recorder.ask(question)}

    async def _legs(
        self, wanted: Wanted, ids: tuple[str, ...], start: datetime, end: datetime
    ) -> dict[tuple[str, str], Row]:
        """Return the legs of calls: by their own ids, and by those of calls that have one leg only."""
        found: dict[tuple[str, str], Row] = {}
        shared: set[tuple[str, str]] = set()
        for name in ("call_id", "leg_id"):
            where = (Condition(column=name, values=ids), *among(wanted.accounts))
            question = Rows(fact="calls", start=start, end=end, where=where, limit=_MOST_LEGS)
            for row in await self._recorder.rows(question):
                key = (row["resource"], row[name])
                if name == "call_id" and key in found:
                    shared.add(key)
                found[key] = leg(row)
            if name == "call_id":
                found = {key: row for key, row in found.items() if key not in shared}
        return found


def _read(values: Mapping[str, float | None]) -> Row:
    """Return what was read of a stream; what counts since the call began stands in where single readings do not."""
    found: dict[str, Any] = dict(values)
    lost, received = found.get("total_lost"), found.get("total_received")
    if found.get("loss_avg") is None and lost is not None and lost + (received or 0) > 0:
        found["loss_avg"] = 100 * lost / (lost + (received or 0))
    for name in ("jitter_avg", "jitter_max"):
        if found.get(name) is None:
            found[name] = found.get(f"total_{name}")
    counts = [found.get(name) for name in ("total_received", "received", "total_sent", "sent")]
    found["packets"] = next((one for one in counts if one), None)
    return found


class ReadingRows:
    """Values of readings, each a row of its own; `metrics` are the columns that are values."""

    def __init__(self, recorder: Recorder, metrics: Mapping[str, str]) -> None:
        self._counted = Counted(recorder)
        self._metrics = metrics

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return the values of so many readings."""
        facts, after = await self._counted.facts(wanted, "samples", place, most)
        return Page(rows=made_of(facts, place, self._values), after=after, read=len(facts))

    def _values(self, fact: Row) -> Iterator[tuple[Row, tuple[Any, ...]]]:
        named = tuple(fact[name] for name in ("happened_at", *_BY))
        for column, metric in self._metrics.items():
            if (value := fact[column]) is not None:
                once = {"count": 1, "sum": value, "avg": value, "min": value, "max": value}
                yield {**fact, "metric": metric, "reading": once}, (*named, metric)


class DayRows:
    """Measures of calls by the day and direction; `metrics` names them. A day stands where it begins."""

    def __init__(self, recorder: Recorder, metrics: Mapping[str, str], units: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._units = units

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:  # noqa: ARG002 - days are few
        """Return the days that begin within the span."""
        start = _day_from(max(wanted.start, from_microseconds(place.at_us)))
        end = min(_day_from(wanted.end), _day_from(wanted.now + timedelta(days=1)))
        if start >= end:
            return Page(rows=[], after=None, read=0)
        counts = ("calls.distinct", "calls.count", "calls.answered", "calls.failed")
        question = Series(
            measures=(*counts, *self._metrics),
            start=start,
            end=end,
            step="day",
            by=("resource", "direction", "capability"),
            where=wanted.conditions,
        )
        points = sorted(await self._recorder.ask(question), key=lambda point: (point.at, point.split))
        rows: list[Made] = []
        number, last = -1, None
        for point in points:
            number, last = (number + 1 if point.at == last else 0), point.at
            day = dict(zip(("calls", "legs", "succeeded", "failed"), point.values, strict=False))
            at_us = int(point.at.timestamp()) * 1_000_000
            values = zip(self._metrics.items(), point.values[len(counts) :], strict=True)
            rows += self._day(point, day, [one for one in values if one[1] is not None], Place(at_us, number), wanted)
        return Page(rows=[one for one in rows if one.place >= place], after=None, read=len(points))

    def _day(
        self, point: Any, day: Row, values: Iterable[tuple[tuple[str, str], float | None]], at: Place, wanted: Wanted
    ) -> Iterator[Made]:
        until = point.at + timedelta(days=1)
        resource, direction, capability = point.split
        for number, ((measure, metric), value) in enumerate(values):
            row = {
                "happened_at": point.at,
                "until": until,
                "resource": resource,
                "direction": direction,
                "capability": capability,
                "metric": metric,
                "unit": self._units[measure],
                "day": {**day, "value": value},
            }
            place = msgspec.structs.replace(at, row=number)
            yield Made(place=place, row=row, key=(point.at, *point.split, metric), settled=until <= wanted.now)


def _day_from(moment: datetime) -> datetime:
    """Return the first midnight that is not before a moment, in UTC."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day if day == moment else day + timedelta(days=1)
