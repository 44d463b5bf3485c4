"""What comes in, as the table `incoming` that the writer's statements read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb


class Incoming:
    """Batches under one name. The engine is told of it again only when the columns change: that takes it 1 ms."""

    def __init__(self, writer: duckdb.DuckDBPyConnection) -> None:
        self._writer = writer
        self._held = _Held()
        self._schema: Any = None

    @contextmanager
    def of(self, rows: Any) -> Iterator[None]:
        """Let `incoming` be these rows, an Arrow table."""
        self._held.rows = rows
        try:
            if self._schema is None or not self._schema.equals(rows.schema):
                self._writer.register("incoming", self._held)
                self._schema = rows.schema
            yield
        finally:
            self._held.rows = None

    def forget(self) -> None:
        """Hear that a transaction came to nothing: the engine may have been told within it."""
        self._schema = None


class _Held:
    """What the engine reads each time that a statement names it."""

    rows: Any = None

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.rows.__arrow_c_stream__(requested_schema)


def inserted(table: str) -> str:
    """Return the statement that adds what comes in to a table.

    The positional join, with one row, adds nothing to the rows: it lets one thread insert them. Several would each
    build rows apart, which are then copied into one place, and 5000 rows by two threads cost 1.8 times as much.
    """
    return f"INSERT INTO {table} BY NAME SELECT incoming.* FROM incoming POSITIONAL JOIN (SELECT 1 AS one)"  # noqa: S608 - a name
