"""Ids are found by their hash: where in time the facts lie that bear one.

New entries stand in one table as they come, and go from there, by their hash, into runs of many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb

from trunkline.catalogue.columns import columns, kind_of
from trunkline.catalogue.facts import KINDS, Fact

FOREIGN = "foreign_ids"
"""The map in which other systems' ids of a fact stand."""
_REPEATING = {"attempts", "call_events", "samples", "log_lines"}
"""Facts many of which bear one id: their entries are brought together at once, the rest when they are sorted out."""
_PROBE = "trunkline"
_FORM = 3
"""What is entered, and where: an older form is made anew."""
_SHAPE = "hash UBIGINT, fact UTINYINT, first TIMESTAMP, last TIMESTAMP"
_TABLES = {
    "fresh": f"{_SHAPE}, batch BIGINT",
    "entries": f"{_SHAPE}, run INTEGER",
    "runs": "run INTEGER, many BIGINT, stamp UBIGINT",
}
_BY_DAY = "GROUP BY hash, fact, date_trunc('day', first)"
TABLES = tuple(kind.table for kind in KINDS)
"""A fact's table by its number in an entry: new kinds go to the end of KINDS."""


def missing(connection: duckdb.DuckDBPyConnection, named: set[str]) -> Iterator[str]:
    """Yield the statements that make the entries, and make them anew where the engine's hash has changed."""
    if "hashed_by" in named:
        now, then, *form = connection.execute("SELECT hash(?), * FROM ids.hashed_by", [_PROBE]).fetchone() or (0, 1)
        if now == then and form == [_FORM]:
            return
    yield "DROP SCHEMA IF EXISTS ids CASCADE"
    yield "CREATE SCHEMA ids"
    yield from (f"CREATE TABLE ids.{name} ({shape})" for name, shape in _TABLES.items())
    yield f"CREATE TABLE ids.hashed_by AS SELECT hash('{_PROBE}') AS hash, {_FORM} AS form"
    for run, kind in enumerate(KINDS):
        if kind.table in named:
            yield entered(kind.table, id_columns(kind), kind.table, 0)
            yield from sorted_out(run)


def sorted_out(run: int) -> list[str]:
    """Return the statements that make a run of the new entries, in order; those of a day become one."""
    # the stamp tells runs apart by what they hold
    told = "count(*), coalesce(bit_xor(hash(hash, fact, first, last)), 0::UBIGINT)"
    together = f"SELECT hash, fact, min(first), max(last), {run} FROM ids.fresh {_BY_DAY}"  # noqa: S608 - names only
    return [
        f"INSERT INTO ids.entries {together} ORDER BY hash",
        f"INSERT INTO ids.runs SELECT {run}, {told} FROM ids.entries WHERE run = {run}",  # noqa: S608 - numbers
        "DELETE FROM ids.fresh",
    ]


def recent() -> str:
    """Return the question for the new entries after one batch and up to another."""
    return _read("ids.fresh WHERE batch > ? AND batch <= ?") + " ORDER BY hash"


def within() -> str:
    """Return the question for the entries of runs from one to another, of hashes from one to another; all are bound."""
    return _read("ids.entries WHERE run BETWEEN ? AND ? AND hash BETWEEN ? AND ?") + " ORDER BY hash"


def bearing(many: int) -> str:
    """Return the question for the entries of hashes from a run on: both are bound, hash by hash."""
    return " UNION ALL ".join([_read("ids.entries WHERE run >= ? AND hash = ?")] * many)


def _read(source: str) -> str:
    return f"SELECT hash, epoch_us(min(first)), epoch_us(max(last)), fact FROM {source} {_BY_DAY}"  # noqa: S608 - names only


def id_columns(kind: type[Fact]) -> list[str]:
    """Return the columns of a kind in which ids stand; the entries of a map may."""
    return [name for name, column in columns(kind).items() if column.is_id or name == FOREIGN]


def _digest(kind: type[Fact]) -> str:
    return f"md5({kind.digested})"


def entered(table: str, names: Sequence[str], source: str, batch: int) -> str:
    """Return the statement that enters the ids that facts of a source have in these columns, of which there is one.

    The digest of a column goes with it.
    """
    kind = kind_of(table)
    every = [name for name in names if name != FOREIGN]
    if kind.digested in every:
        every.append(_digest(kind))
    if len(every) == len(names) == 1:
        return _entry(table, every[0], source, batch)  # by far the quicker way
    lists = [f"[{', '.join(every)}]", *(f"map_values({name})" for name in names if name == FOREIGN)]
    listed = f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]
    return _entry(table, "id", f"(SELECT unnest({listed}) AS id, happened_at FROM {source})", batch)  # noqa: S608 - names only


def _entry(table: str, rows: str, given: str, batch: int) -> str:
    bearing = f"FROM {given} WHERE {rows} <> ''"
    entry = f"INSERT INTO ids.fresh SELECT hash({rows}), {TABLES.index(table)}"
    if table in _REPEATING:
        day = f"GROUP BY hash({rows}), date_trunc('day', happened_at)"
        return f"{entry}, min(happened_at), max(happened_at), {batch} {bearing} {day}"
    return f"{entry}, happened_at, happened_at, {batch} {bearing}"


def forgotten(table: str, name: str) -> str:
    """Return the statement that removes a table's entries, new or not, from before a moment, which is bound."""
    return f"DELETE FROM ids.{name} WHERE fact = {TABLES.index(table)} AND last < ?"  # noqa: S608 - names only
