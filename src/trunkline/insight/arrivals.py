"""What arrived and waits for a verdict: heard in the loader's thread, and remembered by a mark in the store.

The mark tells the earliest moment of what may not have been judged yet, and is written in the transaction that brings
that in; so a start after a crash knows from where on to look. It is a number that only rises, as marks do: a
generation, and how far that moment lies before the farthest one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import MOMENT
from trunkline.clock import EPOCH
from trunkline.telemetry.store import Store

MOST_ROWS = 1_000_000
"""So many rows wait at most; of more than half as many ids, the span of their moments is remembered instead."""
_IDS = {"calls": "leg_id", "samples": "call_id", "call_events": "call_id"}
_COLUMNS = ["resource", "id", "first", "last"]
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
                self._make_room()
        self._hear()

    def _make_room(self) -> None:
        """Take each id once; and where that is not enough, all that lies between the first and the last moment."""
        each = _each(self._tables)
        self._tables, self._rows = [each], len(each)
        if self._rows > MOST_ROWS // 2:
            ends = (*_ends(each), *(self._span or ()))
            self._span = min(ends), max(ends)
            self._tables, self._rows = [], 0

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
    found = _each(taken.tables).sort_by("first")
    columns = [found.column(name).to_pylist() for name in _COLUMNS]
    return [
        Arrived(resource, one, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
        for resource, one, first, last in zip(*columns, strict=True)
    ]


def _each(tables: Sequence[Any]) -> Any:
    """Return each id once, with its first and its last moment."""
    grouped = pa.concat_tables(tables).group_by(["resource", "id"])
    found = grouped.aggregate([("first", "min"), ("last", "max")])
    return found.select(["resource", "id", "first_min", "last_max"]).rename_columns(_COLUMNS)


def _told(batches: Mapping[str, Any]) -> Iterator[Any]:
    """Yield ids and moments of what may change a verdict: verdicts themselves do not."""
    for table, name in _IDS.items():
        rows = batches.get(table)
        if rows is None:
            continue
        if table == "calls":
            rows = rows.filter(_is_plain(rows.column("older")))
        if len(rows):
            those = [rows.column(each) for each in ("resource", name, MOMENT, MOMENT)]
            yield pa.table(those, names=_COLUMNS)


def _is_plain(older: Any) -> Any:
    """Tell which rows say nothing of how old single columns are: only pieces of our own making do."""
    sizes = [pc.subtract(chunk.offsets[1:], chunk.offsets[:-1]) for chunk in older.chunks]
    return pc.equal(pa.chunked_array(sizes, pa.int32()), 0)


def _ends(table: Any) -> tuple[datetime, datetime]:
    first, last = pc.min(table.column("first")).as_py(), pc.max(table.column("last")).as_py()
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
