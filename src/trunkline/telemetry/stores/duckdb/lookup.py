"""Ids are found by their hash: where in time the facts lie that bear one.

New entries stand in one table as they come, and go from there by their hash into one of several parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import duckdb

from trunkline.catalogue.columns import columns, kind_of
from trunkline.catalogue.facts import KINDS, Fact
from trunkline.telemetry.store import Span
from trunkline.telemetry.stores.duckdb.statements import read

FOREIGN = "foreign_ids"
"""The map in which other systems' ids of a fact stand."""
PARTS = 64
FLUSHED = 1_000_000
"""So many new entries wait at most until they are sorted out."""
_REPEATING = {"attempts", "call_events", "samples", "log_lines"}
"""Facts many of which bear one id: their entries are brought together at once, the rest when they are sorted out."""
_PROBE = "trunkline"
_FEW = 2000
_SINGLY = 3
_Days = dict[tuple[int, int, date], tuple[datetime, datetime]]
_FORM = 2
"""What is entered; entries of form 1 had no digests."""
_IN_ORDER = "CREATE TABLE ids.in_order (part UTINYINT, many BIGINT)"
_SHAPE = "(hash UBIGINT, fact UTINYINT, first TIMESTAMP, last TIMESTAMP)"
TABLES = tuple(kind.table for kind in KINDS)
"""A fact's table by its number in an entry: new kinds go to the end of KINDS."""


def parts() -> Iterator[tuple[int, str]]:
    """Yield the tables into which entries are sorted out, with their numbers."""
    return ((number, f"ids.part_{number:02}") for number in range(PARTS))


def missing(connection: duckdb.DuckDBPyConnection, named: set[str]) -> list[str]:
    """Return the statements that make the entries, and make them anew where the engine's hash has changed.

    What an older version did not enter is entered.
    """
    if "hashed_by" in named:
        probed = connection.execute("SELECT hash = hash(?), COLUMNS(*) FROM ids.hashed_by", [_PROBE]).fetchone()
        if probed is not None and probed[0]:
            changes = [] if "in_order" in named else [_IN_ORDER]
            return changes if probed[-1] == _FORM else [*changes, *_digests_missing(named)]
    changes = ["DROP SCHEMA IF EXISTS ids CASCADE", "CREATE SCHEMA ids", _IN_ORDER]
    changes += [f"CREATE TABLE {name} {_SHAPE}" for _, name in (*parts(), (0, "ids.fresh"))]
    changes += [_HASHED_BY]
    for kind in KINDS:
        if kind.table in named:
            changes += [entered(kind.table, id_columns(kind), kind.table)]
            changes += [*(sorted_out(number, name) for number, name in parts()), "DELETE FROM ids.fresh"]
    return changes


_HASHED_BY = f"CREATE OR REPLACE TABLE ids.hashed_by AS SELECT hash('{_PROBE}') AS hash, {_FORM} AS form"


def _digests_missing(named: set[str]) -> Iterator[str]:
    """Yield the statements that enter digests where there are none: each once, so nothing is brought together."""
    for kind in KINDS:
        if kind.digested and kind.table in named:
            entry = f"SELECT hash, {TABLES.index(kind.table)}, happened_at, happened_at FROM digests"  # noqa: S608 - names
            yield f"CREATE TEMP TABLE digests AS SELECT hash({_digest(kind)}) AS hash, happened_at FROM {kind.table}"  # noqa: S608
            yield from (f"INSERT INTO {name} {entry} WHERE hash % {PARTS} = {number}" for number, name in parts())
            yield "DROP TABLE digests"
    yield _HASHED_BY


def id_columns(kind: type[Fact]) -> list[str]:
    """Return the columns of a kind in which ids stand; the entries of a map may."""
    return [name for name, column in columns(kind).items() if column.is_id or name == FOREIGN]


def _digest(kind: type[Fact]) -> str:
    return f"md5({kind.digested})"


