"""Facts in DuckDB: append-only tables without indexes, one writer, a cursor for each reader thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

import duckdb
import pyarrow as pa

from trunkline.catalogue.columns import columns, kind_of
from trunkline.catalogue.facts import KINDS, Fact
from trunkline.errors import ConfigurationError, UnavailableError
from trunkline.telemetry.planner import Plan

_CHECKPOINT_S = 300.0
_TYPES: dict[Any, tuple[str, pa.DataType]] = {
    str: ("VARCHAR", pa.string()),
    int: ("BIGINT", pa.int64()),
    float: ("DOUBLE", pa.float64()),
    bool: ("BOOLEAN", pa.bool_()),
    datetime: ("TIMESTAMP", pa.timestamp("us")),
    dict[str, str]: ("MAP(VARCHAR, VARCHAR)", pa.map_(pa.string(), pa.string())),
}


# the engine has no business outside its own file: no foreign files, no extensions fetched from anywhere
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "wal_autocheckpoint": "1GB",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# trouble of the disk or of the engine, rather than of a statement
_TROUBLE = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.ConnectionException,
)
_PATIENCE_S = 10.0
_FARTHEST = timedelta(days=7)
_NOTHING: Mapping[str, Sequence[Fact]] = MappingProxyType({})
# what the system says of a place that cannot be used; every other error of opening is the file's own
_OF_THE_PLACE = ("permission", "read-only", "space", "cannot open", "directory", "too large", "quota")


class DuckDBStore:
    """A DuckDB file that holds one table for each kind of fact.

    A checkpoint that meets a full disk leaves the engine unusable until its file is opened anew; the writer does
    that when it comes by next.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._schemas = {kind.table: _schema(kind) for kind in KINDS}
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._asking = 0
        self._is_open = False
        try:
            self._open()
            self._writer.execute("SELECT max(number) FROM loaded")  # damage may show only when rows are read
        except duckdb.Error as error:
            self._close_all()
            raise ConfigurationError(_refusal(file, _first_line(error))) from error

    @property
    def name(self) -> str:
        """The file."""
        return str(self._file)

    def _open(self) -> None:
        self._local = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._root = duckdb.connect(str(self._file), config=_CONFIG)
        self._cursors.append(self._root)
        self._writer = self._cursor()
        self._checkpointed = time.monotonic()
        self._prepare()
        self._is_open = True

    def _prepare(self) -> None:
        """Create what is missing: tables, and columns that a newer version added."""
        known = "SELECT table_name || '.' || column_name FROM duckdb_columns()"
        there = {row[0] for row in self._writer.execute(known).fetchall()}
        changes = []
        for kind in KINDS:
            wanted = _columns(kind)
            if not any(f"{kind.table}.{name}" in there for name in wanted):
                written = ", ".join(f"{name} {column}" for name, column in wanted.items())
                changes.append(f"CREATE TABLE {kind.table} ({written})")
                continue
            changes += [
                f"ALTER TABLE {kind.table} ADD COLUMN {name} {column}"
                for name, column in wanted.items()
                if f"{kind.table}.{name}" not in there
            ]
        if "loaded.process" not in there:
            changes.append("CREATE TABLE loaded (process VARCHAR, number BIGINT)")
        for change in changes:
            self._writer.execute(change)
        if changes:
            self._writer.execute("CHECKPOINT")

    def loaded(self, process: str) -> int:
        """Return the highest inbox number of that process whose facts are here; raises UnavailableError."""
        rows = self.answer(Plan("SELECT max(number) FROM loaded WHERE process = ?", (process,)))
        return int(rows[0][0] or 0)

    def append(
        self,
        facts: Mapping[str, Sequence[Fact]],
        process: str,
        number: int,
        replaced: Mapping[str, Sequence[Fact]] = _NOTHING,
    ) -> None:
        """Add facts by table, take away those `replaced`, and note the inbox number, in one transaction.

        Raises UnavailableError when the store cannot write; whether it did shows in `loaded`.
        """
        with self._writing:
            self._mend()
            writer = self._writer
            try:
                writer.execute("BEGIN")
                for table, rows in replaced.items():
                    self._replace(table, rows)
                for table, rows in facts.items():
                    writer.register("incoming", _arrow(rows, self._schemas[table]))
                    writer.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608 - a name
                    writer.unregister("incoming")
                writer.execute("DELETE FROM loaded WHERE process = ?", [process])
                writer.execute("INSERT INTO loaded VALUES (?, ?)", [process, number])
                writer.execute("COMMIT")
            except Exception as error:
                self._roll_back()
                if _is_trouble(error):
                    raise self._trouble(error, "write") from error
                raise

    def _roll_back(self) -> None:
        with suppress(duckdb.Error):  # a commit that failed has ended the transaction itself
            self._writer.execute("ROLLBACK")

    def known(self, table: str, pieces: Sequence[Fact]) -> list[Fact]:
        """Return the records that pieces belong to, those within a week of them; raises UnavailableError."""
        kind = kind_of(table)
        names = ", ".join(f"{table}.{name}" for name in columns(kind))
        same = " AND ".join(f"{table}.{name} = incoming.{name}" for name in kind.key)
        moments = [_naive(piece.happened_at) for piece in pieces]
        with self._writing:
            self._mend()
            try:
                self._writer.register("incoming", _arrow(pieces, self._schemas[table]))
                found = self._writer.execute(
                    f"SELECT DISTINCT ON ({', '.join(f'{table}.{name}' for name in kind.key)}) {names} "  # noqa: S608
                    f"FROM {table} JOIN incoming ON {same} WHERE {table}.happened_at BETWEEN ? AND ?",
                    [min(moments) - _FARTHEST, max(moments) + _FARTHEST],
                ).fetchall()
                self._writer.unregister("incoming")
            except duckdb.Error as error:
                if not _is_trouble(error):
                    raise
                raise self._trouble(error, "be read") from error
        return [kind(**_aware(zip(columns(kind), row, strict=True))) for row in found]

    def _replace(self, table: str, records: Sequence[Fact]) -> None:
        """Take away records, within the transaction that brings what replaces them."""
        same = " AND ".join(f"{table}.{name} = outdated.{name}" for name in (*kind_of(table).key, "happened_at"))
        moments = [_naive(record.happened_at) for record in records]
        self._writer.register("outdated", _arrow(records, self._schemas[table]))
        self._writer.execute(
            f"DELETE FROM {table} USING outdated WHERE {same} AND {table}.happened_at BETWEEN ? AND ?",  # noqa: S608
            [min(moments), max(moments)],
        )
        self._writer.unregister("outdated")

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a planned question and return its rows; raises UnavailableError."""
        with self._changed:
            if not self._is_open:
                raise UnavailableError("The fact store cannot be read now.")
            self._asking += 1
        try:
            return self._cursor().execute(plan.sql, list(plan.bound)).fetchall()
        except duckdb.Error as error:
            if not _is_trouble(error):
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
        return UnavailableError(f"The fact store cannot {what} now: {_first_line(error)}.")

    def _mend(self) -> None:
        """Open the file anew if the engine gave up on it; raises UnavailableError."""
        if self._is_open:
            return
        self._close_all()
        try:
            self._open()
        except duckdb.Error as error:
            self._close_all()
            raise UnavailableError(f"The fact store cannot be opened now: {_first_line(error)}.") from error

    def tidy(self) -> None:
        """Checkpoint from time to time, so that the log stays short; raises UnavailableError."""
        if not self._is_open or time.monotonic() - self._checkpointed >= _CHECKPOINT_S:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write the log into the file; raises UnavailableError."""
        with self._writing:
            self._mend()
            try:
                self._writer.execute("CHECKPOINT")
            except duckdb.Error as error:
                if not _is_trouble(error):
                    raise
                raise self._trouble(error, "write") from error
            self._checkpointed = time.monotonic()

    def close(self) -> None:
        """Close the store."""
        with self._writing:
            self._close_all()

    def _close_all(self) -> None:
        """Close the file and every cursor on it; those who ask are waited for."""
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: self._asking == 0, _PATIENCE_S)
            for cursor in reversed(self._cursors):
                cursor.close()
            self._cursors.clear()


