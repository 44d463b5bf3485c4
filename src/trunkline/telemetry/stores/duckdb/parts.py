"""The parts into which entries of ids are sorted out, each put into the order of its hashes while it is calm.

A search then reads one stretch of a part instead of all of it, and no index has to be kept.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from trunkline.telemetry.stores.duckdb import lookup

LEAST = 65_536
"""So many entries of a part are out of order at least before it is worth while; and half as many as are in order."""


class Parts:
    """How many entries each part has, how many of them are in order, and how many new ones wait (`fresh`)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._names = dict(lookup.parts())
        self.fresh = _count(connection, "SELECT count(*) FROM ids.fresh")
        self._many = {number: _count(connection, f"SELECT count(*) FROM {name}") for number, name in lookup.parts()}  # noqa: S608 - names
        self._in_order: dict[int, int] = dict(connection.execute("SELECT part, many FROM ids.in_order").fetchall())

    @property
    def due(self) -> int | None:
        """The part that is most out of order, if one is enough so."""
        loose = {number: many - self._in_order.get(number, 0) for number, many in self._many.items()}
        number = max(loose, key=lambda one: loose[one])
        return number if loose[number] >= max(LEAST, self._in_order.get(number, 0) // 2) else None

    def enter(self, writer: duckdb.DuckDBPyConnection, statement: str) -> None:
        """Add new entries by a statement, within a transaction."""
        self.fresh += _count(writer, statement)

    def take_in(self, writer: duckdb.DuckDBPyConnection) -> None:
        """Sort the new entries out, within a transaction."""
        for number, name in self._names.items():
            self._many[number] += _count(writer, lookup.sorted_out(number, name))
        writer.execute("DELETE FROM ids.fresh")

    def order(self, writer: duckdb.DuckDBPyConnection, number: int) -> None:
        """Put a part into order, within a transaction; what several entries tell of a day becomes one."""
        name = self._names[number]
        entries = f"{name} GROUP BY hash, fact, date_trunc('day', first) ORDER BY hash"
        read = f"SELECT hash, fact, min(first) AS first, max(last) AS last FROM {entries}"  # noqa: S608 - names only
        writer.execute(f"CREATE OR REPLACE TEMP TABLE ordered AS {read}")
        writer.execute(f"DELETE FROM {name}")  # noqa: S608 - a name
        many = _count(writer, f"INSERT INTO {name} FROM ordered")
        writer.execute("DROP TABLE ordered")
        self._many[number] = many
        self._keep(writer, number, many)

    def forget(self, writer: duckdb.DuckDBPyConnection, table: str, before: datetime) -> None:
        """Remove a table's entries from before a moment, within a transaction."""
        writer.execute(lookup.forgotten(table, "ids.fresh"), [before])
        for number, name in self._names.items():
            gone = _count(writer, lookup.forgotten(table, name), [before])
            if gone:  # the oldest are in order
                self._many[number] -= gone
                self._keep(writer, number, max(0, self._in_order.get(number, 0) - gone))

    def _keep(self, writer: duckdb.DuckDBPyConnection, number: int, in_order: int) -> None:
        self._in_order[number] = in_order
        writer.execute("DELETE FROM ids.in_order WHERE part = ?", [number])
        writer.execute("INSERT INTO ids.in_order VALUES (?, ?)", [number, in_order])


def _count(connection: duckdb.DuckDBPyConnection, statement: str, bound: list[datetime] | None = None) -> int:
    return int((connection.execute(statement, bound).fetchone() or (0,))[0])