def entered(table: str, names: Sequence[str], source: str) -> str:
    """Return the statement that enters the ids that facts of a source have in these columns, of which there is one.

    The digest of a column goes with it.
    """
    kind = kind_of(table)
    every = [name for name in names if name != FOREIGN]
    if kind.digested in every:
        every.append(_digest(kind))
    if len(every) == len(names) == 1:
        return _entry(table, every[0], source)  # by far the quicker way
    lists = [f"[{', '.join(every)}]", *(f"map_values({name})" for name in names if name == FOREIGN)]
    listed = f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]
    return _entry(table, "id", f"(SELECT unnest({listed}) AS id, happened_at FROM {source})")  # noqa: S608 - names only


def _entry(table: str, rows: str, given: str) -> str:
    bearing = f"FROM {given} WHERE {rows} <> ''"
    entry = f"INSERT INTO ids.fresh SELECT hash({rows}), {TABLES.index(table)}"
    if table in _REPEATING:
        day = f"GROUP BY hash({rows}), date_trunc('day', happened_at)"
        return f"{entry}, min(happened_at), max(happened_at) {bearing} {day}"
    return f"{entry}, happened_at, happened_at {bearing}"


def sorted_out(number: int, name: str) -> str:
    """Return the statement that brings those of the new entries into a part that belong there."""
    return (
        f"INSERT INTO {name} SELECT hash, fact, min(first), max(last) FROM ids.fresh "  # noqa: S608 - names only
        f"WHERE hash % {PARTS} = {number} GROUP BY hash, fact, date_trunc('day', first)"
    )


def forgotten(table: str, name: str) -> str:
    """Return the statement that removes a table's entries from before a moment, which is bound, from a part."""
    return f"DELETE FROM {name} WHERE fact = {TABLES.index(table)} AND last < ?"  # noqa: S608 - names only


def spans(cursor: duckdb.DuckDBPyConnection, wanted: Sequence[str]) -> dict[str, list[Span]]:
    """Return where in time facts bear each of some ids, by table and day, oldest first."""
    found: dict[str, list[Span]] = {one: [] for one in wanted}
    if not found:
        return found
    asked = read(cursor, f"SELECT {', '.join(['hash(?)'] * len(found))}")
    hashes = cursor.execute(asked, list(found)).fetchone() or ()
    named = dict(zip(hashes, found, strict=True))
    for (hashed, fact, _), (first, last) in sorted(
        _by_day(cursor, hashes).items(), key=lambda one: (one[1][0], one[0])
    ):
        found[named[hashed]].append(Span(TABLES[fact], first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)))
    return found


def _by_day(cursor: duckdb.DuckDBPyConnection, hashes: Sequence[int]) -> _Days:
    """Return the first and the last moment of the entries of some hashes, by hash, fact and day."""
    asked, bound = _entries(hashes)
    some = cursor.execute(read(cursor, f"{asked} LIMIT {_FEW}"), bound).fetchall()
    if len(some) == _FEW:  # what few bear is sooner brought together here
        some = cursor.execute(
            f"SELECT hash, fact, min(first), max(last) FROM ({asked}) GROUP BY hash, fact, date_trunc('day', first)",  # noqa: S608
            bound,
        ).fetchall()
    days: _Days = {}
    for hashed, fact, first, last in some:
        day = (hashed, fact, first.date())
        earlier = days.get(day, (first, last))
        days[day] = min(first, earlier[0]), max(last, earlier[1])
    return days


def _entries(hashes: Sequence[int]) -> tuple[str, list[int]]:
    """Return the question for the entries of some hashes, and what is bound to it."""
    parted: dict[str, list[int]] = {"ids.fresh": list(hashes)}
    for hashed in hashes:
        parted.setdefault(f"ids.part_{hashed % PARTS:02}", []).append(hashed)
    parts = [
        f"SELECT hash, fact, first, last FROM {name} WHERE hash {same}"  # noqa: S608 - names only
        for name, those in parted.items()
        # a list of two takes the engine longer than two readings
        for same in (["= ?"] * len(those) if len(those) <= _SINGLY else [f"IN ({', '.join('?' * len(those))})"])
    ]
    return " UNION ALL ".join(parts), [hashed for those in parted.values() for hashed in those]
