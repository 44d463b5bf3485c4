"""The log tables: their shape, and what stands in each of their columns, read and checked.

A source is one or more terms with `or` between them, of which the first that is known counts; a term is a value of the
neutral row by its path (`extra.room_id`), or a constant in quotes, perhaps with a conversion after a bar: a name of
`CONVERSIONS`, or a part of words.toml. A column without a source is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec

from trunkline.catalogue.columns import Column, tables
from trunkline.catalogue.reading import converted, read_toml, table
from trunkline.catalogue.rows import Row
from trunkline.catalogue.words import nearest
from trunkline.errors import ConfigurationError, NotFoundError

Kind = Literal[
    "requests",
    "calls",
    "events",
    "messages",
    "feedback",
    "streams",
    "readings",
    "days",
    "calls used",
    "messages used",
    "lines",
]
"""What the rows of a table are made of; rows that came from elsewhere are lines of a log, in every table."""

MOST_ROWS = 1000
"""So many rows a page has at most."""

ColumnType = Literal["string", "int", "long", "real", "bool", "datetime", "dynamic"]
CONVERSIONS = ("seconds", "share", "sdk name", "sdk version", "platform", "listed", "object", "domain", "user name")
FACTS: dict[str, str] = {
    "requests": "requests",
    "calls": "calls",
    "events": "call_events",
    "messages": "messages",
    "feedback": "feedback",
    "streams": "samples",
    "readings": "samples",
    "days": "calls",
    "calls used": "calls",
    "messages used": "messages",
    "lines": "log_lines",
}
"""The table of facts that rows of a kind come from."""

_HEAD = ("table", "column", "type", "source")
_ALWAYS = ("table", "account", "happened_at")
_MADE: dict[str, tuple[str, ...]] = {
    "requests": ("message",),
    "calls": ("participant", "lasted_ms", "version"),
    "events": (),
    "messages": (),
    "feedback": (),
    "streams": (
        *("leg", "count", "packets", "rtt_avg", "rtt_max", "jitter_avg", "jitter_max", "loss_avg", "loss_max"),
        *("buffer_avg", "buffer_max", "healed_avg", "frame_rate_avg", "height_avg", "freeze_avg"),
    ),
    "readings": ("metric", "reading"),
    "days": ("metric", "unit", "until", "day"),
    "calls used": ("usage",),
    "messages used": ("usage",),
    "lines": (),
}


class LogPart(Row, frozen=True, kw_only=True):
    """Which rows of a kind a table has: those where columns are any of some values, unless others are.

    `joined` requests have a row for `each` message that they sent, or tell of the `first` one.
    """

    of: Kind
    where: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    unless: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    joined: Literal["", "first", "each"] = ""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the neutral row by its path, or a constant; `conversion` names what is done to it."""

    path: tuple[str, ...] = ()
    constant: str = ""
    conversion: str = ""


class LogColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column with its type; the first term that is known says what stands in it."""

    name: str
    type: ColumnType
    source: str
    terms: tuple[Term, ...] = ()


class LogTable(Row, frozen=True, kw_only=True):
    """A table: its category in a diagnostic setting, what it holds, and what its rows are made of.

    Of a `versioned` one a row is written again when more is known of the same thing.
    """

    category: str
    brief: str
    parts: tuple[LogPart, ...]
    versioned: bool = False
    name: str = ""
    columns: dict[str, LogColumn] = msgspec.field(default_factory=dict)

    @property
    def facts(self) -> tuple[str, ...]:
        """The tables of facts that it is made of."""
        return tuple(dict.fromkeys(FACTS[part.of] for part in self.parts))


class LogTables(msgspec.Struct, frozen=True, kw_only=True):
    """Every table by its name, and our values in the tables' words."""

    tables: dict[str, LogTable]
    words: dict[str, dict[str, str]]

    def named(self, name: str) -> LogTable:
        """Return a table by its name or category, in any case; raises NotFoundError that names the nearest."""
        for one in self.tables.values():
            if name.lower() in {one.name.lower(), one.category.lower()}:
                return one
        raise NotFoundError(f"There is no log table {name[:80]!r}{nearest(name[:80], self.tables)}.", target="table")


