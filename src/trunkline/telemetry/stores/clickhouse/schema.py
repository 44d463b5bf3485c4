"""The tables of the database: what is kept of each kind of fact, its rollup and its ids, and the journal of blocks.

Every row bears the block that it came with (`kept_block`). A row of a record bears its place in it, too: that names it
when a later piece makes another of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from trunkline.catalogue.columns import MOMENT, Column, columns, kind_of
from trunkline.catalogue.facts import KINDS, Fact
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.rollups import FACTS, MINUTE_US, Rollup, rollups
from trunkline.telemetry.stores.clickhouse.server import Server

BLOCK, PLACE = "kept_block", "kept_place"
FOREIGN = "foreign_ids"
"""The map in which other systems' ids of a fact stand."""
TABLES = tuple(kind.table for kind in KINDS)
"""A fact's table by its number in an entry of `ids`: new kinds go to the end of KINDS."""
_MOMENT = "DateTime64(6, 'UTC')"
_TYPES: dict[Any, str] = {
    str: "String",
    int: "Int64",
    float: "Float64",
    bool: "Bool",
    datetime: _MOMENT,
    dict[str, str]: "Map(String, String)",
}
# an insert is on the disk when it is answered, and one that is sent again is known
_SETTINGS = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000"
_MINUTE = (
    "fromUnixTimestamp64Micro(toUnixTimestamp64Micro(happened_at) - "
    f"positiveModulo(toUnixTimestamp64Micro(happened_at), {MINUTE_US}), 'UTC')"
)
_BOOKS = {
    "journal": ("source String, block UInt64, number Int64", "(source, block)"),
    "void": ("fact String, first UInt64, last UInt64, by UInt64", "(first, last)"),
    "gone": (f"fact String, {BLOCK} UInt64, old_block UInt64, old_place UInt32", f"(fact, {BLOCK})"),
    "lives": ("life String, since UInt64", "since"),
}
_WANTED = (
    f"CREATE TABLE wanted ({BLOCK} UInt64, key Array(String), asked_at DateTime DEFAULT now()) ENGINE = MergeTree "
    f"ORDER BY {BLOCK} TTL asked_at + INTERVAL 1 HOUR SETTINGS ttl_only_drop_parts = 1"
)
_IDS = (
    f"CREATE TABLE ids (hash UInt64, fact UInt8, day Date32, first SimpleAggregateFunction(min, {_MOMENT}), "
    f"last SimpleAggregateFunction(max, {_MOMENT})) ENGINE = AggregatingMergeTree ORDER BY (hash, fact, day) "
    f"{_SETTINGS}"
)


def kept(table: str) -> str:
    """Return the name under which the rows of a table stand."""
    return f"kept_{table}"


def prepare(server: Server) -> None:
    """Create what is missing: tables, columns that a newer version added, and what is made of older facts."""
    found = server.rows(Plan("SELECT table, name FROM system.columns WHERE database = ?", (server.database,)))
    there = {(table, name) for table, name in found}
    named = {table for table, _ in there}
    for kind in KINDS:
        if kept(kind.table) not in named:
            server.run(Plan(_create(kind)))
            continue
        for name, column in columns(kind).items():
            if (kept(kind.table), name) not in there:
                server.run(Plan(f"ALTER TABLE {kept(kind.table)} ADD COLUMN {name} {_written(column)}"))
    for name, (written, order) in _BOOKS.items():
        if name not in named:
            server.run(Plan(f"CREATE TABLE {name} ({written}) ENGINE = MergeTree ORDER BY {order} {_SETTINGS}"))
    if "wanted" not in named:
        server.run(Plan(_WANTED))
    if "ids" not in named:
        server.run(Plan(_IDS))
    for rollup in rollups().values():
        if kept(rollup.name) not in named:
            server.run(Plan(_create_rollup(rollup)))
    for kind in KINDS:
        for name, into, select in _followers(kind):
            _follow(server, name, into, select, named)


def _followers(kind: type[Fact]) -> Iterator[tuple[str, str, str]]:
    """Yield what is filled by a kind of fact: the name of that, the table, and what goes there."""
    yield f"{kind.table}_into_ids", "ids", _entered(kind)
    if kind.digested:
        # apart, so that a database of an older version gains them
        yield f"{kind.table}_digests_into_ids", "ids", _entries(kind, [f"lower(hex(MD5({kind.digested})))"])
    if kind.table in rollups():
        rollup = rollups()[kind.table]
        columns_of = ", ".join(rollup_columns(rollup))
        yield f"{rollup.name}_from_facts", f"{kept(rollup.name)} ({columns_of})", _rolled(rollup)


