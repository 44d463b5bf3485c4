"""Which facts are meant: columns by their names, their values as text, and conditions on them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from trunkline.catalogue.columns import MOMENT, Column, shown_columns, tables
from trunkline.catalogue.words import nearest
from trunkline.errors import InvalidError
from trunkline.telemetry.dialects import Dialect
from trunkline.telemetry.plan import Plan, joined, naive
from trunkline.telemetry.questions import Condition, Either

LARGEST = 2**62
# moments filter by their span alone, and what is inner is nobody's business
DIMENSIONS = {
    table: {name: column for name, column in columns.items() if column.of is not datetime and not column.is_inner}
    for table, columns in tables().items()
}


class Conditions:
    """Plans the part of a question that says which facts it is about."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def column(self, table: str, name: str, *, with_moments: bool = False) -> tuple[Column, str]:
        """Find a column and the entry that is meant, "" if it is no map."""
        known = DIMENSIONS[table]
        if with_moments and (moment := shown_columns(table).get(name)) is not None and not moment.is_map:
            return moment, ""
        bare, dot, key = name.partition(".")
        column = known.get(bare)
        if column is None or column.is_map is not bool(key) or bool(dot) is not bool(key):
            names = [f"{each}." if of.is_map else each for each, of in known.items()]
            raise InvalidError(f"{table} have no column {name!r}{nearest(name, names)}.", target=name)
        return column, key

    def text(self, table: str, name: str) -> Plan:
        """Plan a column's values, or those of an entry, as text."""
        column, key = self.column(table, name)
        if key:
            return Plan(self._dialect.entry.format(column=column.name), (key,))
        return Plan(self.as_text(column, column.name))

    def as_text(self, column: Column, expression: str) -> str:
        """Spell a column's values as text."""
        if column.of is str:
            return expression
        spelling = self._dialect.text_of_float if column.of is float else self._dialect.text
        text = spelling.format(expression=expression)
        return f"coalesce({text}, '')" if column.is_optional else text

    def within(self, table: str, start: datetime, end: datetime, where: Iterable[Condition | Either]) -> Plan:
        """Plan that facts lie in [start, end) and meet all conditions; raises InvalidError."""
        span = Plan("happened_at >= ? AND happened_at < ?", (naive(start), naive(end)))
        return joined(" AND ", [span, *(self.condition(table, condition) for condition in where)])

    def condition(self, table: str, condition: Condition | Either) -> Plan:
        """Plan that a fact meets a condition; raises InvalidError."""
        if isinstance(condition, Either):
            together = [self._all(table, those) for those in condition.of]
            either = joined(") OR (", together or [Plan("false")])
            return Plan(f"(({either.sql}))", either.bound)
        if condition.op in {"at least", "less than"}:
            return self._comparison(table, condition)
        text = self.text(table, condition.column)  # an unknown column is an error, also without values
        wanted = "?"
        if condition.fold:
            folded = self._dialect.folded
            text, wanted = Plan(folded.format(text=text.sql), text.bound), folded.format(text="?")
        if condition.op != "starts" and len(condition.values) > 1:  # of thousands engines make a table to look in
            places = ", ".join([wanted] * len(condition.values))
            negation = "NOT " if condition.op == "is not" else ""
            return Plan(f"({text.sql} {negation}IN ({places}))", (*text.bound, *condition.values))
        form = self._dialect.starts if condition.op == "starts" else "{text} = {wanted}"
        sql = form.format(text=text.sql, wanted=wanted)
        either = joined(" OR ", [Plan(sql, (*text.bound, value)) for value in condition.values] or [Plan("false")])
        return Plan(f"NOT ({either.sql})" if condition.op == "is not" else f"({either.sql})", either.bound)

    def _all(self, table: str, conditions: Iterable[Condition]) -> Plan:
        return joined(" AND ", [self.condition(table, one) for one in conditions] or [Plan("true")])

    def _comparison(self, table: str, condition: Condition) -> Plan:
        column, _ = self.column(table, condition.column, with_moments=True)
        try:
            (value,) = (float(value) for value in condition.values)
        except ValueError as error:
            raise InvalidError(
                f"{condition.op!r} compares a column with one number.", target=condition.column
            ) from error
        is_moment = column.of is datetime and column.name != MOMENT
        if not (column.is_number or is_moment) or value != value or abs(value) > LARGEST:  # noqa: PLR0124 - not a number
            raise InvalidError(f"{condition.column} cannot be compared with that.", target=condition.column)
        sign = ">=" if condition.op == "at least" else "<"
        compared = f"({self.since_us(column.name)} / 1000.0)" if is_moment else column.name
        return Plan(f"coalesce({compared} {sign} ?, false)", (value,))

    def since_us(self, column: str) -> str:
        """Spell the microseconds from when a fact happened to a moment of it."""
        moment = self._dialect.moment_us
        return f"({moment.format(column=column)} - {moment.format(column=MOMENT)})"
