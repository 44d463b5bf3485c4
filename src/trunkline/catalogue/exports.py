"""Exports of log tables, as data: how their files name things, their columns, and which facts their rows become."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from trunkline.catalogue import log_tables
from trunkline.catalogue.columns import Column, kind_of, tables
from trunkline.catalogue.facts import LogLine
from trunkline.catalogue.reading import converted, read_toml
from trunkline.catalogue.rows import Row
from trunkline.errors import ConfigurationError

_NAMED = re.compile(r"\{([^{}]+)\}")
_SHAPES = "shapes"


class Told(Row, frozen=True, kw_only=True):
    """Which columns a line of a log is told by: its operation, its level, its status, and what people read."""

    operation: str
    level: str
    status: str
    text: tuple[str, ...]


class Forms(Row, frozen=True, kw_only=True):
    """How files of exports name things; see forms.toml."""

    listed: tuple[str, ...]
    tables: str
    inner: tuple[str, ...]
    table: tuple[str, ...]
    moment: str
    empty: tuple[str, ...]
    zones: tuple[str, ...]
    aliases: dict[str, str]
    levels: dict[str, str]
    ids: dict[str, str]
    told: Told


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a column's value comes from, and how it is read; see tables.toml."""

    of: str | tuple[str, ...] = ()
    constant: str = msgspec.field(default="", name="is")
    words: dict[str, str] = {}
    keeps: bool = False
    pattern: str = ""
    scale: float = 0.0
    rounded: bool = False
    after: str = ""
    unit_s: float = 1.0
    plus_s: float = 0.0
    when: dict[str, tuple[str, ...]] = {}
    unless: dict[str, tuple[str, ...]] = {}
    needed: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """What is tried, one after the other."""
        return (self.of,) if isinstance(self.of, str) else self.of

    def names(self) -> Iterator[str]:
        """Yield every column of the row that it reads."""
        for source in self.sources:
            yield from parts(source)
        yield from self.when
        yield from self.unless
        if self.after:
            yield self.after


_Of = str | tuple[str, ...] | Given


class _Shape(Row, frozen=True, kw_only=True):
    fact: str
    needs: tuple[str, ...] = ()
    columns: dict[str, _Of]


class _Becoming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    shape: str
    when: dict[str, tuple[str, ...]] = {}
    columns: dict[str, _Of] = {}


class Last(Row, frozen=True, kw_only=True):
    """Which rows are versions of one (they have the same values in `of`), and by which column the last is known."""

    of: tuple[str, ...]
    by: str


class _Table(Row, frozen=True, kw_only=True):
    last: Last | None = None
    facts: tuple[_Becoming, ...] = ()


class Becoming(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that a row becomes, if it has what is needed and meets the conditions."""

    fact: str
    needs: tuple[str, ...]
    when: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Given]


class ExportedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A log table: its category, its columns with their types, and what its rows become."""

    name: str
    category: str
    columns: Mapping[str, str]
    last: Last | None = None
    facts: tuple[Becoming, ...] = ()


class Exports(msgspec.Struct, frozen=True, kw_only=True):
    """The forms, and every table by its name."""

    forms: Forms
    tables: Mapping[str, ExportedTable]


@cache
def read() -> Exports:
    """Read and check the tables; raises ConfigurationError naming what is wrong."""
    root = files("trunkline.catalogue") / "acs"
    forms = converted(read_toml(root / "imports" / "forms.toml"), Forms, "forms.toml")
    given = read_toml(root / "imports" / "tables.toml")
    shapes = {name: converted(row, _Shape, f"shape {name}") for name, row in given.pop(_SHAPES).items()}
    becoming = {name: converted(row, _Table, f"tables.toml {name}") for name, row in given.items()}
    known = log_tables.read().tables
    unknown = [f"{name} is no log table" for name in becoming if name not in known]
    unknown += [
        f"{name} has no shape {one.shape}"
        for name, row in becoming.items()
        for one in row.facts
        if one.shape not in shapes
    ]
    found = Exports(
        forms=forms,
        tables={
            name: ExportedTable(
                name=name,
                category=row.category,
                columns={column: of.type for column, of in row.columns.items()},
                last=becoming[name].last if name in becoming else None,
                facts=tuple(_made(one, shapes[one.shape]) for one in becoming[name].facts if one.shape in shapes)
                if name in becoming
                else (),
            )
            for name, row in known.items()
        },
    )
    for wrong in (*unknown, *problems(found)):
        raise ConfigurationError(f"The exports of log tables are described wrongly: {wrong}.")
    return found


def _made(one: _Becoming, shape: _Shape) -> Becoming:
    columns = {name: _given(of) for name, of in {**shape.columns, **one.columns}.items()}
    return Becoming(fact=shape.fact, needs=shape.needs, when=one.when, columns=columns)


def _given(of: _Of) -> Given:
    return of if isinstance(of, Given) else Given(of=of)


def problems(exports: Exports) -> Iterator[str]:
    """Yield a sentence for each name of a column that neither the tables nor the facts have."""
    known = {column for table in exports.tables.values() for column in table.columns}
    forms = exports.forms
    yield from (f"no table has {name}" for name in (*forms.ids, *forms.told.text) if name not in known)
    for table in exports.tables.values():
        if forms.moment not in table.columns:
            yield f"{table.name} has no {forms.moment}"
        if table.last is not None:
            yield from _lacking(table, (*table.last.of, table.last.by))
        for one in table.facts:
            yield from _wrong(table, one, known)


def _wrong(table: ExportedTable, one: Becoming, known: set[str]) -> Iterator[str]:
    if one.fact not in tables() or one.fact == LogLine.table:
        yield f"{table.name} becomes {one.fact}, which are no facts of its own"
        return
    yield from _lacking(table, (*one.needs, *one.when))
    for name, given in one.columns.items():
        column = column_of(one.fact, name)
        if column is None:
            yield f"{table.name}: {one.fact} have no column {name}"
        elif column.allowed and (words := {*given.words.values(), given.constant} - {*column.allowed, ""}):
            yield f"{table.name}: {one.fact}.{name} is none of {', '.join(sorted(words))}"
        yield from (f"{table.name}: no table has {each}" for each in given.names() if each not in known)


def _lacking(table: ExportedTable, names: tuple[str, ...]) -> Iterator[str]:
    return (f"{table.name} has no {name}" for name in names if name not in table.columns)


@cache
def column_of(fact: str, name: str) -> Column | None:
    """Return a column of a fact by its name, a map's for `extra.name`; None if there is none."""
    head, _, entry = name.partition(".")
    column = tables()[fact].get(head)
    return column if column is not None and not column.is_inner and column.is_map == bool(entry) else None


def parts(source: str) -> list[str]:
    """Return the columns that a source names: itself, or those in its braces."""
    return _NAMED.findall(source) or [source]


def filled(source: str, texts: Mapping[str, Any]) -> str:
    """Return a source's text; "" when a column that it names has none."""
    if "{" not in source:
        return str(texts.get(source, ""))
    if not all(texts.get(name) for name in parts(source)):
        return ""
    return _NAMED.sub(lambda found: str(texts[found[1]]), source)


def kinds() -> dict[str, Any]:
    """Return the kinds of facts that rows of log tables become, by their tables: lines of a log first."""
    every = {one.fact for table in read().tables.values() for one in table.facts}
    return {LogLine.table: LogLine} | {fact: kind_of(fact) for fact in tables() if fact in every}
