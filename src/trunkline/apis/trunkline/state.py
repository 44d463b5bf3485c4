"""The server's own state as a Prometheus page: counts and gauges, nothing secret."""

from __future__ import annotations

import asyncio
import os
import resource as process
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from starlette.responses import Response

from trunkline.api.door import Handler
from trunkline.api.exchange import Exchange
from trunkline.clock import monotonic
from trunkline.delivery import queue
from trunkline.delivery.courier import Courier
from trunkline.events.dispatcher import Dispatcher
from trunkline.events.outbox import outbox
from trunkline.insight.verdicts import Verdicts
from trunkline.services.sms import carriage
from trunkline.state.database import Database
from trunkline.state.transaction import Reader
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.recorder import Recorder
from trunkline.telemetry.store import Store

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_untold = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.told_at.is_(None))
Sample = tuple[str, str, str, dict[str, str], float]
"""A name without its prefix, gauge or counter, what it says, labels, the value."""


class StateHandlers:
    """Reads the parts' counters; `in_flight`, `errors` and `mismatches` come from the application."""

    def __init__(
        self,
        *,
        version: str,
        database: Database,
        inbox: Inbox,
        loader: Loader,
        store: Store,
        recorder: Recorder,
        verdicts: Verdicts,
        dispatcher: Dispatcher,
        courier: Courier,
        in_flight: Callable[[], int],
        errors: Callable[[], int],
        mismatches: Callable[[], int],
    ) -> None:
        self._version = version
        self._database = database
        self._inbox = inbox
        self._loader = loader
        self._store = store
        self._recorder = recorder
        self._verdicts = verdicts
        self._dispatcher = dispatcher
        self._courier = courier
        self._in_flight = in_flight
        self._errors = errors
        self._mismatches = mismatches
        self._opened = monotonic()

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"GetState": self.get}

    async def get(self, _exchange: Exchange) -> Response:
        """Render the page."""
        untold, parcels, texts = await self._database.read(_kept)
        facts = await asyncio.to_thread(self._store.figures)
        samples = [*self._process(), *self._state(), *_of_store(facts), *self._telling(untold, parcels)]
        for step, many in texts.items():
            samples.append(("texts_due", "gauge", "Text messages that wait for their next step.", {"step": step}, many))
        return Response(render(samples), media_type=MEDIA_TYPE)

    def _process(self) -> Iterator[Sample]:
        times = os.times()
        yield "build_info", "gauge", "The version that runs.", {"version": self._version}, 1
        yield "uptime_seconds", "gauge", "Seconds since the start.", {}, monotonic() - self._opened
        yield "resident_memory_bytes", "gauge", "Memory of the process.", {}, resident_bytes()
        yield "cpu_seconds_total", "counter", "Processor time of the process.", {}, times.user + times.system
        yield "requests_in_flight", "gauge", "Requests that are being answered.", {}, self._in_flight()
        yield "request_errors_total", "counter", "Requests that met a mistake of the server.", {}, self._errors()
        yield (
            "signature_mismatches_total",
            "counter",
            "Wrong access-key signatures that were accepted in lenient mode.",
            {},
            self._mismatches(),
        )

    def _state(self) -> Iterator[Sample]:
        database, loader = self._database, self._loader
        lag = max(0, self._inbox.durable - loader.loaded)
        yield "writer_waiting", "gauge", "Writes that wait for the writer.", {}, database.waiting
        yield "writer_groups_total", "counter", "Groups that were committed.", {}, database.groups
        yield "writer_units_total", "counter", "Writes that left in groups.", {}, database.units
        yield "writer_replays_total", "counter", "Groups that were done again, one by one.", {}, database.replays
        yield "inbox_pending", "gauge", "Facts that are not durable yet.", {}, self._inbox.pending
        yield (
            "inbox_waiting_bytes",
            "gauge",
            "Posted facts that are durable, not loaded.",
            {},
            self._inbox.waiting_bytes,
        )
        yield "straight_waiting_rows", "gauge", "Facts of large posts that wait to be loaded.", {}, loader.straight.rows
        yield "straight_waiting_bytes", "gauge", "Their size in memory.", {}, loader.straight.bytes
        yield "loader_lag_rows", "gauge", "Rows of the inbox that cannot be asked for yet.", {}, lag
        yield "loader_failures_total", "counter", "Times the fact store could not write.", {}, loader.failures
        yield "facts_refused_total", "counter", "Facts lost because too many waited.", {}, self._recorder.refused
        yield "calls_judged_total", "counter", "Legs of calls that were judged.", {}, self._verdicts.judged
        yield "verdicts_total", "counter", "Verdicts that changed the tags of a leg.", {}, self._verdicts.written
        yield "verdicts_pending", "gauge", "Whether calls wait to be judged.", {}, int(self._verdicts.is_busy)

    def _telling(self, untold: int, parcels: dict[str, int]) -> Iterator[Sample]:
        dispatcher, courier = self._dispatcher, self._courier
        yield "events_untold", "gauge", "Events that nobody was told of yet.", {}, untold
        yield "events_told_total", "counter", "Events that were dealt with since the start.", {}, dispatcher.told
        for state, many in parcels.items():
            yield "parcels", "gauge", "Deliveries that are kept, by state.", {"state": state}, many
        for outcome, many in (
            ("delivered", courier.delivered),
            ("failed", courier.failed),
            ("given up", courier.buried),
        ):
            brief = "What came of deliveries since the start: an attempt may fail and a later one succeed."
            yield "delivery_outcomes_total", "counter", brief, {"outcome": outcome}, many


_FIGURES = {
    "bytes": "Size of the fact store on the disk.",
    "fresh_ids": "Ids of facts that are not sorted out yet.",
    "loose_rollup_rows": "Rows of rollups that are not brought together yet.",
}


def _of_store(figures: Mapping[str, int]) -> Iterator[Sample]:
    for name, value in figures.items():
        yield f"fact_store_{name}", "gauge", _FIGURES[name], {}, value


def _kept(reader: Reader) -> tuple[int, dict[str, int], dict[str, int]]:
    return reader.value(_untold) or 0, queue.counts(reader), carriage.counts(reader)


def render(samples: list[Sample]) -> str:
    """Return the page; samples of one name stand together."""
    lines: list[str] = []
    last = ""
    for short, kind, brief, labels, value in samples:
        name = f"trunkline_{short}"
        if name != last:
            lines += [f"# HELP {name} {brief}", f"# TYPE {name} {kind}"]
            last = name
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{shown}}} {_number(value)}" if shown else f"{name} {_number(value)}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resident_bytes() -> int:
    """Return the memory of this process; where only its peak is known, that."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        peak = process.getrusage(process.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
