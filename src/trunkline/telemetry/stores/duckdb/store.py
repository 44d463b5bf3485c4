"""The file and those who use it: one writer, a cursor for each reader thread."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.compute as pc

from trunkline.catalogue.columns import MOMENT, kind_of
from trunkline.catalogue.facts import KINDS
from trunkline.errors import ConfigurationError, ConflictError, UnavailableError
from trunkline.telemetry.batches import schema
from trunkline.telemetry.dialects import DUCKDB
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.rollups import rollups
from trunkline.telemetry.store import NONE_REPLACED, Span
from trunkline.telemetry.stores.duckdb import room
from trunkline.telemetry.stores.duckdb.frozen import Frozen
from trunkline.telemetry.stores.duckdb.incoming import Incoming, inserted
from trunkline.telemetry.stores.duckdb.index import FLUSHED, Index
from trunkline.telemetry.stores.duckdb.schema import filled, gathered, prepare
from trunkline.telemetry.stores.duckdb.statements import read
from trunkline.telemetry.stores.duckdb.trouble import first_line, is_trouble, refusal

_CHECKPOINT_S = 300.0
_GATHER_S = 600.0
_MOMENT_S = 0.2
_GATHERED = 50_000
_FORGOTTEN = 1_000_000
_NAMED = {kind.table for kind in KINDS}


# the engine has no business outside its own file: no foreign files, no extensions fetched from anywhere
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "wal_autocheckpoint": "1GB",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_NEVER = "1000TB"
_PATIENCE_S = 10.0
_FARTHEST = timedelta(days=7)


class DuckDBStore:
    """A DuckDB file that holds one table for each kind of fact.

    A checkpoint that meets a full disk leaves the engine unusable until its file is opened anew; the writer does
    that when it comes by next.
    """

    dialect = DUCKDB

    def __init__(self, file: Path, *, memory_mb: int = 0, temp_mb: int = room.TEMP_MB) -> None:
        self._file = file
        self._config = _CONFIG | room.config(file, memory_mb)
        self._temp_mb = temp_mb
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._asking = 0
        self._is_open = False
        self._frozen: Frozen | None = None
        self._descriptor = -1
        self._loose = dict[str, int]()
        try:
            self._open()
            self._writer.execute("SELECT max(number) FROM loaded").fetchall()  # damage may show only when rows are read
        except duckdb.Error as error:
            self._close_all()
            raise ConfigurationError(refusal(file, first_line(error))) from error

    @property
    def name(self) -> str:
        """The file."""
        return str(self._file)

    def _open(self) -> None:
        self._local = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        room.clear(self._file)
        self._root = duckdb.connect(str(self._file), config=self._config)
        self._cursors.append(self._root)
        self._root.execute(room.bound(self._temp_mb))
        self._writer = self._cursor()
        self._incoming = Incoming(self._writer)
        self._checkpointed = self._gathered = time.monotonic()
        prepare(self._writer)
        self._index = Index(self._writer, self._file.with_suffix(".ids"))
        touched = dict(self._writer.execute("SELECT fact, count(*) FROM touched GROUP BY 1").fetchall())
        self._loose = {table: touched.get(table, 0) for table in rollups()}
        self._touched: defaultdict[str, set[datetime]] = defaultdict(set)  # the hours that are written down already
        self._is_open = True

    def loaded(self, source: str) -> int:
        """Return the highest number of that source whose facts are here; raises UnavailableError."""
        rows = self.answer(Plan("SELECT max(number) FROM loaded WHERE process = ?", (source,)))
        return int(rows[0][0] or 0)

    def append(
        self, batches: Mapping[str, Any], marks: Mapping[str, int], replaced: Mapping[str, Any] = NONE_REPLACED
    ) -> None:
        """Add batches by table, take away the records `replaced`, and mark each source's number, all or nothing.

        Raises UnavailableError when the store cannot write; whether it did shows in `loaded`.
        """
        with self._writing, self._transaction("write") as writer:
            for table, rows in replaced.items():
                self._replace(table, rows)
            for table, rows in batches.items():
                adding = inserted(_named(table))
                with self._incoming.of(rows):
                    writer.execute(adding)
                    self._index.enter(writer, table, rows, "incoming")
                    self._roll(table, rows)
            for source, number in marks.items():
                writer.execute("DELETE FROM loaded WHERE process = ?", [source])
                writer.execute("INSERT INTO loaded VALUES (?, ?)", [source, number])
        self._index.entered()

    def _roll(self, table: str, rows: Any) -> None:
        """Add what came in to its rollup."""
        rollup = rollups().get(table)
        if rollup is not None:
            self._loose[table] += (self._writer.execute(filled(rollup, "incoming")).fetchone() or (0,))[0]
            hours = set(pc.unique(pc.floor_temporal(rows.column(MOMENT), unit="hour")).to_pylist())
            for hour in hours - self._touched[table]:
                self._writer.execute("INSERT INTO touched VALUES (?, ?)", [table, hour])
            self._touched[table] |= hours

    @contextmanager
    def _transaction(self, what: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Do something whole or not at all; raises UnavailableError for trouble of the disk or of the engine."""
        self._mend()
        try:
            self._writer.execute("BEGIN")
            yield self._writer
            self._writer.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            if is_trouble(error):
                raise self._trouble(error, what) from error
            raise

    def _roll_back(self) -> None:
        self._incoming.forget()
        self._touched.clear()
        with suppress(duckdb.Error):  # a commit that failed has ended the transaction itself
            self._writer.execute("ROLLBACK")

    def known(self, table: str, pieces: Any) -> Any:
        """Return the records that pieces belong to, those within a week of them; raises UnavailableError."""
        key, wanted = kind_of(table).key, schema(kind_of(table))
        same = " AND ".join(f"{table}.{name} = incoming.{name}" for name in key)
        first, last = _ends(pieces)
        with self._writing:
            self._mend()
            try:
                with self._incoming.of(pieces):
                    rows = self._writer.execute(
                        f"SELECT rowid FROM {table} SEMI JOIN incoming ON {same} "  # noqa: S608 - names only
                        f"WHERE {table}.happened_at BETWEEN ? AND ?",
                        [first - _FARTHEST, last + _FARTHEST],
                    ).fetchall()
                # the engine reads all columns of what it joins: so rows are found first, and read then
                places = ", ".join("?" * len(rows))
                found = self._writer.sql(
                    f"SELECT DISTINCT ON ({', '.join(key)}) {', '.join(wanted.names)} FROM {table} "  # noqa: S608
                    f"WHERE {f'rowid IN ({places})' if rows else 'false'}",
                    params=[row[0] for row in rows],
                )
                return found.to_arrow_table().cast(wanted)
            except duckdb.Error as error:
                if not is_trouble(error):
                    raise
                raise self._trouble(error, "be read") from error

    def _replace(self, table: str, records: Any) -> None:
        """Take away records, within the transaction that brings what replaces them."""
        same = " AND ".join(f"{table}.{name} = incoming.{name}" for name in (*kind_of(table).key, MOMENT))
        with self._incoming.of(records):
            self._writer.execute(
                f"DELETE FROM {table} USING incoming WHERE {same} AND {table}.happened_at BETWEEN ? AND ?",  # noqa: S608
                list(_ends(records)),
            )

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a planned question and return its rows; raises UnavailableError."""
        with self._asked():
            cursor = self._cursor()
            return cursor.execute(read(cursor, plan.sql), plan.bound).fetchall()

    def table(self, plan: Plan) -> Any:
        """Run a planned question and return its answer as an Arrow table; raises UnavailableError."""
        with self._asked():
            return self._cursor().sql(plan.sql, params=list(plan.bound)).to_arrow_table()

    def spans(self, wanted: Sequence[str]) -> dict[str, list[Span]]:
        """Return where in time facts bear each of some ids, by table and day, oldest first; raises UnavailableError."""
        with self._asked():
            return self._index.spans(self._cursor(), wanted)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Let a reader in while the file is open; raises UnavailableError."""
        with self._changed:
            if not self._is_open:
                raise UnavailableError("The fact store cannot be read now.")
            self._asking += 1
        try:
            yield
        except duckdb.Error as error:
            if not is_trouble(error):
                raise
            raise self._trouble(error, "be read") from error
        finally:
            with self._changed:
                self._asking -= 1
                self._changed.notify_all()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            with self._changed:
                cursor = self._local.cursor = self._root.cursor()
                self._cursors.append(cursor)
        return cursor

    def _trouble(self, error: duckdb.Error, what: str) -> UnavailableError:
        if isinstance(error, duckdb.FatalException):
            self._is_open = False
        return UnavailableError(f"The fact store cannot {what} now: {first_line(error)}.")

    def _mend(self) -> None:
        """Open the file anew if the engine gave up on it; raises UnavailableError."""
        if self._is_open:
            return
        self._close_all()
        try:
            self._open()
        except duckdb.Error as error:
            self._close_all()
            raise UnavailableError(f"The fact store cannot be opened now: {first_line(error)}.") from error

    def tidy(self, *, is_calm: bool = True) -> None:
        """Sort ids out, bring rollups together, checkpoint: each when it is due; raises UnavailableError."""
        now = time.monotonic()
        if self._is_open and self._index.fresh >= FLUSHED:
            self._sort_out()
        while self._is_open and is_calm and self._index.is_due and time.monotonic() - now < _MOMENT_S:
            self._put_in_order()
        is_due = now - self._gathered >= _GATHER_S
        for table, loose in self._loose.items() if self._is_open else ():
            if loose >= _GATHERED or (is_due and loose):
                self._gather(table)
        if is_due:
            self._gathered = now
        if not self._is_open or now - self._checkpointed >= _CHECKPOINT_S:
            self.checkpoint()

    def _sort_out(self) -> None:
        with self._writing, ExitStack() as held:
            with self._transaction("write") as writer:
                run = self._index.take_in(writer)
                held.enter_context(self._index.changing)
            self._index.taken_in(run)

    def _put_in_order(self) -> None:
        """Do a piece of what the index of ids has to do."""
        with self._writing, self._transaction("be read") as writer:
            self._index.tidy(writer)

    def _gather(self, table: str) -> None:
        """Bring the rows of a rollup together in the hours that gained some."""
        with self._writing, self._transaction("write") as writer:
            writer.execute(
                "CREATE OR REPLACE TEMP TABLE hours AS SELECT DISTINCT hour FROM touched WHERE fact = ?", [table]
            )
            for change in gathered(rollups()[table]):
                writer.execute(change)
            writer.execute("DELETE FROM touched WHERE fact = ?", [table])
        self._loose[table] = 0
        self._touched[table].clear()

    def forget(self, table: str, before: datetime) -> bool:
        """Remove facts of a table from before a moment, the oldest first, and what was made of them.

        The moment counts to the minute, so that a rollup and its facts stay equal. Tells whether some are left; raises
        UnavailableError.
        """
        moment = _naive(before).replace(second=0, microsecond=0)
        rollup = rollups().get(_named(table))
        with self._writing, self._transaction("write") as writer:
            many, last = writer.execute(
                f"SELECT count(*), max(happened_at) FROM (SELECT happened_at FROM {table} WHERE happened_at < ? "  # noqa: S608
                "ORDER BY happened_at LIMIT ?)",
                [moment, _FORGOTTEN],
            ).fetchall()[0]
            if many == _FORGOTTEN:
                moment = min(moment, last.replace(second=0, microsecond=0) + timedelta(minutes=1))
            if many:
                for one in (table, rollup.name) if rollup else (table,):
                    writer.execute(f"DELETE FROM {one} WHERE happened_at < ?", [moment])  # noqa: S608 - a name
                self._index.forget(writer, table, moment)
        self._index.forgotten()
        return bool(many == _FORGOTTEN)

    def figures(self) -> Mapping[str, int]:
        """Return its size on the disk (`bytes`), `fresh_ids` to be sorted out and `loose_rollup_rows`."""
        size = self._file.stat().st_size + room.log_bytes(self._file)
        return {"bytes": size, "fresh_ids": self._index.fresh, "loose_rollup_rows": sum(self._loose.values())}

    def freeze(self) -> Frozen:
        """Hold on to what the file holds now; until it is released no checkpoint comes, and the log grows.

        Raises UnavailableError, and ConflictError when it is frozen already.
        """
        if self._frozen is not None:
            raise ConflictError("The fact store is being copied already.")
        self.checkpoint()
        with self._writing, self._transaction("be read") as writer:
            writer.execute(f"SET GLOBAL wal_autocheckpoint = '{_NEVER}'")
            marks = dict(writer.execute("SELECT process, max(number) FROM loaded GROUP BY 1").fetchall())
            if self._descriptor < 0:
                self._descriptor = os.open(self._file, os.O_RDONLY)
            self._frozen = Frozen(self._descriptor, marks, self._thaw)
            return self._frozen

    def _thaw(self) -> None:
        with self._writing:
            if self._frozen is not None and self._is_open:
                self._writer.execute(f"SET GLOBAL wal_autocheckpoint = '{_CONFIG['wal_autocheckpoint']}'")
            self._frozen = None

    def checkpoint(self) -> None:
        """Write the log into the file, unless that is being copied; raises UnavailableError."""
        with self._writing:
            self._mend()
            if self._frozen is not None:
                return
            try:
                self._writer.execute("CHECKPOINT")
            except duckdb.Error as error:
                if not is_trouble(error):
                    raise
                raise self._trouble(error, "write") from error
            self._checkpointed = time.monotonic()

    def close(self) -> None:
        """Close the store."""
        with self._writing:
            self._close_all()

    def _close_all(self) -> None:
        """Close the file and every cursor on it; those who ask are waited for."""
        if self._frozen is not None:
            self._frozen.shatter()
            self._frozen = None
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: self._asking == 0, _PATIENCE_S)
            for cursor in reversed(self._cursors):
                cursor.close()
            self._cursors.clear()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def _named(table: str) -> str:
    """Return the name of a table, which goes into a statement; raises KeyError where it is none."""
    if table not in _NAMED:
        raise KeyError(table)
    return table


def _ends(rows: Any) -> tuple[datetime, datetime]:
    ends = pc.min_max(rows.column(MOMENT))
    return ends["min"].as_py(), ends["max"].as_py()


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
