"""Turns a question into one statement of SQL; the only place where SQL over facts is composed.

Names come from the catalogue only; every value is bound, never formatted in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from trunkline.catalogue.columns import Column, kind_of, shown_columns, tables
from trunkline.catalogue.rows import Measure
from trunkline.catalogue.words import nearest
from trunkline.errors import InvalidError
from trunkline.telemetry import steps
from trunkline.telemetry.conditions import DIMENSIONS, LARGEST, Conditions
from trunkline.telemetry.dialects import DUCKDB, Dialect
from trunkline.telemetry.plan import Plan, joined, naive
from trunkline.telemetry.questions import Condition, Ranges, Rows, Series
from trunkline.telemetry.rolled import rolled_up

_DIGEST = re.compile(r"[0-9a-f]{32}")


class Planner:
    """Plans questions over the catalogue's measures."""

    def __init__(self, measures: dict[str, Measure], dialect: Dialect = DUCKDB) -> None:
        self._measures = measures
        self._dialect = dialect
        self._conditions = Conditions(dialect)

    def plan(self, question: Series) -> Plan:
        """Plan a series: rows of (step, split values…, measure values…), in order of time.

        A step is its number, or the moment of its beginning as microseconds since 1970 where it is one of the
        calendar. With `top` the splits of all others are None. Raises InvalidError for unknown measures and columns
        (naming the nearest), and for measures of different facts.
        """
        table = self.table(question)
        within = self._conditions.within(table, question.start, question.end, question.where)
        where = joined(" AND ", [within, *self._apart(question.measures)])
        rolled = rolled_up(question, table, self._leaves(question.measures))
        measures = [self._measure(name, is_rolled=rolled is not None) for name in question.measures]
        source = rolled or Plan(table)
        limit = Plan(" LIMIT ?", (question.limit,)) if question.limit is not None else Plan("")
        if question.top is not None:
            return self._top(question, table, source, measures, where, limit)
        groups = _places(question)
        keys = [self._key(table, name, place) for place, name in enumerate(question.by)]
        named = [Plan(f"{key.sql} AS split_{place}", key.bound) for place, (key, _) in enumerate(keys)]
        step = steps.step(question, self._dialect)
        counted = [Plan(f"{one.sql} AS measure_{place}", one.bound) for place, one in enumerate(measures)]
        grouped = joined(
            "",
            [
                joined(", ", [Plan(f"SELECT {step.sql} AS step", step.bound), *named, *counted]),
                Plan(" FROM "),
                source,
                Plan(" WHERE "),
                where,
                Plan(f" GROUP BY {groups}"),
            ],
        )
        shown = ["step", *(text for _, text in keys), *(f"measure_{place}" for place in range(len(measures)))]
        answer = Plan(f"SELECT {', '.join(shown)} FROM ({grouped.sql}) ORDER BY {groups}", grouped.bound)  # noqa: S608
        return joined("", [answer, limit])

    def _key(self, table: str, name: str | Ranges, place: int) -> tuple[Plan, str]:
        """Plan what is grouped by, and spell how it is shown: a number becomes text once a group, not once a row."""
        if isinstance(name, Ranges):
            return self._range(table, name), self._dialect.text.format(expression=f"split_{place}")
        column, key = self._conditions.column(table, name)
        if not key and column.of in {int, bool}:
            return Plan(column.name), self._conditions.as_text(column, f"split_{place}")
        return self._conditions.text(table, name), f"split_{place}"

    def _range(self, table: str, ranges: Ranges) -> Plan:
        """Plan the number of the range in which a value lies."""
        column, _ = self._conditions.column(table, ranges.column, with_moments=True)
        value = column.name
        if column.of is datetime:
            value = f"({self._conditions.since_us(column.name)} / 1000.0)"
        elif not column.is_number:
            raise InvalidError(f"{ranges.column} has no ranges.", target=ranges.column)
        cases = "".join(f" WHEN {value} < ? THEN {place - 1}" for place in range(len(ranges.begins)))
        return Plan(f"CASE WHEN {column.name} IS NULL THEN -1{cases} ELSE {len(ranges.begins) - 1} END", ranges.begins)

    def _split(self, table: str, name: str | Ranges) -> Plan:
        """Plan what is grouped by as text."""
        if isinstance(name, Ranges):
            number = self._range(table, name)
            return Plan(self._dialect.text.format(expression=number.sql), number.bound)
        return self._conditions.text(table, name)

    def _leaves(self, names: Iterable[str]) -> list[Measure]:
        """Return the measures that measures are made of, which are none of others."""
        found: list[Measure] = []
        for name in names:
            measure = self._measures[name]
            found += self._leaves(measure.ratio) if measure.ratio else [measure]
        return found

    def _top(
        self,
        question: Series,
        table: str,
        source: Plan,
        measures: Sequence[Plan],
        where: Plan,
        limit: Plan,
    ) -> Plan:
        """Plan a series in which only the splits with most of the first measure stand alone."""
        top = question.top
        splits = [self._split(table, name) for name in question.by]
        if top is None or not splits or not 0 < top.most <= LARGEST:
            raise InvalidError("The top is of something: name a column to split by, and how many.", target="top")
        places = range(1, len(splits) + 1)
        named = [
            Plan(f"{split.sql} AS split_{place}", split.bound) for place, split in zip(places, splits, strict=True)
        ]
        step = steps.step(question, self._dialect)
        order = ", ".join(f"split_{place}" for place in places)
        kept = ", ".join(f"split_{place} AS kept_{place}" for place in places)
        same = " AND ".join(f"split_{place} = kept_{place}" for place in places)
        groups = _places(question)
        last = "1, kept_1 IS NULL, " + ", ".join(str(place + 1) for place in places)
        shown = ", ".join(f"kept_{place}" for place in places)
        return joined(
            "",
            [
                Plan("WITH facts AS (SELECT "),
                joined(", ", [Plan(f"{step.sql} AS step", step.bound), *named, Plan(f"{table}.*")]),
                Plan(" FROM "),
                source,
                Plan(" WHERE "),
                where,
                Plan(f"), best AS (SELECT {kept} FROM facts GROUP BY {order} ORDER BY "),  # noqa: S608 - names only
                measures[0],
                Plan(f" DESC NULLS LAST, {order} LIMIT ?) SELECT step, {shown}, ", (top.most,)),
                joined(", ", measures),
                Plan(f" FROM facts {'LEFT ' if top.others else ''}JOIN best ON {same}"),
                Plan(f" GROUP BY {groups} ORDER BY {last}"),
                limit,
            ],
        )

    def rows(self, question: Rows, ids: Sequence[str] = (), spans: Sequence[tuple[datetime, datetime]] = ()) -> Plan:
        """Plan the facts themselves: every column that is shown, moments as microseconds since 1970.

        They come in order of time, ties in the order of their ids, within spans in that of all their columns. With
        `ids`, those that bear any of them within spans (one at least), both ends included, which do not overlap. Raises
        InvalidError for an unknown table or column.
        """
        read = self._read(question, ids, spans)
        direction = "DESC" if question.newest_first else "ASC"
        places = [*self.order(question), *itertools.chain(*self.ties(question) if spans else ())]
        order = ", ".join(f"{place + 1} {direction} NULLS LAST" for place in places)
        return joined("", [read, Plan(f" ORDER BY {order} LIMIT ? OFFSET ?", (question.limit, question.skip))])

    def unordered(
        self, question: Rows, ids: Sequence[str], spans: Sequence[tuple[datetime, datetime]], limit: int
    ) -> Plan:
        """Plan as `rows` does, but so many at most, as they come: few are sooner sorted by who asked."""
        return joined("", [self._read(question, ids, spans), Plan(" LIMIT ?", (limit,))])

    def order(self, question: Rows) -> list[int]:
        """Return the places of the columns by which rows are ordered: a moment, then ids; an unknown moment is last."""
        places = list(self.shown(question))
        named = (name for name, column in DIMENSIONS[question.fact].items() if column.is_id and name in places)
        return [places.index(name) for name in (question.order, *named)]

    def ties(self, question: Rows) -> tuple[list[int], list[int]]:
        """Return the places of the columns that tell facts of one moment apart whose ids do not; then those with nulls.

        Without them an engine gives these in another order for each page, and pages hold some twice and others never.
        """
        if kind_of(question.fact).key:
            return [], []
        ordered = set(self.order(question))
        columns = enumerate(self.shown(question).values())
        rest = [(place, column) for place, column in columns if not column.is_map and place not in ordered]
        return (
            [place for place, column in rest if not column.is_optional],
            [place for place, column in rest if column.is_optional],
        )

    def _read(self, question: Rows, ids: Sequence[str], spans: Sequence[tuple[datetime, datetime]]) -> Plan:
        table = question.fact
        columns = self.shown(question)
        shown = [
            self._dialect.moment_us.format(column=name) if column.of is datetime else name
            for name, column in columns.items()
        ]
        selected = f"SELECT {', '.join(shown)} FROM {table} WHERE "  # noqa: S608 - names only
        if not spans:
            return joined(
                "", [Plan(selected), self._conditions.within(table, question.start, question.end, question.where)]
            )
        where = [self._conditions.condition(table, condition) for condition in question.where]
        if ids:
            every = [name for name, column in DIMENSIONS[table].items() if column.is_id or name == "foreign_ids"]
            where.append(self._bears(table, ids, every))
        latest = question.end - timedelta.resolution
        return _within(selected, where, [(max(first, question.start), min(last, latest)) for first, last in spans])

    def shown(self, question: Rows) -> dict[str, Column]:
        """Return the columns that the facts have which a question asks for; raises InvalidError for an unknown one."""
        self.check_fact(question.fact)
        columns = shown_columns(question.fact)
        first = columns.get(question.order)
        if first is None or first.of is not datetime:
            raise InvalidError(f"{question.fact} have no moment {question.order!r} to be ordered by.", target="order")
        if not question.columns:
            return columns
        if unknown := set(question.columns) - set(columns):
            raise InvalidError(f"{question.fact} have no column {min(unknown)!r}.", target="columns")
        wanted = {question.order, *question.columns}
        key = kind_of(question.fact).key
        return {
            name: column
            for name, column in columns.items()
            if name in wanted or (column.is_id and (name in key or not key))
        }

    def check_fact(self, table: str) -> None:
        """Raise InvalidError for a table that is none, naming the nearest."""
        if table not in tables():
            raise InvalidError(f"There are no facts {table!r}{nearest(table, tables())}.", target="fact")

    def call_ids(
        self, ids: Sequence[str], spans: Sequence[tuple[datetime, datetime]], where: Iterable[Condition], limit: int
    ) -> Plan:
        """Plan the ids of the legs that bear any of some: leg's, call's, and a list of other systems'."""
        borne = self._bears("calls", ids, ["leg_id", "call_id", "foreign_ids"])
        conditions = [borne, *(self._conditions.condition("calls", condition) for condition in where)]
        selected = f"SELECT leg_id, call_id, {self._dialect.entries.format(column='foreign_ids')} FROM calls WHERE "  # noqa: S608 - names
        return joined("", [_within(selected, conditions, spans), Plan(" LIMIT ?", (limit,))])

    def legs_of(self, call_id: str, resource: str, spans: Sequence[tuple[datetime, datetime]], limit: int) -> Plan:
        """Plan the ids of the legs that bear an account's id of a call: the leg's own, and those of other systems."""
        selected = f"SELECT leg_id, {self._dialect.entries.format(column='foreign_ids')} FROM calls WHERE "  # noqa: S608 - names
        same = Plan("call_id = ? AND resource = ?", (call_id, resource))
        return joined("", [_within(selected, [same], spans), Plan(" LIMIT ?", (limit,))])

    def _bears(self, table: str, ids: Sequence[str], names: Iterable[str]) -> Plan:
        """Plan that any of a fact's ids is one of those wanted, or the digest of the column that has one."""
        places = ", ".join("?" * len(ids))
        parts = [
            Plan(
                self._dialect.any_entry.format(column=name, wanted=places)
                if tables()[table][name].is_map
                else f"{name} IN ({places})"
                if len(ids) > 1
                else f"{name} = ?",
                tuple(ids),
            )
            for name in names
        ]
        if digests := tuple(one for one in ids if _DIGEST.fullmatch(one)) if kind_of(table).digested else ():
            column = self._dialect.digest.format(column=kind_of(table).digested)
            parts.append(Plan(f"{column} IN ({', '.join('?' * len(digests))})", digests))
        either = joined(" OR ", parts)
        return Plan(f"({either.sql})", either.bound)

    # --- parts ---

    def table(self, question: Series) -> str:
        """Return the fact that a question is about; raises InvalidError unless it is one."""
        if not question.measures:
            raise InvalidError("A question needs at least one measure.")
        found = {self._source(name) for name in question.measures}
        if len(found) > 1:
            raise InvalidError("The measures of one question must be of the same fact.")
        return found.pop()

    def _source(self, name: str) -> str:
        measure = self._measures.get(name)
        if measure is None:
            raise InvalidError(f"There is no measure {name!r}{nearest(name, self._measures)}.", target=name)
        return self._source(measure.ratio[0]) if measure.ratio else measure.source

    def _measure(self, name: str, *, is_rolled: bool) -> Plan:
        measure = self._measures[name]
        if measure.ratio:
            over, under = (self._measure(part, is_rolled=is_rolled) for part in measure.ratio)
            return Plan(f"{over.sql} / nullif({under.sql}, 0)", over.bound + under.bound)
        where = self._meant(measure)
        rolled = self._dialect.rolled.get(measure.agg, "").replace("{column}", measure.column)
        spelled = rolled if is_rolled else self._aggregate(measure)
        times = "" if measure.factor == 1 else f" * {measure.factor!r}"
        return Plan(spelled.replace("{condition}", where.sql) + times, where.bound * spelled.count("{condition}"))

    def _meant(self, measure: Measure) -> Plan:
        """Plan which facts a measure is of."""
        parts = []
        for negation, conditions in (("", measure.where), ("NOT ", measure.unless)):
            for column, wanted in conditions.items():
                values = wanted if isinstance(wanted, list) else [wanted]
                parts.append(Plan(f"{column} {negation}IN ({', '.join('?' * len(values))})", tuple(values)))
        for column, seconds in measure.within_s.items():
            parts.append(Plan(f"coalesce({self._conditions.since_us(column)} <= ?, false)", (seconds * 1_000_000,)))
        return joined(" AND ", parts) if parts else Plan("true")

    def _apart(self, names: Iterable[str]) -> Iterator[Plan]:
        """Plan to leave out what none of the measures is of, where each of them stands apart."""
        measures = [self._measures[name] for name in names]
        if all(measure.apart for measure in measures):
            either = joined(" OR ", [self._meant(measure) for measure in measures])
            yield Plan(f"({either.sql})", either.bound)

    def _aggregate(self, measure: Measure) -> str:
        """Spell an aggregate of facts, with a place for its condition."""
        dialect, name = self._dialect, measure.column
        if measure.agg == "count":
            return dialect.count_if
        column = tables()[measure.source][name]
        if measure.agg == "distinct":
            # what is not known is not one more value
            return dialect.distinct_if.replace("{column}", f"nullif({name}, '')" if column.of is str else name)
        if measure.share is not None:
            return dialect.percentile_if.replace("{column}", name).replace("{share}", str(measure.share))
        if measure.agg == "last":
            return dialect.last_if.replace("{column}", name)
        if measure.agg == "avg":
            return dialect.average_if.replace("{column}", name)
        if measure.least:
            name = f"greatest({name}, {measure.least})"
        if measure.agg == "sum" and column.of is int:
            return dialect.sum_of_integers_if.replace("{column}", name)
        return dialect.aggregate_if.replace("{column}", name).replace("{aggregate}", measure.agg)


def _places(question: Series) -> str:
    """Return the places of what is grouped by: the step, and each split."""
    return ", ".join(str(place) for place in range(1, len(question.by) + 2))


def _within(selected: str, conditions: Sequence[Plan], spans: Sequence[tuple[datetime, datetime]]) -> Plan:
    """Plan the rows that meet conditions within spans, each for itself: engines skip what lies outside."""
    parts = [joined("", [Plan(selected), joined(" AND ", [_span(first, last), *conditions])]) for first, last in spans]
    if len(parts) == 1:
        return parts[0]
    either = joined(" UNION ALL ", parts)
    # what follows is of all of them, in every engine
    return Plan(f"SELECT * FROM ({either.sql})", either.bound)  # noqa: S608 - names only


def _span(first: datetime, last: datetime) -> Plan:
    if first == last:
        return Plan("happened_at = ?", (naive(first),))
    return Plan("happened_at >= ? AND happened_at <= ?", (naive(first), naive(last)))
