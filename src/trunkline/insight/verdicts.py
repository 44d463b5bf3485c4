"""Verdicts: calls are judged once they have ended, and again when something of them comes late; their tags are kept.

A verdict is one more piece of its call, and goes the way of all pieces. It is written only where it changes the tags,
so judging again changes nothing. What is judged is noted by generations of arrivals (see arrivals); what the store
holds beyond the last one noted is looked at anew after a start, from the earliest moment of it on.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from trunkline.catalogue.facts import Call
from trunkline.catalogue.rows import QualityRule
from trunkline.clock import EPOCH, Clock, microseconds, monotonic
from trunkline.errors import TrunklineError
from trunkline.insight.arrivals import Arrivals, Arrived, Taken, arrived
from trunkline.insight.readings import BESIDE, LONGEST, Key, Readings, end_of, ids_of
from trunkline.insight.rules import Quality, Stream, Values, changes, quality_of, read, tags_of
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Reader, Transaction, metadata
from trunkline.state.trouble import Trouble
from trunkline.telemetry.inbox import pack
from trunkline.telemetry.questions import Row
from trunkline.telemetry.recorder import Recorder

_log = logging.getLogger(__name__)
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("process", sa.String(40), primary_key=True),
    sa.Column("judged", sa.BigInteger, nullable=False),
    sa.Column("left_from", Moment),
    sa.Column("left_until", Moment),
)
_get = sa.select(verdicts).where(verdicts.c.process == sa.bindparam("process"))
_put = sa.insert(verdicts)
_drop = sa.delete(verdicts).where(verdicts.c.process == sa.bindparam("of_process"))
AT_ONCE = 1000
"""So many legs are judged together."""
PERIOD_S = 1.0
NOTED_S = 10.0
PRESSED_S = 20
"""So long a lot waits at most for those that bring much."""
REST = 0.5
"""So long it rests after each lot, for the time that the lot took: loader and requests go first."""
_WIDEST = timedelta(days=7)
_LOTS = 20
_HIGH_DIAL = "high post-dial delay"


class Left(NamedTuple):
    """The span of the beginnings of calls that are still to be looked at, whatever arrived."""

    start: datetime
    end: datetime


class Verdicts:
    """Judges from `start` to `stop`; `judged` counts the legs that were looked at, `written` the verdicts kept."""

    def __init__(
        self,
        *,
        database: Database,
        recorder: Recorder,
        arrivals: Arrivals,
        clock: Clock,
        process: str,
        rules: Mapping[str, QualityRule],
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._arrivals = arrivals
        self._clock = clock
        self._process = process
        self._rules = {name: rule for name, rule in rules.items() if rule.set == "tags"}
        self._poor = {name: rule for name, rule in rules.items() if rule.set == "poor streams"}
        self._readings = Readings(recorder, clock, self._rules)
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._turn = asyncio.Lock()
        self._trouble = Trouble(_log, "calls wait for their verdicts")
        self._taken: Taken | None = None
        self._lots: deque[Sequence[Arrived]] | None = None
        self._done = 0
        self._noted_s = 0.0
        self._left: Left | None = None
        self._rest = REST
        self._known_us = 0
        self.judged = self.written = 0

    @classmethod
    def noted(cls, database: Database, process: str) -> int:
        """Return the generation that was judged last, -1 if none ever was; raises UnavailableError."""
        row = database.read_now(lambda reader: reader.one(_get, process=process))
        return -1 if row is None else int(row.judged)

    async def start(self) -> None:
        """Learn what is left of the last run, and begin; raises UnavailableError."""
        row = await self._database.read(lambda reader: _row(reader, self._process))
        since = self._arrivals.open(-1 if row is None else row.judged)
        now = self._clock.now() + BESIDE
        if row is None:
            self._left = Left(EPOCH, now)  # whatever an older version kept
        else:
            spans = [(row.left_from, row.left_until)] if row.left_from is not None else []
            spans += [(since - LONGEST, now)] if since is not None else []
            self._left = _hull(spans)
        self._done = self._arrivals.take().generation
        await self._note()  # from here on it is known to be left, whatever its marks said
        self._arrivals.done()
        loop = asyncio.get_running_loop()

        def hear() -> None:
            with suppress(RuntimeError):  # the loop has closed: it is heard of at the next start
                loop.call_soon_threadsafe(self._wanted.set)

        self._arrivals.listen(hear)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop between two lots; what is left is judged after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with suppress(TrunklineError):
                await self._note()

    async def caught_up(self) -> None:
        """Judge everything that was recorded before, at once and without a rest; raises UnavailableError."""
        await self._recorder.settled()
        async with self._turn:
            self._rest = 0.0
            try:
                while self.is_busy:
                    await self._go_on()
            finally:
                self._rest = REST
        await self._recorder.settled()

    @property
    def is_busy(self) -> bool:
        """Tell whether calls wait to be judged."""
        return self._taken is not None or self._arrivals.waiting or self._left is not None

    async def _run(self) -> None:
        while True:
            if not self.is_busy:
                self._wanted.clear()
                if not self._arrivals.waiting:
                    await self._wanted.wait()
            try:
                async with self._turn:
                    await self._go_on()
                self._trouble.succeed()
            except TrunklineError as error:
                self._trouble.fail(error.message)
            except Exception as error:  # noqa: BLE001 - whatever it is, what waits must be tried again
                self._trouble.fail(str(error), unforeseen=error)
            await self._clock.sleep(0 if self._left else PERIOD_S)

    # --- what is judged ---

    async def _go_on(self) -> None:
        """Judge what arrived, and some of what is left; then note how far it went."""
        taken = self._taken = self._taken or self._arrivals.take()
        if self._lots is None:
            if taken.span is not None:
                spans = [(taken.span[0] - LONGEST, taken.span[1] + timedelta(microseconds=1))]
                self._left = _hull([*([self._left] if self._left else []), *spans])
                await self._note()  # their mark goes with them
            self._lots = deque(await asyncio.to_thread(lambda: list(_lots(arrived(taken)))))
        while self._lots:
            began_s, known_at = monotonic(), self._clock.now()
            await self._judge(await self._readings.legs(self._lots[0]), self._lots[0], known_at)
            self._lots.popleft()
            await self._breathe(began_s)
        self._arrivals.done()
        self._done, self._taken, self._lots = taken.generation, None, None
        if self._left is not None:
            self._left = await self._look_back(*self._left)
        if self._left is None or monotonic() - self._noted_s >= NOTED_S:
            await self._note()

    async def _look_back(self, start: datetime, end: datetime) -> Left | None:
        """Judge some of the calls that began in a span, the oldest first; returns what is left of it."""
        lots = 0
        for hour, count in await self._readings.hours(start, end):
            parts = max(1, -(-count // AT_ONCE))
            step = timedelta(hours=1) / parts
            for part in range(parts):
                first = hour + step * part
                last = hour + (timedelta(hours=1) if part == parts - 1 else step * (part + 1))
                lots += await self._look_at(first, min(last, end))
                if lots >= _LOTS:
                    return Left(last, end) if last < end else None
        return None

    async def _look_at(self, first: datetime, last: datetime) -> int:
        """Judge the calls that began in a span; returns in how many lots."""
        for lot in itertools.count():
            began_s, known_at = monotonic(), self._clock.now()
            rows = await self._readings.page(first, last, most=AT_ONCE, skip=lot * AT_ONCE)
            await self._judge(rows, (), known_at)
            await self._breathe(began_s)
            if len(rows) < AT_ONCE:
                break
        return lot + 1

    async def _breathe(self, began_s: float) -> None:
        """Rest after a lot, in real time: it is the machine that others need; while much comes in, for longer."""
        if not self._rest:
            return
        await asyncio.sleep(min(PERIOD_S, (monotonic() - began_s) * self._rest))
        for _ in range(PRESSED_S):
            if not (self._rest and self._recorder.is_pressed):
                break
            await asyncio.sleep(PERIOD_S)

    async def _judge(self, rows: Sequence[Row], those: Sequence[Arrived], known_at: datetime) -> None:
        """Judge legs, and keep the verdicts that change something."""
        if not rows:
            return
        shared = await self._readings.shared(rows)
        start = min([*(row["happened_at"] for row in rows), *(one.first for one in those)]) - BESIDE
        end = max([*(end_of(row) for row in rows), *(one.last for one in those)]) + BESIDE
        borne = [_bearing(row, shared) for row in rows]
        streams = await self._readings.streams((one for keys in borne for _, one in keys), start, end)
        percentiles = await self._readings.percentiles(
            _country(row) for row in rows if row["dial_ms"] is not None and row["country"]
        )
        known_us = self._known_us = max(self._known_us + 1, microseconds(known_at))
        facts = await asyncio.to_thread(self._pieces, rows, borne, streams, percentiles, known_us)
        self.judged += len(rows)
        if facts:
            await self._recorder.keep([("calls", await asyncio.to_thread(pack, facts))])
            self.written += len(facts)

    def _pieces(
        self,
        rows: Sequence[Row],
        borne: Sequence[Sequence[Key]],
        streams: Mapping[Key, Sequence[Stream]],
        percentiles: Mapping[tuple[str, str, datetime], float],
        known_us: int,
    ) -> list[Call]:
        """Return the pieces that change the tags of legs, or how their streams were; for a thread."""
        found = []
        for row, keys in zip(rows, borne, strict=True):
            values = _values(row, percentiles.get(_country(row)))
            of_leg = [stream for key in keys for stream in streams.get(key, ())]
            quality = quality_of(self._poor, row, of_leg)
            changed = changes(row["tags"], {**tags_of(self._rules, row, values, of_leg), **quality.findings})
            counted = _counted(row, quality)
            if changed or counted:
                found.append(_piece(row, changed, counted, known_us))
        return found

    # --- how far it went ---

    async def _note(self) -> None:
        """Remember how far it went."""
        start, end = self._left or (None, None)
        judged, self._noted_s = self._done, monotonic()

        def unit(transaction: Transaction) -> None:
            transaction.hand(_drop, of_process=self._process)
            transaction.hand(_put, process=self._process, judged=judged, left_from=start, left_until=end)

        await self._database.write(unit)


def _row(reader: Reader, process: str) -> Any:
    return reader.one(_get, process=process)


def _hull(spans: Sequence[tuple[datetime, datetime]]) -> Left | None:
    return Left(min(start for start, _ in spans), max(end for _, end in spans)) if spans else None


def _lots(those: Sequence[Arrived]) -> Iterator[Sequence[Arrived]]:
    """Yield what arrived in lots whose moments do not lie far apart."""
    first = 0
    for place, one in enumerate(those):
        if place - first >= AT_ONCE or one.first > those[first].first + _WIDEST:
            yield those[first:place]
            first = place
    if those[first:]:
        yield those[first:]


def _bearing(row: Row, shared: set[Key]) -> list[Key]:
    """Return the ids whose readings are a leg's: its own, and its call's unless that is another leg's own."""
    resource, call = row["resource"], (row["resource"], row["call_id"])
    own = [one for one in ids_of(row) if one != row["call_id"] or one == row["leg_id"]]
    keys = {(resource, one) for one in own if one}
    return sorted(keys | {call} if call in shared else keys)


