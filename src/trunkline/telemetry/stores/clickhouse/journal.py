"""The journal of blocks: what came in together counts from the moment when its block is done, and not before.

There are no transactions over several tables, so every row bears its block, and one insert into the journal makes the
block done: it carries the numbers of the sources, too. A block that failed is void before another begins, so that
what still arrives of it, even its end, never counts. Blocks are begun by one process, each later than all before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.errors import UnavailableError
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.stores.clickhouse.schema import BLOCK, PLACE, kept
from trunkline.telemetry.stores.clickhouse.server import Server


class Void(msgspec.Struct, frozen=True):
    """Blocks of which nothing counts, in one table or ("") in all, and since when (a clock of our own)."""

    fact: str
    first: int
    last: int
    since: float


class _Doubt(msgspec.Struct, frozen=True):
    """A block of which nobody knows how it ended, and what counts with it."""

    block: int
    replaced: frozenset[str]
    instead: Void | None


class Horizon(msgspec.Struct, frozen=True):
    """What counts: blocks up to the last that is done, but for what is void and what was replaced."""

    last: int = 0
    voids: tuple[Void, ...] = ()
    replacing: frozenset[str] = frozenset()

    def counted(self, table: str) -> tuple[str, dict[str, int]]:
        """Return the rows of a table that count, as a statement with named parameters."""
        names = {"last": self.last}
        told = self._told(BLOCK, table, names)
        if table in self.replacing:
            replaced = (
                f"SELECT old_block, old_place FROM gone WHERE fact = '{table}' AND {self._told(BLOCK, '', names)}"  # noqa: S608
            )
            told += f" AND ({BLOCK}, {PLACE}) NOT IN ({replaced})"
        return f"SELECT * FROM {kept(table)} WHERE {told}", names  # noqa: S608 - names only

    def marked(self, column: str = "block") -> tuple[str, dict[str, int]]:
        """Return the condition that an entry of the books counts, by its block, with named parameters."""
        names = {"last": self.last}
        return self._told(column, "", names), names

    def _told(self, column: str, table: str, names: dict[str, int]) -> str:
        told = f"{column} <= {{last:UInt64}}"
        for place, void in enumerate(self.voids):
            if void.fact in {"", table}:
                names |= {f"first_{place}": void.first, f"last_{place}": void.last}
                told += f" AND NOT ({column} BETWEEN {{first_{place}:UInt64}} AND {{last_{place}:UInt64}})"
        return told


class Journal:
    """The journal as the one process that writes knows it; all but `horizon` is for who holds the writer's lock."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._doubtful: _Doubt | None = None
        known = server.rows(Plan("SELECT (SELECT max(block) FROM journal), (SELECT max(last) FROM void)"))
        last = max(int(value or 0) for value in known[0])
        self._begun = self.life = max(last, time.time_ns() // 1000) + 1
        # what the process before left undone, and whatever of it is still on its way
        self._void("", last + 1, self.life, by=0)
        server.insert(
            "lives", pa.table({"life": [str(self.life)], "since": _numbers([self.life])}), f"life-{self.life}"
        )
        now = time.monotonic()
        written = server.rows(Plan("SELECT fact, first, last, by FROM void ORDER BY 2"))
        blank = [(first, end) for _, first, end, by in written if not by]
        voids = [  # older blocks of a table are void if the one that stands in for them is not
            Void(fact, first, end, now)
            for fact, first, end, by in written
            if not by or not any(low <= by <= high for low, high in blank)
        ]
        replacing = frozenset(fact for (fact,) in server.rows(Plan("SELECT DISTINCT fact FROM gone")))
        self.horizon = Horizon(self.life, tuple(voids), replacing)

    def begin(self) -> int:
        """Return the number of a new block, once it is known how the one before ended; raises UnavailableError."""
        self.settle()
        self._check_life()
        return self.number()

    def number(self) -> int:
        """Return a number that no block had before."""
        self._begun = max(self._begun, time.time_ns() // 1000) + 1
        return self._begun

    def doubt(self, block: int, *, replaced: frozenset[str] = frozenset(), instead: Void | None = None) -> None:
        """Note that a block failed, and nobody knows how far it came; and what its end would have brought about."""
        self._doubtful = _Doubt(block, replaced, instead)

    def settle(self) -> None:
        """Find out how a block that failed ended, and make sure that it stays so; raises UnavailableError."""
        doubt = self._doubtful
        if doubt is None:
            return
        block = doubt.block
        done = self._server.rows(Plan("SELECT count() FROM journal WHERE source = '' AND block = ?", (block,)))
        if done[0][0]:
            self._count(block, doubt.instead, doubt.replaced)
        else:
            self._void("", block, block, by=0)
            self._count(block, Void("", block, block, time.monotonic()))
        self._doubtful = None

    @property
    def is_doubtful(self) -> bool:
        """Whether it is not known how the last block ended."""
        return self._doubtful is not None

    def end(self, block: int, marks: Mapping[str, int], *, replaced: frozenset[str] = frozenset()) -> None:
        """Make a block count, with the numbers of its sources: one insert, there whole or not at all."""
        sources = ["", *marks]
        numbers = pa.array([0, *marks.values()], pa.int64())
        rows = pa.table({"source": sources, "block": _numbers([block] * len(sources)), "number": numbers})
        self._server.insert("journal", rows, f"end-{block}")
        self._count(block, replaced=replaced)

    def end_instead(self, block: int, older: Void) -> None:
        """Make a block count in place of older ones of a table."""
        self._void(older.fact, older.first, older.last, by=block)
        rows = pa.table({"source": [""], "block": _numbers([block]), "number": pa.array([0], pa.int64())})
        self._server.insert("journal", rows, f"end-{block}")
        self._count(block, older)

    def loaded(self, source: str) -> int:
        """Return the last number of a source that counts."""
        told, names = self.horizon.marked()
        plan = Plan(f"SELECT argMax(number, block) FROM journal WHERE source = ? AND {told}", (source,))  # noqa: S608
        return int(self._server.rows(plan, names)[0][0] or 0)

    def forget(self, void: Void) -> None:
        """Forget a void whose rows are gone; what was noted under its blocks goes with it."""
        if not void.fact:
            ends = (void.first, void.last)
            self._server.run(Plan("DELETE FROM journal WHERE block BETWEEN ? AND ?", ends))
            self._server.run(Plan(f"DELETE FROM gone WHERE {BLOCK} BETWEEN ? AND ?", ends))  # noqa: S608 - a name
            self._server.run(Plan("DELETE FROM void WHERE by BETWEEN ? AND ?", ends))
        self._server.run(
            Plan("DELETE FROM void WHERE fact = ? AND first = ? AND last = ?", (void.fact, void.first, void.last))
        )
        self.horizon = msgspec.structs.replace(
            self.horizon, voids=tuple(one for one in self.horizon.voids if one is not void)
        )

    def prune(self) -> None:
        """Forget all numbers of a source but its last."""
        told, names = self.horizon.marked()
        newest = f"SELECT source, max(block) FROM journal WHERE {told} GROUP BY source"  # noqa: S608
        plan = Plan(f"DELETE FROM journal WHERE {told} AND (source, block) NOT IN ({newest})")  # noqa: S608
        self._server.run(plan, names)

    def _count(self, block: int, void: Void | None = None, replaced: frozenset[str] = frozenset()) -> None:
        """Let the horizon move to a block, all at once."""
        self.horizon = Horizon(
            block, (*self.horizon.voids, *((void,) if void else ())), self.horizon.replacing | replaced
        )

    def _void(self, fact: str, first: int, last: int, *, by: int) -> None:
        rows = pa.table({"fact": [fact], "first": _numbers([first]), "last": _numbers([last]), "by": _numbers([by])})
        self._server.insert("void", rows, f"void-{fact}-{first}-{last}")

    def _check_life(self) -> None:
        newest = self._server.rows(Plan("SELECT argMax(life, since) FROM lives"))[0][0]
        if newest != str(self.life):
            raise UnavailableError(
                f"Another Trunkline has taken over the fact store {self._server.name}; stop one of them."
            )


def _numbers(values: list[Any]) -> Any:
    return pa.array(values, pa.uint64())
