"""Fills a store by our own way in for files: chunks of Arrow, each of which is taken once."""

import hashlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from benchmarks.errors import CannotMeasureError
from benchmarks.facts import SEED, Year
from benchmarks.ours import Ours

_LANES = 3


def latest_end() -> datetime:
    """Return the last moment before which facts may lie, so that none of their pieces lies ahead."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def fill(server: Ours, fact: str, year: Year) -> dict[str, float]:
    """Load the facts of a kind; returns how many rows came, in how many seconds. Raises CannotMeasureError.

    They travel as several files at once, so that one chunk is read while another is stored.
    """
    began = time.monotonic()
    lanes = [_Lane(server.twin(), fact, year, number) for number in range(_LANES)]
    rows = 0
    with ThreadPoolExecutor(_LANES) as threads:
        due: list[Future[None] | None] = [None] * _LANES
        for number, table in enumerate(year.tables(fact)):
            place = number % _LANES
            if (last := due[place]) is not None:
                last.result()
            due[place] = threads.submit(lanes[place].post, table)
            rows += len(table)
        for one in due:
            if one is not None:
                one.result()
    seconds = time.monotonic() - began
    print(f"filled  {fact:10} {rows:11,} rows in {seconds:6.1f} s  ({rows / seconds:,.0f}/s)", flush=True)
    return {"rows": rows, "seconds": round(seconds, 1)}


class _Lane:
    """One file on its way, chunk by chunk."""

    def __init__(self, server: Ours, fact: str, year: Year, number: int) -> None:
        self._server = server
        self._fact = fact
        told = f"{SEED} {fact} {year.rows} {year.end:%Y-%m-%d} {number}"
        self._file = hashlib.sha256(told.encode()).hexdigest()
        self._chunk = 0

    def post(self, table: Any) -> None:
        self._chunk += 1
        answer = self._server.load_chunk(self._fact, packed(table), f"{self._file}/{self._chunk}")
        if answer["accepted"] != len(table) and not answer.get("again"):
            raise CannotMeasureError(f"of {len(table)} {self._fact} these were taken: {answer}")


def packed(table: Any) -> bytes:
    """Return a table as a stream of Arrow, packed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(pa.Codec("zstd", 1).compress(sink.getvalue(), asbytes=True))
