"""Draws requests that are wrong: bodies broken at every depth, absurd ids, queries and headers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.hostile.oddities import HEADERS, HOSTS, ODD_QUERY_VALUES, ODD_VALUES, QUERIES, SEGMENTS, Raw
from trunkline.catalogue.rows import Operation

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "0"))
"""How many examples a property gets; 0 means the few of every run, always the same ones."""


def effort(usual: int) -> settings:
    """Return how hard to try: the usual number of examples, or as many as the environment says, random ones then."""
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may repeat."""


def render(value: Any) -> bytes:
    """Write JSON, or what looks like it."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, Pairs):
        return b"{" + b",".join(_text(name) + b":" + render(inner) for name, inner in value) + b"}"
    if isinstance(value, dict):
        return render(Pairs(value.items()))
    if isinstance(value, list):
        return b"[" + b",".join(map(render, value)) + b"]"
    return _text(value)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


VALUES: st.SearchStrategy[Any] = (
    st.sampled_from(ODD_VALUES)
    | st.text(max_size=30)
    | st.integers()
    | st.floats()
    | st.lists(st.sampled_from(ODD_VALUES), max_size=3)
    | st.dictionaries(st.text(max_size=8), st.sampled_from(ODD_VALUES), max_size=3)
)


VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of a value, the whole first."""
    yield at
    inner: Sequence[Any] | Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, part in inner:
        yield from places(part, (*at, key))


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """Return the value with another part at a place; `new` is called with what was there."""
    if not at:
        return new(value)
    head, rest = at[0], at[1:]
    if isinstance(value, list):
        return [put(part, rest, new) if number == head else part for number, part in enumerate(value)]
    return {name: put(part, rest, new) if name == head else part for name, part in value.items()}


def _dropped(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if name != key}
    return [part for number, part in enumerate(value) if number != key]


@st.composite
def sparse(draw: st.DrawFn, value: Any) -> Any:
    """Draw a body without some of its members: what is wrong with one shows only where another is missing."""
    if isinstance(value, dict) and draw(st.booleans()):
        gone = draw(st.sets(st.sampled_from(sorted(value)))) if value else set()
        return {name: draw(sparse(part)) for name, part in value.items() if name not in gone}
    return value


@st.composite
def broken(draw: st.DrawFn, value: Any) -> bytes:
    """Draw a body that was valid: parts dropped, replaced, wrapped, renamed, repeated, at any depth."""
    value = draw(sparse(value))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.sampled_from(list(places(value))))
        kind = draw(st.sampled_from(["replace", "replace", "replace", "drop", "wrap", "rename", "repeat", "add"]))
        if kind == "drop" and at:
            value = put(value, at[:-1], lambda whole, key=at[-1]: _dropped(whole, key))
            continue
        new = draw(VALUES)
        name = draw(st.sampled_from(["", "id", "\0", "\ud800", "__proto__", "x" * 3_000]) | st.text(max_size=10))

        def changed(old: Any, kind: str = kind, new: Any = new, name: str = name) -> Any:
            if kind == "wrap":
                return [old] if name else {"value": old}
            if isinstance(old, dict) and old:
                first = next(iter(old))
                if kind == "rename":
                    return {name if key == first else key: part for key, part in old.items()}
                if kind == "add":
                    return {**old, name: new}
                if kind == "repeat":
                    return Raw(render(Pairs([*old.items(), (first, new)])))
            return new

        value = put(value, at, changed)
    return render(value)


@st.composite
def segments(draw: st.DrawFn) -> str:
    """Draw one segment of a path, or several."""
    return draw(st.sampled_from(SEGMENTS) | VISIBLE.map(lambda text: quote(text, safe="") or "-"))


@st.composite
def queries(draw: st.DrawFn, valid: dict[str, str]) -> str:
    """Draw a query: a valid one with some values changed, dropped or repeated, or an absurd one."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(QUERIES) | VISIBLE.map("api-version=1&{}".format))
    pairs = list(valid.items())
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(pairs) - 1))
        name, value = pairs[place]
        new = draw(st.sampled_from(ODD_QUERY_VALUES) | st.text(st.characters(codec="utf-8"), max_size=20))
        kind = draw(st.sampled_from(["replace", "replace", "drop", "repeat", "append"]))
        fresh = {
            "replace": [(name, new)],
            "drop": [],
            "repeat": [(name, value), (name, new)],
            "append": [(name, value + new)],
        }
        pairs[place : place + 1] = fresh[kind]
        if not pairs:
            return ""
    return "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, str]:
    """Draw a few odd headers, now and then an odd Host."""
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=3, unique=True))
    found = {name: draw(st.sampled_from(HEADERS[name]) | VISIBLE) for name in names}
    if draw(st.integers(0, 9)) == 0:
        found["host"] = draw(st.sampled_from(HOSTS) | VISIBLE)
    return found


def takes_a_body(operation: Operation) -> bool:
    """Tell whether an operation's method comes with a body."""
    return operation.method in {"POST", "PUT", "PATCH"}
