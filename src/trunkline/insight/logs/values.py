"""What stands in the columns of a log table: values of neutral rows, converted and typed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from trunkline.catalogue.columns import tables
from trunkline.catalogue.log_tables import FACTS, LogColumn, LogPart, LogTable, LogTables, Term
from trunkline.clock import rfc3339
from trunkline.errors import InvalidError
from trunkline.insight.logs.places import value_of
from trunkline.telemetry.questions import Condition, Either, Row

LogRow = dict[str, Any]
"""A row of a log table: its columns by their names, null where nothing is known."""

_DIGITS = 6
_LARGEST = 2.0**62
_DIRECT = {"requests", "calls", "events", "messages", "feedback", "readings"}
_PLATFORM = re.compile(r"azsdk-([a-z]+)-")


class Columns:
    """Turns neutral rows into rows of the tables."""

    def __init__(self, known: LogTables) -> None:
        self._words = known.words

    def row(self, table: LogTable, neutral: Row) -> LogRow:
        """Return a row of a table."""
        return {name: self._value(column, neutral) for name, column in table.columns.items()}

    def _value(self, column: LogColumn, neutral: Row) -> Any:
        for term in column.terms:
            value = term.constant or value_of(neutral, term.path)
            if value is not None and term.conversion:
                value = self._converted(term.conversion, value)
            if value is not None:
                return _TYPED[column.type](value)
        return None

    def _converted(self, name: str, value: Any) -> Any:
        if name in self._words:
            if name == "platform":
                value = _platform(value)
            return self._words[name].get(value, value) if isinstance(value, str) else value
        return CONVERT[name](value)

    def condition(self, part: LogPart, column: LogColumn, value: str) -> Either | None:
        """Return what a column's value means for the facts, None where that cannot be told.

        It holds for every fact that has the value there, and perhaps for some that do not: any of the column's terms
        may have it.
        """
        if part.of not in _DIRECT or not column.terms or column.type not in {"string", "int", "long"}:
            return None
        kinds = {str, int, dict[str, str]} if column.type == "string" else {int}
        alternatives = [self._alternative(part, term, value, kinds) for term in column.terms]
        if None in alternatives:
            return None
        return Either(of=tuple((one,) for one in alternatives if one is not None))

    def _alternative(self, part: LogPart, term: Term, value: str, kinds: Collection[Any]) -> Condition | None:
        is_worded = not term.conversion or term.conversion in self._words
        if term.constant or not is_worded or not _is_of_fact(part, term, kinds):
            return None
        words = self._words.get(term.conversion, {})
        meant = tuple(ours for ours, theirs in words.items() if theirs == value)
        return Condition(column=".".join(term.path), values=(*meant, value))


def check_names(table: LogTable, where: Mapping[str, str]) -> dict[str, str]:
    """Return conditions under the columns' own names; raises InvalidError for what is no column."""
    known = {name.lower(): name for name in table.columns}
    found = {}
    for name, value in where.items():
        if name.lower() not in known:
            raise InvalidError(
                f"{table.name} has no column {name[:60]!r}; it has {', '.join(table.columns)}.", target=name
            )
        found[known[name.lower()]] = value
    return found


def holds(row: LogRow, where: Mapping[str, str]) -> bool:
    """Tell whether a row's columns are what is wanted, as text; what is not known is ""."""
    return all(_text(row[name]) == value for name, value in where.items())


def _is_of_fact(part: LogPart, term: Term, kinds: Collection[Any]) -> bool:
    column = tables()[FACTS[part.of]].get(term.path[0])
    return column is not None and column.of in kinds


# --- conversions ---


def _seconds(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else number / 1000


def _share(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else number / 100


def _platform(value: Any) -> Any:
    found = _PLATFORM.match(str(value))
    return found.group(1) if found else value if "/" not in str(value) else None


def _behind(sign: str, place: int) -> Callable[[Any], str | None]:
    def part(value: Any) -> str | None:
        cut = str(value).split(sign, 1)
        return cut[place] or None if len(cut) == 2 else None

    return part


CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "seconds": _seconds,
    "share": _share,
    "sdk name": lambda value: str(value).partition("/")[0],
    "sdk version": _behind("/", 1),
    "platform": _platform,
    "listed": lambda value: [one.strip() for one in str(value).split(",") if one.strip()],
    "object": lambda value: value if isinstance(value, dict) and value else None,
    "domain": _behind("@", 1),
    "user name": _behind("@", 0),
}

# --- types ---


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and abs(number) < _LARGEST else None


def _whole(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value)
    number = _number(value)
    return None if number is None else round(number)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _moment(value) if isinstance(value, datetime) else str(value)


def _truth(value: Any) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(_text(value).lower())


def _moment(value: Any) -> str:
    return rfc3339(value, _DIGITS) if isinstance(value, datetime) else str(value)


_TYPED: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "int": _whole,
    "long": _whole,
    "real": _number,
    "bool": _truth,
    "datetime": _moment,
    "dynamic": lambda value: value,
}


def known_columns(table: LogTable) -> Sequence[str]:
    """Return the columns of which something may be known."""
    return [name for name, column in table.columns.items() if column.terms]
