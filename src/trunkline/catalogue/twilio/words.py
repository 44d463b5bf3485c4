"""Twilio's words for what is known of a call: read from their table, and held against our columns and measures."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec

from trunkline.catalogue.columns import tables
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Row
from trunkline.errors import ConfigurationError

FORMS = ("number", "truth", "list", "payload type")
"""What a text is written as; a column is written as it is."""
_FILE = "insights_words.toml"
Named = dict[str, str]


class Line(Row, frozen=True, kw_only=True):
    """Where something stands in an answer (`way`, from the outside in) and what it is: a column, or a key of a map."""

    way: tuple[str, ...]
    column: str
    key: str = ""
    form: str = ""


class UsualEdge(Row, frozen=True, kw_only=True):
    """The edge that is shown of a call unless another one is asked for; `inbound` of those that come in, if another."""

    edge: str
    inbound: str = ""


class Case(Row, frozen=True, kw_only=True):
    """When a word is true of a call: its columns have these values, and not those."""

    where: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    unless: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Tell whether it is true of a call."""
        return all(_text(row, name) in values for name, values in self.where.items()) and not any(
            _text(row, name) in values for name, values in self.unless.items()
        )


class Words(Row, frozen=True, kw_only=True):
    """The table: each part maps Twilio's words to ours."""

    title: str
    edges: Named
    streams: Named
    usual_edges: dict[str, UsualEdge]
    codecs: dict[str, int]
    metric: dict[str, Named]
    sensor: Named
    levels: Named
    event_groups: Named
    edgeless: Named
    event: dict[str, Named]
    annotation: dict[str, Named]
    tags: Named
    sdk_tags: Named
    cases: dict[str, dict[str, Case]]
    summary: dict[str, Named]
    totals: dict[str, dict[str, tuple[str, ...]]]
    filters: dict[str, Named]

    def word(self, kind: str, row: Mapping[str, Any]) -> str | None:
        """Return the word of a kind that is true of a call, or None."""
        return next((name for name, case in self.cases[kind].items() if case.holds(row)), None)


@cache
def words() -> Words:
    """Read the table; raises ConfigurationError naming what is wrong."""
    text = (files("trunkline.catalogue") / "twilio" / _FILE).read_text(encoding="utf-8")
    try:
        found = msgspec.convert(tomllib.loads(text), Words)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{_FILE}: {error}.") from error
    for wrong in problems(found):
        raise ConfigurationError(f"{_FILE} is wrong: {wrong}.")
    return found


def lines(part: Mapping[str, str]) -> tuple[Line, ...]:
    """Return the lines of a part that maps ways in an answer to what stands there."""
    found = []
    for way, source in part.items():
        name, _, form = source.partition(" | ")
        column, _, key = name.partition(".")
        found.append(Line(way=tuple(way.split(".")), column=column, key=key, form=form))
    return tuple(found)


def turned(part: Mapping[str, str]) -> dict[str, str]:
    """Return a part from our words to Twilio's."""
    return {ours: theirs for theirs, ours in part.items()}


def problems(found: Words) -> Iterator[str]:
    """Yield a sentence for each word of something that does not exist."""
    samples, events = tables()["samples"], tables()["call_events"]
    parts = (
        ("edges", found.edges, samples["edge"]),
        ("streams", found.streams, samples["direction"]),
        ("levels", found.levels, events["level"]),
    )
    for name, part, column in parts:
        for word, value in part.items():
            if value not in column.values:
                yield f"{name} {word} is {value}, which {column.name} never has"
    for name, usual in found.usual_edges.items():
        if name not in found.cases["call_type"] or not {usual.edge, usual.inbound or usual.edge} <= set(found.edges):
            yield f"usual_edges {name} is of no call type, or no edge"
    for name in set(found.cases["call_type"]) - set(found.usual_edges):
        yield f"the call type {name} has no usual edge"
    yield from _case_problems(found)
    for name, part in found.metric.items():
        yield from _line_problems(f"metric.{name}", part, "samples")
    for name, part in found.event.items():
        yield from _line_problems(f"event.{name}", part, "call_events")
    for table in ("samples", "call_events"):
        yield from _line_problems("sensor", found.sensor, table)
    for name, part in found.summary.items():
        yield from _line_problems(f"summary.{name}", part, "calls")
    for name, totals in found.totals.items():
        for measure in sorted({one for those in totals.values() for one in those} - set(load().measures)):
            yield f"totals.{name} names {measure}, which is no measure"


def _case_problems(found: Words) -> Iterator[str]:
    for kind, cases in found.cases.items():
        for word, case in cases.items():
            for name, values in (*case.where.items(), *case.unless.items()):
                column = _column("calls", name)
                if column is None:
                    yield f"cases.{kind} {word} is about {name}, which calls have not"
                elif column.values and not set(values) <= {"", *column.values}:
                    yield f"cases.{kind} {word} is about a value that {name} never has"
    for name in set(found.filters["case"].values()) - set(found.cases):
        yield f"filters.case names {name}, which has no cases"
    for name in set(found.filters["said"].values()) - set(found.annotation):
        yield f"filters.said names {name}, which nobody says"
    for name in {*found.filters["truth"].values(), *found.filters["text"].values()}:
        if _column("calls", name) is None:
            yield f"filters name {name}, which calls have not"


def _line_problems(here: str, part: Mapping[str, str], table: str) -> Iterator[str]:
    for line in lines(part):
        if _column(table, f"{line.column}.{line.key}" if line.key else line.column) is None:
            yield f"{here} {'.'.join(line.way)} is {line.column}, which {table} have not"
        if line.form and line.form not in FORMS:
            yield f"{here} {'.'.join(line.way)} is written as {line.form}, which is none of {', '.join(FORMS)}"


def _column(table: str, name: str) -> Any:
    bare, _, key = name.partition(".")
    column = tables()[table].get(bare)
    return column if column is not None and column.is_map is bool(key) else None


def _text(row: Mapping[str, Any], name: str) -> str:
    """Return what a column of a fact holds as the planner's conditions see it."""
    bare, _, key = name.partition(".")
    value = row[bare]
    if key:
        return str(value.get(key, ""))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
