"""The tables of the file: one for each kind of fact, its rollup, and the marks of what was loaded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb

from trunkline.catalogue.columns import columns
from trunkline.catalogue.facts import KINDS, Fact
from trunkline.telemetry.rollups import FACTS, Rollup, rollups
from trunkline.telemetry.stores.duckdb import lookup

_TYPES: dict[Any, str] = {
    str: "VARCHAR",
    int: "BIGINT",
    float: "DOUBLE",
    bool: "BOOLEAN",
    datetime: "TIMESTAMP",
    dict[str, str]: "MAP(VARCHAR, VARCHAR)",
}


def prepare(writer: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing: tables, columns that a newer version added, and what is made of older facts."""
    # to list all columns would bind every view of the engine's own, which takes longer than the rest
    named = {row[0] for row in writer.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    changes = []
    for kind in KINDS:
        wanted = _columns(kind)
        if kind.table not in named:
            changes.append(_create(kind.table, wanted))
            continue
        there = {row[1] for row in writer.execute(f"PRAGMA table_info({kind.table})").fetchall()}
        changes += [
            f"ALTER TABLE {kind.table} ADD COLUMN {name} {column}"
            for name, column in wanted.items()
            if name not in there
        ]
    if "loaded" not in named:
        changes.append("CREATE TABLE loaded (process VARCHAR, number BIGINT)")
    if "touched" not in named:
        changes.append("CREATE TABLE touched (fact VARCHAR, hour TIMESTAMP)")
    for rollup in rollups().values():
        if rollup.name not in named:
            changes += [_create(rollup.name, _rolled(rollup)), filled(rollup, rollup.table)]
    changes += [*lookup.missing(writer, named)]
    if not changes:
        return
    writer.execute("BEGIN")
    for change in changes:
        writer.execute(change)
    writer.execute("COMMIT")
    writer.execute("CHECKPOINT")


def filled(rollup: Rollup, source: str) -> str:
    """Return the statement that adds to a rollup what facts of a source make."""
    by = ", ".join(rollup.by)
    made = [f"count(*) AS {FACTS}"]
    for number in rollup.numbers:
        made += [f"{agg}({number}) AS {number}_{agg}" for agg in ("sum", "count", "min", "max")]
    return (
        f"INSERT INTO {rollup.name} BY NAME SELECT date_trunc('minute', happened_at) AS happened_at, {by}, "  # noqa: S608 - names only
        f"{', '.join(made)} FROM {source} GROUP BY ALL"
    )


def gathered(rollup: Rollup) -> list[str]:
    """Return the statements that bring the rows of a rollup together, for those in the table `hours`."""
    within = "WHERE date_trunc('hour', happened_at) IN (SELECT hour FROM hours)"
    made = ", ".join(f"{how}({name}) AS {name}" for name, how in rollup.sums.items())
    rows = f"SELECT happened_at, {', '.join(rollup.by)}, {made} FROM {rollup.name} {within}"  # noqa: S608 - names only
    return [
        f"CREATE OR REPLACE TEMP TABLE together AS {rows} GROUP BY ALL ORDER BY happened_at",
        f"DELETE FROM {rollup.name} {within}",  # noqa: S608
        f"INSERT INTO {rollup.name} BY NAME SELECT * FROM together",  # noqa: S608
        "DROP TABLE together",
    ]


def _create(table: str, wanted: dict[str, str]) -> str:
    return f"CREATE TABLE {table} ({', '.join(f'{name} {column}' for name, column in wanted.items())})"


def _columns(kind: type[Fact]) -> dict[str, str]:
    """Return the columns of a kind; rows from before a column was added hold the field's default."""
    found = {}
    for name, column in columns(kind).items():
        written = _TYPES[column.of]
        if isinstance(column.default, bool | int | float):
            written += f" DEFAULT {column.default}"
        elif column.is_map:
            written += " DEFAULT MAP {}"
        elif column.of is str:
            written += f" DEFAULT '{column.default or ''}'"
        found[name] = written
    return found


def _rolled(rollup: Rollup) -> dict[str, str]:
    kind = next(kind for kind in KINDS if kind.table == rollup.table)
    by = {name: _TYPES[columns(kind)[name].of] for name in rollup.by}
    sums = {name: "BIGINT" if name == FACTS or name.endswith("_count") else "DOUBLE" for name in rollup.sums}
    return {"happened_at": "TIMESTAMP", **by, **sums}
