"""What verdicts stand on: legs that have ended, what was read of them, and how long calls to their countries rang."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from trunkline.catalogue.rows import QualityRule
from trunkline.clock import Clock
from trunkline.insight.arrivals import Arrived
from trunkline.insight.rules import Stream, Values, names_of
from trunkline.quality import mos
from trunkline.telemetry.questions import Condition, Point, Row, Rows, Series
from trunkline.telemetry.recorder import Recorder

LONGEST = timedelta(days=1)
"""So long before what arrives of it a call may have begun; ids of those that began earlier are looked up one by one."""
BESIDE = timedelta(hours=1)
"""So far outside of its call a reading still counts."""
HISTORY = timedelta(days=30)
FEWEST = 100
"""So many calls to a country within the 30 days make a percentile."""
_FRESH = timedelta(minutes=10)
_MOST_KEPT = 20_000
_MOST_ROWS = 100_000
_COLUMNS = (
    *("resource", "leg_id", "call_id", "foreign_ids", "direction", "capability", "country", "answered", "outcome"),
    *("ended_at", "seized_at", "ring_ms", "talk_ms", "dial_ms", "tags", "revised_at"),
    *("streams", "poor_streams", "impacted"),
)
_OF_STREAM = ("resource", "call_id", "edge", "direction", "media", "stream")
_LATE = "delayed_200_ms"
_MEASURES = {
    "jitter_avg": "samples.jitter_avg",
    "jitter_max": "samples.jitter_max",
    "total_jitter_avg": "samples.total_jitter_avg",
    "total_jitter_max": "samples.total_jitter_max",
    "latency_avg": "samples.latency_avg",
    "rtt_avg": "samples.rtt_avg",
    "mos_avg": "samples.mos_avg",
    "loss_avg": "samples.loss_avg",
    "lost": "samples.packets_lost",
    "received": "samples.packets_received",
    "sent": "samples.packets_sent",
    "total_lost": "samples.total_packets_lost",
    "total_received": "samples.total_packets_received",
    "total_sent": "samples.total_packets_sent",
    "audio_in": "samples.audio_in_max",
    "buffer_avg": "samples.jitter_buffer_avg",
    "buffer_max": "samples.jitter_buffer_max",
    "healed": "samples.healed_avg",
    "frame_rate": "samples.frame_rate_avg",
    "height": "samples.height_avg",
    "freeze": "samples.freeze_avg",
}
Key = tuple[str, str]
"""An account and an id."""
Measured = Mapping[str, float | None]


class Readings:
    """Asks for many calls at a time, over what is loaded."""

    def __init__(self, recorder: Recorder, clock: Clock, rules: Mapping[str, QualityRule]) -> None:
        self._recorder = recorder
        self._clock = clock
        self._events = {name for rule in rules.values() for name in rule.names}
        self._event_names = names_of(rules.values())
        self._percentiles: dict[tuple[str, str, datetime], tuple[datetime, float | None, int]] = {}

    # --- legs ---

    async def legs(self, those: Sequence[Arrived]) -> list[Row]:
        """Return the legs that have ended and are known by ids that arrived."""
        ids = sorted({one.id for one in those})
        start = min(one.first for one in those) - LONGEST
        end = max(one.last for one in those) + BESIDE
        found = await self._ended(Condition(column="leg_id", values=tuple(ids)), start, end)
        # what bears an id that is a leg's own is of that leg alone
        others = sorted({*ids} - {row["leg_id"] for row in found.values()})
        if others:
            found |= await self._ended(Condition(column="call_id", values=tuple(others)), start, end)
        known = {one for row in found.values() for one in (row["leg_id"], row["call_id"])}
        missing = [one for one in others if one not in known]
        borne = await self._recorder.legs(missing) if missing else None
        if borne is not None:
            legs, first, last = borne
            where = Condition(column="leg_id", values=tuple(legs))
            found |= await self._ended(where, first, last + timedelta(microseconds=1))
        meant = {(one.resource, one.id) for one in those}
        return [row for row in found.values() if any((row["resource"], one) in meant for one in ids_of(row))]

    async def _ended(self, where: Condition, start: datetime, end: datetime) -> dict[Key, Row]:
        rows = await self.page(start, end, where=(where,), most=_MOST_ROWS)
        return {(row["resource"], row["leg_id"]): row for row in rows}

    async def page(
        self, start: datetime, end: datetime, *, where: Sequence[Condition] = (), most: int, skip: int = 0
    ) -> list[Row]:
        """Return some of the legs that began in a span and have ended, in order of time."""
        ended = Condition(column="outcome", op="is not", values=("",))
        question = Rows(
            fact="calls", start=start, end=end, where=(*where, ended), limit=most, skip=skip, columns=_COLUMNS
        )
        return await self._recorder.rows(question, as_loaded=True)

    async def hours(self, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
        """Return the hours in which calls began, and how many there were."""
        question = Series(measures=("calls.count",), start=start, end=end, step_s=3600)
        points = await self._recorder.ask(question, as_loaded=True)
        return [(point.at, int(point.values[0] or 0)) for point in points]

    async def shared(self, rows: Sequence[Row]) -> set[Key]:
        """Return which call ids of legs are no other leg's own: what bears them is of all legs of the call."""
        own = {(row["resource"], row["leg_id"]) for row in rows}
        calls = {(row["resource"], row["call_id"]) for row in rows} - own
        if not calls:
            return set()
        where = (Condition(column="leg_id", values=tuple(sorted({call for _, call in calls}))),)
        start = min(row["happened_at"] for row in rows) - LONGEST
        question = Rows(
            fact="calls",
            start=start,
            end=max(row["happened_at"] for row in rows) + LONGEST,
            where=where,
            limit=_MOST_ROWS,
            columns=("resource", "leg_id"),
        )
        legs = await self._recorder.rows(question, as_loaded=True)
        return calls - {(row["resource"], row["leg_id"]) for row in legs}

    # --- what was read of them ---

    async def streams(self, ids: Iterable[str], start: datetime, end: datetime) -> dict[Key, list[Stream]]:
        """Return the streams and events of ids of calls, with their values."""
        if not (known := tuple(sorted({*ids}))):
            return {}
        where = (Condition(column="call_id", values=known),)
        points = await self._ask(tuple(_MEASURES.values()), _OF_STREAM, start, end, where)
        late = await self._ask(
            ("samples.count",),
            (*_OF_STREAM, f"extra.{_LATE}"),
            start,
            end,
            (*where, Condition(column=f"extra.{_LATE}", op="is not", values=("",))),
        )
        events = await self._happened(where, start, end)
        return await asyncio.to_thread(_gathered, points, late, events)

    async def _happened(self, where: Sequence[Condition], start: datetime, end: datetime) -> list[tuple[Key, Stream]]:
        """Return the events that rules are about."""
        named = Condition(column="name", values=tuple(self._event_names))
        splits = ("resource", "call_id", "edge", "topic", "name")
        found: list[tuple[Key, Stream]] = []
        for point in await self._ask(("call_events.count",), splits, start, end, (*where, named)):
            resource, call_id, edge, topic, name = point.split
            values = {"events": point.values[0]}
            those = [one for one in (name, f"{topic}/{name}") if one in self._events]
            found += [((resource, call_id), Stream(edge=edge, name=one, values=values)) for one in those]
        return found

    async def _ask(
        self,
        measures: tuple[str, ...],
        by: tuple[str, ...],
        start: datetime,
        end: datetime,
        where: Sequence[Condition],
    ) -> list[Point]:
        question = Series(measures=measures, start=start, end=end, by=by, where=tuple(where))
        return await self._recorder.ask(question, as_loaded=True)

    # --- how long calls to a country rang ---

    async def percentiles(self, wanted: Iterable[tuple[str, str, datetime]]) -> dict[tuple[str, str, datetime], float]:
        """Return the post-dial delay of 95 of 100 calls, by account, country and day, of the 30 days before that day.

        Those that stand on too few calls are left out.
        """
        now, due = self._clock.now(), defaultdict(list)
        found = {}
        for one in {*wanted}:
            known = self._percentiles.get(one)
            if known is None or known[0] < now - _FRESH:
                due[one[2]].append(one)
            elif known[1] is not None and known[2] >= FEWEST:
                found[one] = known[1]
        if len(self._percentiles) > _MOST_KEPT:
            self._percentiles.clear()
        for day, those in due.items():
            where = (
                Condition(column="dial_ms", op="at least", values=("0",)),
                Condition(column="country", values=tuple(sorted({country for _, country, _ in those}))),
            )
            measures = ("calls.dial_p95", "calls.attempted")
            points = await self._ask(measures, ("resource", "country"), day - HISTORY, day, where)
            asked = {(point.split[0], point.split[1]): point.values for point in points}
            for one in those:
                p95_ms, count = asked.get(one[:2], (None, 0))
                self._percentiles[one] = now, p95_ms, int(count or 0)
                if p95_ms is not None and int(count or 0) >= FEWEST:
                    found[one] = p95_ms
        return found