def _columns(kind: type[Fact]) -> dict[str, str]:
    """Return the columns of a kind; rows from before a column was added hold the field's default."""
    found = {}
    for name, column in columns(kind).items():
        written = _TYPES[column.of][0]
        if isinstance(column.default, bool | int | float):
            written += f" DEFAULT {column.default}"
        elif column.is_map:
            written += " DEFAULT MAP {}"
        elif column.of is str:
            written += f" DEFAULT '{column.default or ''}'"
        found[name] = written
    return found


def _schema(kind: type[Fact]) -> pa.Schema:
    return pa.schema([(name, _TYPES[column.of][1]) for name, column in columns(kind).items()])


def _arrow(rows: Sequence[Fact], schema: pa.Schema) -> pa.Table:
    found = []
    for field in schema:
        values = [getattr(row, field.name) for row in rows]
        if pa.types.is_timestamp(field.type):
            values = [value and _naive(value) for value in values]
        elif pa.types.is_map(field.type):
            values = [list(value.items()) for value in values]
        found.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(found, schema=schema)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _aware(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in fields}


def _is_trouble(error: Exception) -> TypeGuard[duckdb.Error]:
    return isinstance(error, _TROUBLE) or type(error) is duckdb.Error  # a block that does not fit its checksum


def _refusal(file: Path, reason: str) -> str:
    """Say why no server can start on a file, and what helps."""
    said = reason.replace(str(file), "").lower()
    what = f"The fact store {file} cannot be opened: {reason}."
    if "set lock" in said:
        return f"{what} End the program that has it open, or choose another data folder with --data."
    if any(word in said for word in _OF_THE_PLACE):
        return f"{what} Make it writable and free some space, or choose another data folder with --data."
    return (
        f"{what} It is damaged: restore the data folder from a backup; or move this file and its .wal aside, which "
        "loses the measurements in it and nothing else, for the server makes a new one."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".!")
