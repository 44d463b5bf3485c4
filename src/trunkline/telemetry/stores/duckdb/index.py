"""The index of ids: what the database has of entries, kept where a hash is found without asking the engine.

New entries are read into memory when something is looked up. Runs of many go into files while it is calm, eight of a
size into one eight times as large, so that there are few to search. The database has all of them: a file that is
missing or damaged is made anew, and until then the engine is asked. What is forgotten may be pointed at until its file
is made anew; that leads to nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial, reduce
from itertools import chain, pairwise
from operator import xor
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import kind_of
from trunkline.clock import from_microseconds
from trunkline.telemetry.store import Span
from trunkline.telemetry.stores.duckdb import lookup
from trunkline.telemetry.stores.duckdb.hashing import agrees, hashed
from trunkline.telemetry.stores.duckdb.runs import HASHES, SUFFIX, Entry, RunFile, Segment, segment, written
from trunkline.telemetry.stores.duckdb.statements import read

_log = logging.getLogger(__name__)
FLUSHED = 1_000_000
"""So many new entries wait at most until they are sorted out into a run."""
SLICE = 250_000
"""About so many entries are written at a time."""
_TOGETHER = 8
_AFTER_FAILURE_S = 600.0
_DAY_US = 86_400_000_000


class _View(msgspec.Struct, frozen=True):
    """What is searched: files, segments of new entries, and in the database what has no file yet."""

    files: tuple[RunFile, ...] = ()
    recent: tuple[Segment, ...] = ()
    unfiled: tuple[int, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """A run as the database knows it."""

    number: int
    many: int
    stamp: int


class Index:
    """Entries of a database; those who look something up are many, who changes it is one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        """Learn what there is; `folder` holds the files."""
        self.changing = threading.Lock()
        """Held while what is new becomes a run."""
        self._folder = folder
        self._hash = None if agrees(connection) else connection.cursor()
        latest, self.fresh = connection.execute("SELECT coalesce(max(batch), 0), count(*) FROM ids.fresh").fetchall()[0]
        self._batch = self._committed = latest
        self._seen = -1
        self._recent: list[Any] = []
        known = connection.execute("SELECT * FROM ids.runs ORDER BY run").fetchall()
        self._runs = {run.number: run for run in (Run(*row) for row in known)}
        self._many = connection.execute("SELECT count(*) FROM ids.entries").fetchall()[0][0]
        self._view = _View()
        self._work: Iterator[None] | None = None
        self._not_before = 0.0
        self._unproven = self._open_files()
        self.forgotten()

    # --- new entries ---

    def enter(self, writer: duckdb.DuckDBPyConnection, table: str, rows: Any, source: str) -> None:
        """Enter the ids of facts, an Arrow table that the engine knows as `source`, within a transaction."""
        self._batch += 1
        if names := [name for name in lookup.id_columns(kind_of(table)) if _has_any(rows.column(name))]:
            self.fresh += _count(writer, lookup.entered(table, names, source, self._batch))

    def entered(self) -> None:
        """Hear that the transaction is committed."""
        self._committed = self._batch

    def take_in(self, writer: duckdb.DuckDBPyConnection) -> Run:
        """Make a run of the new entries, within a transaction, and return it: `taken_in` is told."""
        number = max(self._runs, default=-1) + 1
        for change in lookup.sorted_out(number):
            writer.execute(change)
        return Run(*writer.execute("SELECT * FROM ids.runs WHERE run = ?", [number]).fetchall()[0])

    def taken_in(self, run: Run) -> None:
        """Hear that the transaction is committed; `changing` is held since before. Nothing here can fail."""
        self._runs[run.number] = run
        self._many += run.many
        self._recent.clear()
        self._view = msgspec.structs.replace(self._view, recent=(), unfiled=(*self._view.unfiled, run.number))
        self._seen, self.fresh = self._committed, 0

    # --- looking up ---

    def spans(self, cursor: duckdb.DuckDBPyConnection, wanted: Sequence[str]) -> dict[str, list[Span]]:
        """Return where in time facts bear each of some ids, by table and day, oldest first."""
        view = self._caught_up(cursor)
        hashes = self._hashes(wanted)
        asked = self._asked(cursor, view, hashes) if view.unfiled else {}
        found = {}
        for one, its in zip(wanted, hashes, strict=True):
            days: dict[tuple[int, int], tuple[int, int]] = {}
            of_files = (entry for part in view.files for entry in part.of(its))
            of_recent = (entry for part in view.recent for entry in part.of(its))
            for fact, first, last in chain(of_files, of_recent, asked.get(its, ())):
                day = fact, first // _DAY_US
                known = days.get(day, (first, last))
                days[day] = min(first, known[0]), max(last, known[1])
            found[one] = [
                Span(lookup.TABLES[fact], from_microseconds(first), from_microseconds(last))
                for (fact, _), (first, last) in sorted(days.items(), key=lambda day: (day[1][0], day[0]))
            ]
        return found

    def _hashes(self, wanted: Sequence[str]) -> list[int]:
        if self._hash is None:
            return [hashed(one) for one in wanted]
        return [_count(self._hash.cursor(), "SELECT hash(?)", [one]) for one in wanted]

    def _caught_up(self, cursor: duckdb.DuckDBPyConnection) -> _View:
        """Read what was committed since, and return what is to be searched."""
        if self._seen >= self._committed:
            return self._view
        with self.changing:
            committed = self._committed
            if self._seen < committed:
                rows = cursor.sql(lookup.recent(), params=[self._seen, committed]).to_arrow_table()
                self._recent.append(rows)
                while len(self._recent) > 1 and len(self._recent[-2]) <= 4 * len(self._recent[-1]):
                    both = pa.concat_tables([self._recent.pop(-2), self._recent.pop()])
                    self._recent.append(both.sort_by("hash"))
                segments = tuple(segment(one) for one in self._recent)
                self._view = msgspec.structs.replace(self._view, recent=segments)
                self._seen = committed  # last: who finds it does not ask whether the view is this one
            return self._view

    def _asked(self, cursor: duckdb.DuckDBPyConnection, view: _View, hashes: Sequence[int]) -> dict[int, list[Entry]]:
        """Return what the engine finds in the runs that have no file."""
        found: dict[int, list[Entry]] = {}
        bound = [value for one in hashes for value in (view.unfiled[0], one)]
        for one, first, last, fact in cursor.execute(read(cursor, lookup.bearing(len(hashes))), bound).fetchall():
            found.setdefault(one, []).append((fact, first, last))
        return found

    # --- files ---

    @property
    def is_due(self) -> bool:
        """Tell whether there is something to be done by `tidy`."""
        return self._work is not None or (monotonic() >= self._not_before and self._due() is not None)

    def tidy(self, writer: duckdb.DuckDBPyConnection) -> None:
        """Do a piece of what is due, of a moment's length. For who changes it."""
        if self._work is None:
            due = self._due()
            if due is None:
                return
            self._work = due(writer)
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except OSError as error:
            self._work, self._not_before = None, monotonic() + _AFTER_FAILURE_S
            _log.warning("ids cannot be put in order now, which makes a search slower: %s", error.strerror)

    def _due(self) -> Callable[[duckdb.DuckDBPyConnection], Iterator[None]] | None:
        """Return what does what is due, a piece at a time."""
        if self._unproven:
            return self._proven
        if self._view.unfiled:
            return partial(self._filed, self._view.unfiled[0], self._view.unfiled[0])
        files = [one.contents for one in self._view.files]
        for place in range(len(files) - _TOGETHER + 1):  # the oldest first, so that sizes only fall
            some = files[place : place + _TOGETHER]
            if len({one.last - one.first for one in some}) == 1:
                return partial(self._filed, some[0].first, some[-1].last)
        return None

    def _filed(self, first: int, last: int, writer: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Write runs into a file, and search that from then on."""
        slices = sum(self._runs[run].many for run in range(first, last + 1)) // SLICE + 1
        ends = [HASHES * number // slices for number in range(slices + 1)]
        asked = lookup.within()
        parts = (
            writer.sql(asked, params=[first, last, low, high - 1]).to_arrow_table() for low, high in pairwise(ends)
        )
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._folder / f"{first:06}-{last:06}{SUFFIX}"
        yield from written(file, first, last, self._stamp(first, last), parts)
        self._search([*self._view.files, RunFile(file)])

    def _stamp(self, first: int, last: int) -> int:
        return reduce(xor, (self._runs[run].stamp for run in range(first, last + 1)))

    def _search(self, files: Sequence[RunFile]) -> None:
        """Search the largest of some files that hold what they should, and remove the others."""
        chosen: list[RunFile] = []
        free = set(self._runs)
        for one in sorted(files, key=lambda one: one.contents.first - one.contents.last):
            runs = set(range(one.contents.first, one.contents.last + 1))
            if runs <= free and self._stamp(one.contents.first, one.contents.last) == one.contents.stamp:
                free -= runs
                chosen.append(one)
            else:
                one.remove()
        chosen.sort(key=lambda one: one.contents.first)
        with self.changing:
            self._view = msgspec.structs.replace(self._view, files=tuple(chosen), unfiled=tuple(sorted(free)))

    def _open_files(self) -> list[RunFile]:
        """Open what was written, and return it."""
        files = []
        for file in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
            try:
                files.append(RunFile(file))
            except (ValueError, OSError):  # never finished, or cut off
                with suppress(OSError):
                    file.unlink()
        self._search(files)
        return list(self._view.files)

    def _proven(self, _writer: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """See that a file holds what was written, and make it anew if not."""
        file = self._unproven.pop()
        try:
            yield from file.check()
        except ValueError:
            _log.warning("%s is damaged, and made anew", file.file)
            file.remove()
            self._search([one for one in self._view.files if one is not file])

    def forget(self, writer: duckdb.DuckDBPyConnection, table: str, before: datetime) -> None:
        """Remove a table's entries from before a moment, within a transaction."""
        _count(writer, lookup.forgotten(table, "fresh"), [before])
        self._many -= _count(writer, lookup.forgotten(table, "entries"), [before])

    def forgotten(self) -> None:
        """Hear that entries are gone: let files be made anew when most of what they hold is."""
        if sum(one.contents.many for one in self._view.files) > 2 * self._many + FLUSHED:
            for one in self._view.files:
                one.remove()
            self._search([])


def _has_any(column: Any) -> bool:
    """Tell whether anything stands in a column of texts or of maps."""
    if pa.types.is_map(column.type):
        return any(len(chunk.keys) for chunk in column.chunks)
    return bool(pc.any(pc.not_equal(column, "")).as_py())


def _count(connection: duckdb.DuckDBPyConnection, statement: str, bound: Sequence[Any] = ()) -> int:
    return int((connection.execute(statement, list(bound)).fetchone() or (0,))[0])
