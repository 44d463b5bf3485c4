"""Turns a question into one statement of SQL; the only place where SQL over facts is composed.

Names come from the catalogue only; every value is bound, never formatted in.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trunkline.catalogue.facts import KINDS
from trunkline.catalogue.rows import Measure
from trunkline.clock import microseconds
from trunkline.errors import InvalidError
from trunkline.telemetry.questions import Condition, Series

_MOMENT = "happened_at"
# the columns of each table that can split and filter, and whether each is a map of further ones
_COLUMNS = {
    kind.table: {
        name: typing.get_origin(of) is dict
        for name, of in typing.get_type_hints(kind).items()
        if name in kind.__struct_fields__ and name != _MOMENT
    }
    for kind in KINDS
}
_LARGEST = 2**62


@dataclass(frozen=True)
class Plan:
    """A statement and what is bound to its question marks."""

    sql: str
    bound: tuple[Any, ...]


@dataclass(frozen=True)
class Dialect:
    """How one engine spells what they spell differently."""

    bucket: str = "(epoch_us(happened_at) - ?) // ?"
    entry: str = "coalesce({column}[?], '')"
    text: str = "CAST({expression} AS VARCHAR)"
    count_if: str = "count(*) FILTER (WHERE {condition})"
    aggregate_if: str = "{aggregate}({column}) FILTER (WHERE {condition})"


DUCKDB = Dialect()


class Planner:
    """Plans questions over the catalogue's measures."""

    def __init__(self, measures: dict[str, Measure], dialect: Dialect = DUCKDB) -> None:
        self._measures = measures
        self._dialect = dialect

    def plan(self, question: Series) -> Plan:
        """Plan a series: rows of (step number, split values…, measure values…), in order of time.

        Raises InvalidError for unknown measures and columns (naming the nearest), and for measures of different
        facts.
        """
        table = self._table(question)
        bound: list[Any] = []
        columns, groups = [self._step(question, bound)], ["1"]
        for place, name in enumerate(question.by, start=2):
            columns.append(self._text(table, name, bound))
            groups.append(str(place))
        columns += [self._measure(name, bound) for name in question.measures]
        conditions = ["happened_at >= ?", "happened_at < ?"]
        bound += [_naive(question.start), _naive(question.end)]
        conditions += [self._condition(table, condition, bound) for condition in question.where]
        sql = (
            f"SELECT {', '.join(columns)} FROM {table} WHERE {' AND '.join(conditions)} "  # noqa: S608 - names only
            f"GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}"
        )
        return Plan(sql, tuple(bound))

    def _table(self, question: Series) -> str:
        if not question.measures:
            raise InvalidError("A question needs at least one measure.")
        tables = {self._source(name) for name in question.measures}
        if len(tables) > 1:
            raise InvalidError("The measures of one question must be of the same fact.")
        return tables.pop()

    def _source(self, name: str) -> str:
        measure = self._measures.get(name)
        if measure is None:
            raise InvalidError(f"There is no measure {name!r}{_nearest(name, self._measures)}.", target=name)
        return self._source(measure.ratio[0]) if measure.ratio else measure.source

    def _step(self, question: Series, bound: list[Any]) -> str:
        if question.step_s is None:
            return "0"
        if not 0 < question.step_s <= _LARGEST // 1_000_000:
            raise InvalidError("A step is at least one second long.", target="step_s")
        bound += [microseconds(question.start), question.step_s * 1_000_000]
        return self._dialect.bucket

    def _text(self, table: str, name: str, bound: list[Any]) -> str:
        column, dot, key = name.partition(".")
        is_map = _COLUMNS[table].get(column)
        if is_map is None or is_map is not bool(key) or bool(dot) is not bool(key):
            known = [f"{each}." if of else each for each, of in _COLUMNS[table].items()]
            raise InvalidError(f"{table} have no column {name!r}{_nearest(name, known)}.", target=name)
        if key:
            bound.append(key)
            return self._dialect.entry.format(column=column)
        return self._dialect.text.format(expression=column)

    def _condition(self, table: str, condition: Condition, bound: list[Any]) -> str:
        parts = []
        for value in condition.values:
            expression, wanted = self._text(table, condition.column, bound), "?"
            if condition.fold:
                expression, wanted = f"lower({expression})", "lower(?)"
            bound.append(value)
            parts.append(
                f"starts_with({expression}, {wanted})" if condition.op == "starts" else f"{expression} = {wanted}"
            )
        if not parts:
            self._text(table, condition.column, [])  # an unknown column is an error all the same
        joined = " OR ".join(parts) or "false"
        return f"NOT ({joined})" if condition.op == "is not" else f"({joined})"

    def _measure(self, name: str, bound: list[Any]) -> str:
        measure = self._measures[name]
        if measure.ratio:
            over, under = (self._measure(part, bound) for part in measure.ratio)
            return f"{over} / nullif({under}, 0)"
        condition = self._where(measure, bound)
        if measure.agg == "count":
            return self._dialect.count_if.format(condition=condition)
        return self._dialect.aggregate_if.format(aggregate=measure.agg, column=measure.column, condition=condition)

    def _where(self, measure: Measure, bound: list[Any]) -> str:
        parts = []
        for column, wanted in measure.where.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            bound += values
            parts.append(f"{column} IN ({', '.join('?' * len(values))})")
        return " AND ".join(parts) or "true"


def _naive(moment: datetime) -> datetime:
    # the columns are plain TIMESTAMP: an aware value would lose the pushdown
    return moment.astimezone(UTC).replace(tzinfo=None)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that names what comes nearest to an unknown name."""
    near = difflib.get_close_matches(name[:100], sorted(known), n=3, cutoff=0.4)
    return f"; the nearest are {', '.join(near)}" if near else ""