def _gathered(
    points: Sequence[Point], late: Sequence[Point], events: Sequence[tuple[Key, Stream]]
) -> dict[Key, list[Stream]]:
    """Return streams and events by the ids that they are of; for a thread."""
    delayed: dict[tuple[str, ...], float] = {}
    for point in late:
        key = point.split[:-1]
        delayed[key] = max(delayed.get(key, 0.0), _number(point.split[-1]))
    found: dict[Key, list[Stream]] = defaultdict(list)
    for point in points:
        resource, call_id, edge, direction, media, stream = point.split
        measured = dict(zip(_MEASURES, point.values, strict=True))
        values = values_of(measured, direction, delayed.get(point.split))
        found[resource, call_id].append(Stream(edge=edge, direction=direction, media=media, id=stream, values=values))
    for of, event in events:
        found[of].append(event)
    return found


def ids_of(row: Row) -> list[str]:
    """Return the ids by which a leg is known."""
    return [row["leg_id"], row["call_id"], *(row["foreign_ids"] or {}).values()]


def end_of(row: Row) -> datetime:
    """Return when a leg ended, as far as is known."""
    began: datetime = row["happened_at"]
    lasted_ms = min((row["ring_ms"] or 0) + (row["talk_ms"] or 0), LONGEST / timedelta(milliseconds=1))
    return max(began, row["ended_at"] or began + timedelta(milliseconds=lasted_ms))


