"""Rollups: what most questions ask of facts that never change, kept by the minute.

A rollup has the facts' `happened_at`, cut to the minute, the columns it is `rolled_by`, how many `facts` there were,
and of every number their sum, how many it was of, the least and the most. It is summed when it is read, so parts of
one minute may stand in several rows.
"""

from __future__ import annotations

from functools import cache

import msgspec

from trunkline.catalogue.columns import MOMENT, columns
from trunkline.catalogue.facts import KINDS

MINUTE_US = 60_000_000
FACTS = "facts"
"""How many facts a row of a rollup stands for."""


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """The rollup of a table: by which columns, and of which numbers."""

    table: str
    by: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Where it is kept."""
        return f"{self.table}_by_minute"

    @property
    def sums(self) -> dict[str, str]:
        """How each of its columns is made of facts, and how of its own rows: name and aggregate of that name."""
        found = {FACTS: "sum"}
        for number in self.numbers:
            found |= {f"{number}_sum": "sum", f"{number}_count": "sum", f"{number}_min": "min", f"{number}_max": "max"}
        return found

    @property
    def of_one(self) -> dict[str, str]:
        """What each of those columns is for a single fact, as SQL that every engine reads."""
        found = {FACTS: "1"}
        for number in self.numbers:
            is_one = f"CASE WHEN {number} IS NULL THEN 0 ELSE 1 END"
            found |= {f"{number}_{what}": number for what in ("sum", "count", "min", "max")}
            found[f"{number}_count"] = is_one
        return found


@cache
def rollups() -> dict[str, Rollup]:
    """Return the rollups there are, by the table that they are of."""
    found = {}
    for kind in KINDS:
        if kind.rolled_by:
            those = columns(kind)
            numbers = tuple(
                name for name, column in those.items() if column.of is float and name not in (*kind.rolled_by, MOMENT)
            )
            found[kind.table] = Rollup(table=kind.table, by=kind.rolled_by, numbers=numbers)
    return found
