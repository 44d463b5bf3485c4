"""Facts in DuckDB: append-only tables without indexes, one writer, a cursor for each reader thread."""

from __future__ import annotations

import threading
import time
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

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


class DuckDBStore:
    """A DuckDB file that holds one table for each kind of fact."""

    def __init__(self, file: Path) -> None:
        try:
            self._connection = duckdb.connect(str(file), config={"wal_autocheckpoint": "1GB"})
        except duckdb.Error as error:
            raise ConfigurationError(f"The fact store {file} cannot be opened: {_first_line(error)}.") from error
        self._local = threading.local()
        self._writing = threading.Lock()
        self._schemas = {kind.table: _schema(kind) for kind in KINDS}
        self._checkpointed = time.monotonic()
        self._prepare()

    def _prepare(self) -> None:
        """Create what is missing: tables, and columns that a newer version added."""
        for kind in KINDS:
            types = typing.get_type_hints(kind)
            columns = [f"{name} {_TYPES[types[name]][0]}" for name in kind.__struct_fields__]
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {kind.table} ({', '.join(columns)})")
            for column in columns:
                self._connection.execute(f"ALTER TABLE {kind.table} ADD COLUMN IF NOT EXISTS {column}")
        self._connection.execute("CREATE TABLE IF NOT EXISTS loaded (process VARCHAR, number BIGINT)")
        self._connection.execute("CHECKPOINT")

    def loaded(self, process: str) -> int:
        """Return the highest inbox number of that process whose facts are here."""
        row = self._cursor().execute("SELECT max(number) FROM loaded WHERE process = ?", [process]).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def append(self, facts: Mapping[str, Sequence[Fact]], process: str, number: int) -> None:
        """Add facts by table and note the inbox number, in one transaction.

        Raises UnavailableError when the store cannot write; nothing is added then.
        """
        with self._writing:
            connection = self._connection
            try:
                connection.execute("BEGIN")
                for table, rows in facts.items():
                    connection.register("incoming", _arrow(rows, self._schemas[table]))
                    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608 - a name
                    connection.unregister("incoming")
                connection.execute("DELETE FROM loaded WHERE process = ?", [process])
                connection.execute("INSERT INTO loaded VALUES (?, ?)", [process, number])
                connection.execute("COMMIT")
            except duckdb.Error as error:
                self._roll_back()
                raise UnavailableError("The fact store cannot write now.") from error

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            return  # no transaction was open

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a planned question and return its rows."""
        return self._cursor().execute(plan.sql, list(plan.bound)).fetchall()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
        return cursor

    def tidy(self) -> None:
        """Checkpoint from time to time, so that the log stays short."""
        if time.monotonic() - self._checkpointed >= _CHECKPOINT_S:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write the log into the file."""
        with self._writing:
            self._connection.execute("CHECKPOINT")
            self._checkpointed = time.monotonic()

    def close(self) -> None:
        """Close the store."""
        with self._writing:
            self._connection.close()


def _schema(kind: type[Fact]) -> pa.Schema:
    types = typing.get_type_hints(kind)
    return pa.schema([(name, _TYPES[types[name]][1]) for name in kind.__struct_fields__])


def _arrow(rows: Sequence[Fact], schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = [getattr(row, field.name) for row in rows]
        if pa.types.is_timestamp(field.type):
            values = [value.astimezone(UTC).replace(tzinfo=None) for value in values]
        elif pa.types.is_map(field.type):
            values = [list(value.items()) for value in values]
        columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
