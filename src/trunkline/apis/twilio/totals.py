"""Totals: what the readings and events of calls come to, edge by edge; a page of calls is one question each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from trunkline.apis.twilio.calls import Leg
from trunkline.catalogue.load import load
from trunkline.catalogue.twilio.words import words
from trunkline.quality import mos
from trunkline.telemetry.questions import Condition, Rows, Series
from trunkline.telemetry.recorder import Recorder

_APART = timedelta(hours=1)
"""So far before and after a call its readings are looked for: clocks differ."""
_LONGEST = timedelta(hours=24)
"""So long a call of which no end is known is thought to run."""
_COUNT = "samples.count"
LOSS = "samples.loss_avg"
_SCORED = ("samples.mos_max", "samples.mos_avg", "samples.mos_min")
_NEEDED = ("samples.rtt_max", "samples.jitter_max")
_MOST_READINGS = 20_000
Known = dict[str, float | None]


class Stream(msgspec.Struct):
    """What the readings of one edge in one direction come to: measures by their names, and the usual codec."""

    codec: str = ""
    values: Known = {}


class Counted(msgspec.Struct, frozen=True):
    """Events of one kind, and how many there were."""

    edge: str
    level: str
    topic: str
    code: str
    many: int


class Totals(msgspec.Struct):
    """What is known of one call: by edge and direction in our words, and its events."""

    streams: dict[tuple[str, str], Stream]
    events: list[Counted]


class Summing:
    """Asks what readings and events come to."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        named = {one for part in words().totals.values() for those in part.values() for one in those}
        self._measures = (_COUNT, LOSS, *sorted(named))
        self._how = {name: load().measures[name].agg for name in self._measures}

    async def of(self, legs: Sequence[Leg], now: datetime) -> list[Totals]:
        """Return what is known of calls, in their order."""
        found = [Totals(streams={}, events=[]) for _ in legs]
        if not legs:
            return found
        by_id: dict[tuple[str, str], list[int]] = {}
        for place, leg in enumerate(legs):
            for one in leg.ids:
                by_id.setdefault((leg.account.name, one), []).append(place)
        span = _span(legs, now)
        where = (
            Condition(column="resource", values=tuple({name for name, _ in by_id})),
            Condition(column="call_id", values=tuple({one for _, one in by_id})),
        )
        await self._add_streams(found, by_id, span, where)
        await self._add_events(found, by_id, span, where)
        await self._add_scores(found, by_id, span, where)
        return found

    async def _add_streams(self, found: list[Totals], by_id: Any, span: Any, where: tuple[Condition, ...]) -> None:
        by = ("resource", "call_id", "edge", "direction", "codec")
        question = Series(measures=self._measures, start=span[0], end=span[1], by=by, where=where)
        for point in await self._recorder.ask(question):
            resource, call_id, edge, direction, codec = point.split
            values = dict(zip(self._measures, point.values, strict=True))
            for place in by_id.get((resource, call_id), ()):
                stream = found[place].streams.setdefault((edge, direction), Stream())
                if (values[_COUNT] or 0) > (stream.values.get(_COUNT) or 0):
                    stream.codec = codec
                stream.values = self._joined(stream.values, values) if stream.values else values

    def _joined(self, left: Known, right: Known) -> Known:
        """Return what two parts of a stream come to; a codec that changed parts it."""
        return {
            name: _join(self._how[name], (left[name], left[_COUNT]), (right[name], right[_COUNT]))
            for name in self._measures
        }

    async def _add_events(self, found: list[Totals], by_id: Any, span: Any, where: tuple[Condition, ...]) -> None:
        by = ("resource", "call_id", "edge", "level", "topic", "code")
        question = Series(measures=("call_events.count",), start=span[0], end=span[1], by=by, where=where)
        for point in await self._recorder.ask(question):
            resource, call_id, edge, level, topic, code = point.split
            counted = Counted(edge=edge, level=level, topic=topic, code=code, many=int(point.values[0] or 0))
            for place in by_id.get((resource, call_id), ()):
                found[place].events.append(counted)

    async def _add_scores(self, found: list[Totals], by_id: Any, span: Any, where: tuple[Condition, ...]) -> None:
        """Work out the opinion scores of readings in applications that came without."""
        lacking = {
            place
            for place, totals in enumerate(found)
            for (edge, _), stream in totals.streams.items()
            if edge == "sdk" and stream.values[_SCORED[0]] is None and None not in map(stream.values.get, _NEEDED)
        }
        if not lacking:
            return
        ids = tuple({one for (_, one), places in by_id.items() if lacking.intersection(places)})
        only = (where[0], Condition(column="call_id", values=ids), Condition(column="edge", values=("sdk",)))
        rows = await self._recorder.rows(
            Rows(fact="samples", start=span[0], end=span[1], where=only, limit=_MOST_READINGS)
        )
        scores: dict[tuple[int, str], list[float]] = {}
        for row in rows:
            value = score_of(row)
            for place in by_id[row["resource"], row["call_id"]] if value is not None else ():
                scores.setdefault((place, row["direction"]), []).append(value or 0.0)
        for (place, direction), values in scores.items():
            if place in lacking:
                known = (max(values), sum(values) / len(values), min(values))
                found[place].streams["sdk", direction].values |= dict(zip(_SCORED, known, strict=True))


SCORED = ("mos", "loss_percent", "packets_lost", "packets_received", "rtt_ms", "jitter_ms")
"""What an opinion score is worked out from."""


def score_of(row: Mapping[str, Any]) -> float | None:
    """Return a reading's opinion score: the one that it came with, or what the rest of it comes to."""
    if row["mos"] is not None:
        return float(row["mos"])
    loss, lost, received = row["loss_percent"], row["packets_lost"], row["packets_received"]
    if loss is None and lost is not None and received is not None:
        loss = share_lost(lost, lost + received)
    if None in {row["rtt_ms"], row["jitter_ms"], loss}:
        return None
    score = mos(row["rtt_ms"], row["jitter_ms"], loss)
    return None if score is None else round(score, 2)


def share_lost(lost: float, expected: float) -> float:
    """Return how many packets of a hundred were lost."""
    return lost / expected * 100 if lost else 0.0


def _span(legs: Iterable[Leg], now: datetime) -> tuple[datetime, datetime]:
    """Return the time in which the readings of calls lie."""
    starts = [leg.row["happened_at"] for leg in legs]
    ends = [leg.row["ended_at"] or min(now, leg.row["happened_at"] + _LONGEST) for leg in legs]
    return min(starts) - _APART, max(*starts, *ends) + _APART


def _join(how: str, left: tuple[float | None, float | None], right: tuple[float | None, float | None]) -> float | None:
    """Return what an aggregate of two parts is; each comes with the number of its readings."""
    if left[0] is None or right[0] is None:
        return right[0] if left[0] is None else left[0]
    if how in {"count", "sum"}:
        return left[0] + right[0]
    if how == "min":
        return min(left[0], right[0])
    if how == "avg":
        many = (left[1] or 0) + (right[1] or 0)
        return (left[0] * (left[1] or 0) + right[0] * (right[1] or 0)) / many
    return max(left[0], right[0])  # the greatest, and the last: what is counted since the beginning grows