def values_of(measured: Measured, direction: str, delayed: float | None) -> Values:
    """Return the values of a stream that rules compare; what counts since the call began goes before the rest."""
    received, sent = _first(measured, "total_received", "received"), _first(measured, "total_sent", "sent")
    loss = _share(_first(measured, "total_lost", "lost"), received, sent if direction == "outbound" else None)
    jitters = [value for name in ("total_jitter_max", "jitter_max") if (value := measured[name]) is not None]
    loss = measured["loss_avg"] if loss is None else loss
    score = measured["mos_avg"]
    jitter, rtt = _first(measured, "total_jitter_avg", "jitter_avg"), measured["rtt_avg"]
    if score is None and rtt is not None and jitter is not None and loss is not None:
        score = mos(rtt, jitter, loss)
    packets = received or (sent if direction == "outbound" else None)
    return {
        "jitter_avg_ms": jitter,
        "jitter_max_ms": max(jitters, default=None),
        "delayed_percent": None if delayed is None or not packets else min(100.0, 100 * delayed / packets),
        "loss_percent": loss,
        "latency_avg_ms": measured["latency_avg"],
        "rtt_avg_ms": rtt,
        "mos_avg": score,
        "packets_received": received,
        "audio_in_level": measured["audio_in"],
        "jitter_buffer_avg_ms": measured["buffer_avg"],
        "jitter_buffer_max_ms": measured["buffer_max"],
        "healed_percent": measured["healed"],
        "frames_per_second": measured["frame_rate"],
        "height_px": measured["height"],
        "freeze_per_minute_ms": measured["freeze"],
    }


def _share(lost: float | None, received: float | None, sent: float | None) -> float | None:
    """Return the packets lost in percent: of those sent where that is known, else of those expected."""
    if lost is None:
        return None
    expected = sent or (lost + received if received is not None else 0)
    return min(100.0, 100 * lost / expected) if expected else None


def _first(measured: Measured, *names: str) -> float | None:
    return next((value for name in names if (value := measured[name]) is not None), None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
