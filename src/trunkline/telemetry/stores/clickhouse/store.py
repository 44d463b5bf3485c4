"""The store: whole blocks written by one thread, and questions over the blocks that are done."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import MOMENT, kind_of
from trunkline.errors import ConfigurationError, ConflictError, UnavailableError
from trunkline.telemetry.batches import schema
from trunkline.telemetry.dialects import CLICKHOUSE
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.rollups import rollups
from trunkline.telemetry.store import NONE_REPLACED, Frozen, Span
from trunkline.telemetry.stores.clickhouse.address import Address, read
from trunkline.telemetry.stores.clickhouse.journal import Horizon, Journal, Void
from trunkline.telemetry.stores.clickhouse.schema import (
    BLOCK,
    PLACE,
    TABLES,
    gathered,
    kept,
    prepare,
    rollup_columns,
)
from trunkline.telemetry.stores.clickhouse.server import WRITING_S, Server

_GATHER_S = 600.0
_GATHERED = 50_000
# until then a question may read what was replaced, and a statement that was given up may still go on at the server
_SETTLED_S = 2.0 * WRITING_S
_FARTHEST = timedelta(days=7)
_COUNTED = {*TABLES, *(rollup.name for rollup in rollups().values())}
_NAMES = re.compile(rf"\b(?:{'|'.join(sorted(_COUNTED, key=len, reverse=True))})\b")


class ClickHouseStore:
    """A database of a ClickHouse server, for one process that writes."""

    dialect = CLICKHOUSE

    def __init__(self, address: Address | str) -> None:
        self._writing = threading.Lock()
        self._is_open = True
        self._server = Server(read(address) if isinstance(address, str) else address)
        try:
            prepare(self._server)
            self._journal = Journal(self._server)
        except UnavailableError as error:
            self._server.close()
            raise ConfigurationError(f"The fact store {self.name} cannot be opened: {error.message}") from error
        self._tidied = time.monotonic()
        self._loose = dict.fromkeys(rollups(), 0)
        self._gathered = dict.fromkeys(rollups(), self._journal.life)
        # up to which block what was replaced will be removed, and when that became known
        self._replaced = dict.fromkeys(self._journal.horizon.replacing, (self._journal.life, self._tidied))

    @property
    def name(self) -> str:
        """The address, without the password."""
        return self._server.name

    def loaded(self, source: str) -> int:
        """Return the highest number of that source whose facts are here; raises UnavailableError."""
        self._check_open()
        if self._journal.is_doubtful:
            with self._writing:
                self._journal.settle()
        return self._journal.loaded(source)

    def append(
        self, batches: Mapping[str, Any], marks: Mapping[str, int], replaced: Mapping[str, Any] = NONE_REPLACED
    ) -> None:
        """Add batches by table, take away the records `replaced`, and mark each source's number, all or nothing.

        Raises UnavailableError when the store cannot write; whether it did shows in `loaded`.
        """
        self._check_open()
        for table in (*batches, *replaced):
            if table not in TABLES:
                raise KeyError(table)
        with self._writing:
            block = self._journal.begin()
            try:
                for table, rows in batches.items():
                    if len(rows):
                        self._server.insert(kept(table), _of_block(table, rows, block), f"{block}-{table}")
                for table, rows in replaced.items():
                    self._replace(table, rows, block)
                self._journal.end(block, marks, replaced=frozenset(replaced))
            except BaseException:
                self._journal.doubt(block, replaced=frozenset(replaced))
                raise
            for table in self._loose.keys() & batches.keys():
                self._loose[table] += len(batches[table])

    def known(self, table: str, pieces: Any) -> Any:
        """Return the records that pieces belong to, those within a week of them; raises UnavailableError."""
        self._check_open()
        wanted = schema(kind_of(table))
        first, last = _ends(pieces)
        with self._writing:
            plan = self._of_keys(table, wanted.names, pieces, (first - _FARTHEST, last + _FARTHEST))
            found = self.table(plan)
        return found.cast(wanted)

    def _of_keys(self, table: str, names: list[str], records: Any, ends: tuple[datetime, datetime]) -> Plan:
        """Plan the records that have the keys of others, in a span; the keys go to the server beforehand."""
        key = kind_of(table).key
        number = self._journal.number()
        given = [records.column(name).to_pylist() for name in key]
        keys = pa.array([list(one) for one in set(zip(*given, strict=True))], pa.list_(pa.string()))
        asked = pa.table({BLOCK: pa.array([number] * len(keys), pa.uint64()), "key": keys})
        self._server.insert("wanted", asked, f"wanted-{number}")
        parts = ", ".join(f"key[{place}]" for place in range(1, len(key) + 1))
        return Plan(
            f"SELECT {', '.join(names)} FROM {table} WHERE happened_at BETWEEN ? AND ? "  # noqa: S608 - names only
            f"AND ({', '.join(key)}) IN (SELECT {parts} FROM wanted WHERE {BLOCK} = ?)",
            (*ends, number),
        )

    def _replace(self, table: str, records: Any, block: int) -> None:
        """Note that records are replaced as soon as a block is done."""
        there = self._of_keys(table, [BLOCK, PLACE], records, _ends(records))
        sql, names = _counting(there, self._journal.horizon)
        insert = f"INSERT INTO gone (fact, {BLOCK}, old_block, old_place) "
        select = f"SELECT '{table}', {{block:UInt64}}, {BLOCK}, {PLACE} FROM ({sql})"  # noqa: S608 - names only
        self._server.run(Plan(insert + select, there.bound), {**names, "block": block})

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a planned question and return its rows; raises UnavailableError."""
        self._check_open()
        sql, names = _counting(plan, self._journal.horizon)
        return self._server.rows(Plan(sql, plan.bound), names)

    def table(self, plan: Plan) -> Any:
        """Run a planned question and return its answer as an Arrow table; raises UnavailableError."""
        self._check_open()
        sql, names = _counting(plan, self._journal.horizon)
        return self._server.table(Plan(sql, plan.bound), names)

    def spans(self, wanted: Sequence[str]) -> dict[str, list[Span]]:
        """Return where in time facts bear each of some ids, by table and day, oldest first; raises UnavailableError.

        Ids of facts that never came to count may be told, too.
        """
        self._check_open()
        found: dict[str, list[Span]] = {one: [] for one in wanted}
        if not found:
            return found
        names = list(found)
        hashes = ", ".join(["cityHash64(?)"] * len(names))
        entries = self._server.rows(
            Plan(
                f"SELECT indexOf([{hashes}], hash), fact, min(first), max(last) FROM ids "  # noqa: S608 - no values
                f"WHERE hash IN ({hashes}) GROUP BY hash, fact, day ORDER BY 3, 2",
                (*names, *names),
            )
        )
        for place, fact, first, last in entries:
            found[names[place - 1]].append(Span(TABLES[fact], _aware(first), _aware(last)))
        return found

    def forget(self, table: str, before: datetime) -> bool:
        """Remove the facts of a table from before a moment, and what was made of them; raises UnavailableError.

        The moment counts to the minute, so that a rollup and its facts stay equal.
        """
        self._check_open()
        if table not in TABLES:
            raise KeyError(table)
        moment = before.astimezone(UTC).replace(second=0, microsecond=0)
        names = [table, *(rollup.name for rollup in rollups().values() if rollup.table == table)]
        with self._writing:
            for name in names:
                if self._drop_months(kept(name), moment):
                    self._server.run(Plan(f"DELETE FROM {kept(name)} WHERE happened_at < ?", (moment,)))  # noqa: S608
            self._server.run(Plan("DELETE FROM ids WHERE fact = ? AND last < ?", (TABLES.index(table), moment)))
        return False

    def freeze(self) -> Frozen:
        """Raise ConflictError: a server of its own is backed up with its own tools."""
        raise ConflictError("The facts are in a database of its own: back it up with that one's tools.")

    def figures(self) -> dict[str, int]:
        """Return the `bytes` on the server's disk. For a thread; raises UnavailableError."""
        size = "SELECT toInt64(sum(bytes_on_disk)) FROM system.parts WHERE database = ? AND active"
        return {"bytes": int(self._server.rows(Plan(size, (self._server.database,)))[0][0] or 0)}

    def _drop_months(self, table: str, moment: datetime) -> bool:
        """Drop the months that lie before a moment, which frees their space at once; tell whether its own is there."""
        partitions = self._server.rows(
            Plan(
                "SELECT DISTINCT toUInt32(partition) FROM system.parts WHERE database = ? AND table = ? AND active",
                (self._server.database, table),
            )
        )
        month = moment.year * 100 + moment.month
        for (one,) in partitions:
            if one < month:
                self._server.run(Plan(f"ALTER TABLE {table} DROP PARTITION {one}"))
        return (month,) in partitions

    def tidy(self, *, is_calm: bool = True) -> None:  # noqa: ARG002 - nothing here waits for that
        """Bring rollups together, and remove what counts no more: each when it is due; raises UnavailableError."""
        now = time.monotonic()
        is_due = now - self._tidied >= _GATHER_S
        for table, loose in self._loose.items():
            if loose >= _GATHERED or (is_due and loose):
                self._gather(table)
        if is_due:
            self._tidied = now
            self._sweep(now)

    def _gather(self, table: str) -> None:
        """Bring together the rows that a rollup has gained: a block that counts in place of those."""
        rollup = rollups()[table]
        with self._writing:
            block = self._journal.begin()
            first, last = self._gathered[table] + 1, self._journal.horizon.last
            older = Void(rollup.name, first, last, time.monotonic())
            by = ", ".join(("happened_at", *rollup.by))
            sql, names = _counting(Plan(gathered(rollup)), self._journal.horizon)
            names |= {"block": block, "low": first, "high": last}
            within = f"{sql} WHERE {BLOCK} BETWEEN {{low:UInt64}} AND {{high:UInt64}} GROUP BY {by}"
            try:
                self._server.run(
                    Plan(f"INSERT INTO {kept(rollup.name)} ({', '.join(rollup_columns(rollup))}) {within}"), names
                )
                self._journal.end_instead(block, older)
            except BaseException:
                self._journal.doubt(block, instead=older)
                raise
            self._gathered[table] = block
            self._loose[table] = 0

    def _sweep(self, now: float) -> None:
        """Remove the rows that count no more, once nobody can be reading them."""
        with self._writing:
            self._journal.settle()
            for void in self._journal.horizon.voids:
                if now - void.since >= _SETTLED_S:
                    for name in [void.fact] if void.fact else sorted(_COUNTED):
                        self._server.run(
                            Plan(f"DELETE FROM {kept(name)} WHERE {BLOCK} BETWEEN ? AND ?", (void.first, void.last))  # noqa: S608
                        )
                    self._journal.forget(void)
            for table in self._journal.horizon.replacing:
                block, since = self._replaced.setdefault(table, (self._journal.horizon.last, now))
                if now - since >= _SETTLED_S:
                    self._remove_replaced(table, block)
                    self._replaced[table] = (self._journal.horizon.last, now)
            self._journal.prune()

    def _remove_replaced(self, table: str, up_to: int) -> None:
        """Remove the records that were replaced by blocks up to one; the blocks that are void replaced none."""
        told, names = self._journal.horizon.marked(BLOCK)
        gone = f"FROM gone WHERE fact = '{table}' AND {BLOCK} <= {{up_to:UInt64}}"
        names |= {"up_to": up_to}
        replaced = f"SELECT old_block, old_place {gone} AND {told}"
        self._server.run(Plan(f"DELETE FROM {kept(table)} WHERE ({BLOCK}, {PLACE}) IN ({replaced})"), names)  # noqa: S608
        self._server.run(Plan(f"DELETE {gone}"), {"up_to": up_to})

    def _check_open(self) -> None:
        if not self._is_open:
            raise UnavailableError("The fact store cannot be read now.")

    def close(self) -> None:
        """Close the store."""
        with self._writing:
            self._is_open = False
            self._server.close()


def _counting(plan: Plan, horizon: Horizon) -> tuple[str, dict[str, int]]:
    """Return a question over the rows that count: each table that it names stands for those."""
    names: dict[str, int] = {}
    tables = []
    for table in sorted(set(_NAMES.findall(plan.sql))):
        counted, given = horizon.counted(table)
        tables.append(f"{table} AS ({counted})")
        names |= given
    if not tables:
        return plan.sql, names
    rest = f", {plan.sql[5:]}" if plan.sql.startswith("WITH ") else f" {plan.sql}"
    return f"WITH {', '.join(tables)}{rest}", names


def _of_block(table: str, rows: Any, block: int) -> Any:
    """Return rows with the block that they belong to; those of records with their place in it."""
    rows = rows.append_column(BLOCK, pa.array([block] * len(rows), pa.uint64()))
    if kind_of(table).key:
        rows = rows.append_column(PLACE, pa.array(range(len(rows)), pa.uint32()))
    return rows


def _ends(rows: Any) -> tuple[datetime, datetime]:
    ends = pc.min_max(rows.column(MOMENT))
    return ends["min"].as_py(), ends["max"].as_py()


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
