"""What arrived and waits for a verdict: heard in the loader's thread, and remembered by a mark in the store.

The mark tells the earliest moment of what may not have been judged yet, and is written in the transaction that brings
that in; so a start after a crash knows from where on to look. It is a number that only rises, as marks do: a
generation, and how far that moment lies before the farthest one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import MOMENT
from trunkline.clock import EPOCH
from trunkline.telemetry.store import Store

MOST_ROWS = 1_000_000
"""So many rows wait by their ids; when there are more, all from the first to the last of their moments is looked at."""
_IDS = {"calls": "leg_id", "samples": "call_id", "call_events": "call_id"}
_FARTHEST_S = 2**33 - 1


class Arrived(msgspec.Struct, frozen=True):
    """An id of an account, and from when to when what arrived of it lies."""

    resource: str
    id: str
    first: datetime
    last: datetime


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived up to a generation: tables of ids and moments, and a span where there were too many."""

    generation: int
    tables: tuple[Any, ...] = ()
    span: tuple[datetime, datetime] | None = None


class Arrivals:
    """Hears of calls, samples and events that are loaded, until they are taken and `done`."""

    def __init__(self, store: Store, process: str) -> None:
        self._store = store
        self.source = f"judged {process}"
        self._lock = threading.Lock()
        self._hear: Callable[[], None] | None = None
        self._tables: list[Any] = []
        self._coming: list[Any] = []
        self._span: tuple[datetime, datetime] | None = None
        self._rows = 0
        self._earliest: datetime | None = None
        self._taken: datetime | None = None
        self._marked = 0
        self.generation = 1

    def open(self, judged: int) -> datetime | None:
        """Learn what came after a generation was judged: return the earliest moment of it, None if there is none."""
        self._marked = self._store.loaded(self.source)
        generation, left_s = divmod(self._marked, _FARTHEST_S + 1)
        if generation <= judged:
            self.generation = judged + 1
            return None
        self.generation = generation
        self._earliest = EPOCH + timedelta(seconds=_FARTHEST_S - left_s)
        return self._earliest

    def listen(self, hear: Callable[[], None]) -> None:
        """Let someone hear, in the loader's thread, when something has arrived; before that nothing is collected."""
        self._hear = hear

    # --- the loader's side ---

    def coming(self, batches: Mapping[str, Any]) -> dict[str, int]:
        """Take note of batches that are about to be loaded; returns the mark to leave with them, if there is one."""
        coming = list(_told(batches))
        if not coming:
            return {}
        first = min(_ends(table)[0] for table in coming)
        with self._lock:
            self._coming = coming
            known = [moment for moment in (first, self._earliest, self._taken) if moment is not None]
            self._earliest = min(known)
            mark = self._mark(self._earliest)
            if mark <= self._marked:
                return {}
            self._marked = mark
            return {self.source: mark}

    def brought(self, *, took_hold: bool) -> None:
        """Hear that it was tried to load them; they may be there even if it failed, and their mark may not."""
        with self._lock:
            coming, self._coming = self._coming, []
            if not took_hold:
                self._marked = 0  # it is left again next time
            if not coming or self._hear is None:
                return
            self._tables += coming
            self._rows += sum(map(len, coming))
            if self._rows > MOST_ROWS:
                ends = [end for table in self._tables for end in _ends(table)]
                ends += self._span or ()
                self._span = min(ends), max(ends)
                self._tables, self._rows = [], 0
        self._hear()

    def _mark(self, moment: datetime) -> int:
        seconds = int((moment - EPOCH).total_seconds())
        return self.generation * (_FARTHEST_S + 1) + _FARTHEST_S - max(0, min(seconds, _FARTHEST_S))

    # --- the side of who judges ---

    @property
    def waiting(self) -> bool:
        """Tell whether something waits."""
        return bool(self._tables) or self._span is not None

    def take(self) -> Taken:
        """Take what waits; until it is `done`, marks go on telling of it."""
        with self._lock:
            generation = self.generation
            self._taken = self._earliest
            if self._coming:  # what is being loaded right now is told by a mark of this generation
                generation -= 1
            else:
                self.generation += 1
                self._earliest = None
            taken = Taken(generation=generation, tables=tuple(self._tables), span=self._span)
            self._tables, self._span, self._rows = [], None, 0
            return taken

    def done(self) -> None:
        """Hear that what was taken is judged."""
        with self._lock:
            self._taken = None


def arrived(taken: Taken) -> list[Arrived]:
    """Return the ids in what was taken, each once, by their first moments; for a thread."""
    if not taken.tables:
        return []
    grouped = pa.concat_tables(taken.tables).group_by(["resource", "id"])
    found = grouped.aggregate([(MOMENT, "min"), (MOMENT, "max")]).sort_by(f"{MOMENT}_min")
    columns = [found.column(name).to_pylist() for name in ("resource", "id", f"{MOMENT}_min", f"{MOMENT}_max")]
    return [
        Arrived(resource, one, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
        for resource, one, first, last in zip(*columns, strict=True)
    ]


def _told(batches: Mapping[str, Any]) -> Iterator[Any]:
    """Yield ids and moments of what may change a verdict: verdicts themselves do not."""
    for table, name in _IDS.items():
        rows = batches.get(table)
        if rows is None:
            continue
        if table == "calls":
            rows = rows.filter(_is_plain(rows.column("older")))
        if len(rows):
            yield rows.select(["resource", name, MOMENT]).rename_columns(["resource", "id", MOMENT])


def _is_plain(older: Any) -> Any:
    """Tell which rows say nothing of how old single columns are: only pieces of our own making do."""
    sizes = [pc.subtract(chunk.offsets[1:], chunk.offsets[:-1]) for chunk in older.chunks]
    return pc.equal(pa.chunked_array(sizes, pa.int32()), 0)


def _ends(table: Any) -> tuple[datetime, datetime]:
    ends = pc.min_max(table.column(MOMENT))
    return ends["min"].as_py().replace(tzinfo=UTC), ends["max"].as_py().replace(tzinfo=UTC)