def _country(row: Row) -> tuple[str, str, datetime]:
    """Return what a post-dial delay is compared within: the account, the country, and the day."""
    day = row["happened_at"].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return row["resource"], row["country"], day


def _values(row: Row, p95_ms: float | None) -> Values:
    """Return a leg's own values; a post-dial delay that was too long once stays so, as things stood then."""
    kept = read(row["tags"].get(_HIGH_DIAL, "")) if row["tags"] else None
    if kept is not None and kept.values.get("dial_ms") == row["dial_ms"]:
        p95_ms = kept.values.get("dial_p95_ms", p95_ms)
    return {"dial_ms": row["dial_ms"], "dial_p95_ms": p95_ms, "talk_ms": row["talk_ms"]}


def _counted(row: Row, quality: Quality) -> dict[str, Any]:
    """Return how the streams of a leg were, where that is not what is kept; of none that are there any more nothing."""
    names = ("streams", "poor_streams", "impacted")
    now = {name: getattr(quality, name) for name in names}
    return now if quality.streams and any(row[name] != now[name] for name in names) else {}


def _piece(row: Row, changed: Mapping[str, str], counted: Mapping[str, Any], known_us: int) -> Call:
    """Return a verdict as a piece of its leg: as old as the leg itself, but for what it tells."""
    return Call(
        resource=row["resource"],
        leg_id=row["leg_id"],
        happened_at=row["happened_at"],
        revised_at=row["revised_at"] or row["happened_at"],
        tags=dict(changed),
        older={name: str(known_us) for name in (*(f"tags.{name}" for name in changed), *counted)},
        **counted,
    )