@cache
def read() -> LogTables:
    """Read and check the tables; raises ConfigurationError naming the row that is wrong."""
    root = files("trunkline.catalogue") / "acs" / "logs"
    named = table(root / "tables.toml", LogTable)
    columns: dict[str, dict[str, LogColumn]] = {name: {} for name in named}
    for column in parsed((root / "columns.tsv").read_text("utf-8")):
        of, one = column
        if of not in columns or one.name in columns[of]:
            raise ConfigurationError(
                f"The log tables are wrong: {of} {one.name} is of no table, or stands there twice."
            )
        columns[of][one.name] = one
    found = LogTables(
        tables={name: msgspec.structs.replace(row, name=name, columns=columns[name]) for name, row in named.items()},
        words=converted(read_toml(root / "words.toml"), dict[str, dict[str, str]], "words.toml"),
    )
    for wrong in problems(found):
        raise ConfigurationError(f"The log tables are wrong: {wrong}.")
    return found


def parsed(text: str) -> Iterator[tuple[str, LogColumn]]:
    """Yield the columns of columns.tsv, each with its table; raises ConfigurationError."""
    for number, line in enumerate(text.splitlines()):
        cells = tuple(line.split("\t"))
        if len(cells) != len(_HEAD) or (number == 0) is not (cells == _HEAD):
            raise ConfigurationError(f"The log tables are wrong: line {number + 1} of columns.tsv.")
        if number:
            of, name, kind, source = cells
            row = {"name": name, "type": kind, "source": source}
            read_row = converted(row, LogColumn, f"columns.tsv {of} {name}")
            terms = tuple(_term(part) for part in source.split(" or ") if part)
            yield of, msgspec.structs.replace(read_row, terms=terms)


def _term(text: str) -> Term:
    what, _, conversion = (part.strip() for part in text.partition(" | "))
    if what.startswith('"'):
        return Term(constant=what.strip('"'), conversion=conversion)
    return Term(path=tuple(what.split(".")), conversion=conversion)


def problems(found: LogTables) -> Iterator[str]:
    """Yield a sentence for each source that means nothing, and each table that lacks something."""
    categories: dict[str, str] = {}
    for one in found.tables.values():
        if not one.brief or not one.parts or not one.columns:
            yield f"{one.name} needs a brief, parts and columns"
        if categories.setdefault(one.category, one.name) != one.name:
            yield f"{one.name} has the category of {categories[one.category]}"
        for part in one.parts:
            known = tables()[FACTS[part.of]]
            for name in (*part.where, *part.unless):
                if not _stands(known, name.split(".")):
                    yield f"{one.name} chooses by {name}, which {FACTS[part.of]} have not"
            for column in one.columns.values():
                yield from _column_problems(found, f"{one.name} {column.name}", part, column)


def _column_problems(found: LogTables, here: str, part: LogPart, column: LogColumn) -> Iterator[str]:
    for term in column.terms:
        if term.conversion and term.conversion not in {*CONVERSIONS, *found.words}:
            yield f"{here} is converted by {term.conversion!r}, which is neither a conversion nor a part of words.toml"
        if not term.constant and not _is_known(part.of, term.path):
            yield f"{here} comes from {'.'.join(term.path)}, which rows of {part.of} have not"


def _is_known(kind: Kind, path: tuple[str, ...]) -> bool:
    if path[0] in _ALWAYS or path[0] in _MADE[kind]:
        known: Mapping[str, Any] = {"leg": tables()["calls"], "message": tables()["messages"]}
        inner = known.get(path[0])
        return inner is None or path[1] in _MADE["calls"] or _stands(inner, path[1:])
    return _stands(tables()[FACTS[kind]], path)


def _stands(known: Mapping[str, Column], path: tuple[str, ...] | list[str]) -> bool:
    column = known.get(path[0])
    return column is not None and (len(path) == 1 or (column.is_map and len(path) == 2))


TYPES: tuple[str, ...] = get_args(ColumnType)
