"""Twilio's words for what is known of a call: read from their table, and held against our columns."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

import msgspec

from trunkline.catalogue.columns import tables
from trunkline.catalogue.rows import Row
from trunkline.errors import ConfigurationError

FORMS = ("number", "truth", "payload type")
"""What a text is written as; a column is written as it is."""
_FILE = "insights_words.toml"


class Line(Row, frozen=True, kw_only=True):
    """Where something stands in an answer (`way`, from the outside in) and what it is: a column, or a key of a map."""

    way: tuple[str, ...]
    column: str
    key: str = ""
    form: str = ""


class CallType(Row, frozen=True, kw_only=True):
    """A type of calls: the capabilities of their legs, and the edge that is shown unless another one is asked for.

    `inbound` is the one of calls that come in, where it is another one.
    """

    capabilities: tuple[str, ...]
    edge: str
    inbound: str = ""


class Words(Row, frozen=True, kw_only=True):
    """The table: each part maps Twilio's words to ours."""

    title: str
    edges: dict[str, str]
    streams: dict[str, str]
    call_types: dict[str, CallType]
    codecs: dict[str, int]
    metric: dict[str, dict[str, str]]
    sensor: dict[str, str]


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


def problems(found: Words) -> Iterator[str]:
    """Yield a sentence for each word of something that does not exist."""
    samples, calls = tables()["samples"], tables()["calls"]
    for name, values, column in (
        ("edge", found.edges, samples["edge"]),
        ("stream", found.streams, samples["direction"]),
    ):
        for word, value in values.items():
            if value not in column.values:
                yield f"the {name} {word} is {value}, which no sample has"
    for name, kind in found.call_types.items():
        for capability in kind.capabilities:
            if capability not in calls["capability"].allowed:
                yield f"the call type {name} is {capability}, which no call has"
        for edge in {kind.edge, kind.inbound} - {""}:
            if edge not in found.edges:
                yield f"the call type {name} shows {edge}, which is no edge"
    for name, part in found.metric.items():
        yield from _line_problems(f"metric.{name}", part, "samples")
    for table in ("samples", "call_events"):
        yield from _line_problems("sensor", found.sensor, table)


def _line_problems(here: str, part: Mapping[str, str], table: str) -> Iterator[str]:
    known = tables()[table]
    for line in lines(part):
        column = known.get(line.column)
        if column is None or column.is_map is not bool(line.key):
            yield f"{here} {'.'.join(line.way)} is {line.column}, which {table} have not"
        if line.form and line.form not in FORMS:
            yield f"{here} {'.'.join(line.way)} is written as {line.form}, which is none of {', '.join(FORMS)}"