def _follow(server: Server, name: str, into: str, select: str, named: set[str]) -> None:
    """Let a table be filled by what comes into another; what is there already is filled in first."""
    if name in named:
        return
    table = into.partition(" ")[0]
    if table != "ids":  # an entry that is there twice is one
        server.run(Plan(f"TRUNCATE TABLE {table}"))  # a start that was cut short may have filled it
    server.run(Plan(f"INSERT INTO {into} {select}"))
    server.run(Plan(f"CREATE MATERIALIZED VIEW {name} TO {table} AS {select}"))


def id_columns(kind: type[Fact]) -> list[str]:
    """Return the columns of a kind in which ids stand; the entries of a map may."""
    return [name for name, column in columns(kind).items() if column.is_id or name == FOREIGN]


def _entered(kind: type[Fact]) -> str:
    names = id_columns(kind)
    lists = [f"mapValues({name})" for name in names if name == FOREIGN]
    return _entries(kind, [name for name in names if name != FOREIGN], lists)


def _entries(kind: type[Fact], those: Sequence[str], lists: Sequence[str] = ()) -> str:
    lists = [f"[{', '.join(those)}]", *lists]
    return (
        f"SELECT cityHash64(id) AS hash, {TABLES.index(kind.table)} AS fact, toDate32(happened_at) AS day, "  # noqa: S608
        "min(happened_at) AS first, max(happened_at) AS last FROM "
        f"(SELECT arrayJoin(arrayConcat({', '.join(lists)})) AS id, happened_at FROM {kept(kind.table)}) "
        "WHERE id != '' GROUP BY hash, fact, day"
    )


def _rolled(rollup: Rollup) -> str:
    made = [f"count() AS {FACTS}"]
    for number in rollup.numbers:
        made += [f"sumOrNull({number}) AS {number}_sum", f"count({number}) AS {number}_count"]
        made += [f"{agg}OrNull({number}) AS {number}_{agg}" for agg in ("min", "max")]
    by = ", ".join((*rollup.by, BLOCK))
    read = ", ".join((*rollup.by, *rollup.numbers, BLOCK))
    return (
        f"SELECT minute AS happened_at, {by}, {', '.join(made)} FROM "  # noqa: S608 - names only
        f"(SELECT {read}, {_MINUTE} AS minute FROM {kept(rollup.table)}) GROUP BY happened_at, {by}"
    )


def gathered(rollup: Rollup) -> str:
    """Return the question that brings rows of a rollup together, but for which; the block that they get is `block`."""
    made = ", ".join(f"{how}({name}) AS {name}_" for name, how in rollup.sums.items())
    return f"SELECT happened_at, {', '.join(rollup.by)}, {{block:UInt64}} AS {BLOCK}_, {made} FROM {rollup.name}"  # noqa: S608


def rollup_columns(rollup: Rollup) -> list[str]:
    """Return the columns of a rollup in the order in which it is gathered."""
    return [MOMENT, *rollup.by, BLOCK, *rollup.sums]


def _create(kind: type[Fact]) -> str:
    written = [f"{name} {_written(column)}" for name, column in columns(kind).items()]
    written.append(f"{BLOCK} UInt64 CODEC(Delta, ZSTD)")
    if kind.key:
        written.append(f"{PLACE} UInt32")
    first = "call_id" if "call_id" in columns(kind) and not kind.key else "resource"
    return (
        f"CREATE TABLE {kept(kind.table)} ({', '.join(written)}) ENGINE = MergeTree "
        f"PARTITION BY toYYYYMM(happened_at) ORDER BY (toDate32(happened_at), {first}, happened_at) {_SETTINGS}"
    )


def _create_rollup(rollup: Rollup) -> str:
    those = columns(kind_of(rollup.table))
    written = [f"happened_at {_MOMENT}", *(f"{name} {_TYPES[those[name].of]}" for name in rollup.by)]
    written += [
        f"{name} {'Int64' if name == FACTS or name.endswith('_count') else 'Nullable(Float64)'}" for name in rollup.sums
    ]
    return (
        f"CREATE TABLE {kept(rollup.name)} ({', '.join(written)}, {BLOCK} UInt64) ENGINE = MergeTree "
        f"PARTITION BY toYYYYMM(happened_at) ORDER BY (toDate32(happened_at), resource, happened_at) {_SETTINGS}"
    )


def _written(column: Column) -> str:
    """Return a column's type; rows from before it was added hold the field's default."""
    kind = _TYPES[column.of]
    if column.is_optional:
        return f"Nullable({kind})"
    if isinstance(column.default, bool | int | float):
        return f"{kind} DEFAULT {str(column.default).lower()}"
    if column.of is str:
        return f"{kind} DEFAULT '{column.default or ''}'"
    return kind
