"""Rows of log tables, in whichever form an export writes them: of which table each is, and its values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from trunkline.catalogue.exports import ExportedTable, Forms, read
from trunkline.clock import parse_rfc3339

Values = dict[str, Any]
_WHOLE, _REAL, _TRUTH, _ANY = {"int", "long"}, "real", "bool", "dynamic"


class WrongError(ValueError):
    """A row is no fact: what of it is wrong, and why; `is_of_fact` when it is a row for all that."""

    def __init__(self, path: str, why: str, *, is_of_fact: bool = False) -> None:
        super().__init__(why)
        self.path = path
        self.why = why
        self.is_of_fact = is_of_fact


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a log table: its values by the names of the table's columns, without those that are empty."""

    table: ExportedTable
    values: Values
    moment: datetime


def exported(given: Any, table: str = "") -> Exported:
    """Read a row as an export writes it; raises WrongError. `table` is where it belongs, if it does not say so."""
    forms = read().forms
    if not isinstance(given, dict):
        raise WrongError("", "A row is a JSON object.")
    flat = _flat(forms, given)
    found = table_of(flat, table)
    names = _canonical(found.name)
    values: Values = {}
    for name, value in flat.items():
        column = names.get(name.casefold(), name)
        if column not in values and not _is_empty(forms, value):
            values[column] = _typed(found.columns.get(column, ""), value)
    if forms.moment not in values:
        raise WrongError(forms.moment, "The row does not say when it was written.")
    return Exported(table=found, values=values, moment=_moment(forms.moment, values[forms.moment]))


def table_of(flat: Mapping[str, Any], otherwise: str = "") -> ExportedTable:
    """Return the log table of a row, by what it says itself; raises WrongError."""
    known = _named()
    said = ""
    by_name = {name.casefold(): value for name, value in flat.items()}
    for name in read().forms.table:
        text = by_name.get(name.casefold())
        if isinstance(text, str) and text:
            if (found := known.get(text.casefold())) is not None:
                return found
            said = said or text
    if otherwise:
        return read().tables[otherwise]
    if said:
        raise WrongError(read().forms.table[0], f"{said[:60]!r} is none of the log tables that are known.")
    raise WrongError("", "The row does not say of which log table it is: name it with --table.")


def says_table(given: Any) -> bool:
    """Tell whether a row says of which log table it is."""
    if not isinstance(given, dict):
        return False
    try:
        table_of(_flat(read().forms, given))
    except WrongError:
        return False
    return True


def guessed(names: Iterable[str]) -> str:
    """Return the one log table that has all these columns, "" when there is none, or more than one."""
    given = {name.casefold() for name in names}
    if not given & set(_canonical_moments()):
        return ""
    found = [table.name for table in read().tables.values() if given <= _canonical(table.name).keys()]
    return found[0] if len(found) == 1 else ""


@cache
def _named() -> dict[str, ExportedTable]:
    """Return the tables by their names and by their categories."""
    known = {table.category.casefold(): table for table in read().tables.values()}
    return known | {name.casefold(): table for name, table in read().tables.items()}


@cache
def _canonical(table: str) -> dict[str, str]:
    """Return a table's columns by their names in any case, and by those of records."""
    names = {name.casefold(): name for name in read().tables[table].columns}
    aliases = {alias.casefold(): name for alias, name in read().forms.aliases.items()}
    return names | {alias: name for alias, name in aliases.items() if name.casefold() in names}


@cache
def _canonical_moments() -> tuple[str, ...]:
    forms = read().forms
    return (forms.moment.casefold(), *(alias.casefold() for alias, of in forms.aliases.items() if of == forms.moment))


def _flat(forms: Forms, given: Mapping[str, Any]) -> Values:
    """Return a record with the members of its inner object beside its own, which go before."""
    flat: Values = {}
    inner: list[Mapping[str, Any]] = []
    for name, value in given.items():
        if name in forms.inner:
            found = _decoded(value) if isinstance(value, str) else value
            if isinstance(found, dict):
                inner.append(found)
                continue
        flat[name] = value
    for one in inner:
        known = {name.casefold() for name, value in flat.items() if not _is_empty(forms, value)}
        flat |= {name: value for name, value in one.items() if name.casefold() not in known}
    return flat


def _is_empty(forms: Forms, value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, str) and value.strip().casefold() in {"", *forms.empty})


def _typed(of: str, value: Any) -> Any:
    """Return a text as its column's type; whatever is none of it stays as it is."""
    if not isinstance(value, str):
        return value
    if of == _REAL or of in _WHOLE:
        try:
            number = float(value)
        except ValueError:
            return value
        if not math.isfinite(number):
            return value
        if of == _REAL:
            return number
        return int(number) if number.is_integer() and abs(number) < 2**53 else value
    if of == _TRUTH:
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    found = _decoded(value) if of == _ANY else None
    return value if found is None else found


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _moment(name: str, value: Any) -> datetime:
    try:
        return parse_rfc3339(value if isinstance(value, str) else "")
    except ValueError:
        raise WrongError(
            name,
            f"{value!r:.60} is not a moment as ISO 8601 writes it (2026-11-21T10:00:00Z); one as a country writes it "
            "says neither day from month nor its zone: export it again.",
        ) from None
