"""The shapes in which facts are posted: objects that have the columns as members, most of which may be left out."""

from __future__ import annotations

import typing
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import msgspec

from trunkline.catalogue.columns import MOMENT, columns, constrained, shown_columns
from trunkline.catalogue.facts import Fact

LEFT_OUT = frozenset({MOMENT, "resource", "status_class"})
"""What every fact has, and whoever posts one may leave out."""


@cache
def posted(kind: type[Fact]) -> Any:
    """Return the shape in which facts of a kind are posted: an object that has the columns as members."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
    for name, column in columns(kind).items():
        hint = constrained(hints[name])
        if column.is_required and name not in LEFT_OUT:
            fields.append((name, hint))
        elif not column.is_inner:
            fields.append((name, hint | None, None))  # what is null is left out
    return msgspec.defstruct(f"Posted{kind.__name__}", fields, kw_only=True, forbid_unknown_fields=True, gc=False)


@lru_cache(256)
def narrow_decoder(kind: type[Fact], names: tuple[str, ...]) -> Any:
    """Return what decodes objects with these members only, and leaves moments texts; None where one has to have more.

    What has a place for every column takes longer to make than to read.
    """
    known = {field.name: field for field in msgspec.structs.fields(posted(kind))}
    if any(field.required and name not in names for name, field in known.items()):
        return None
    fields: list[tuple[str, Any, Any] | tuple[str, Any]] = [
        (name, known[name].type)
        if known[name].required
        else (name, str | None if name in moments(kind) else known[name].type, None)
        for name in names
    ]
    shape = msgspec.defstruct(f"Narrow{kind.__name__}", fields, kw_only=True, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(shape)


@cache
def decoder(kind: type[Fact]) -> Any:
    """Return what decodes the shape from JSON; it checks the columns' rules."""
    return msgspec.json.Decoder(posted(kind))


@cache
def defaults(kind: type[Fact]) -> list[tuple[str, Any]]:
    """Return what is kept where nothing was given, by column, but for columns that may be empty."""
    return [
        (name, "" if name in LEFT_OUT else column.default)
        for name, column in shown_columns(kind.table).items()
        if name != MOMENT and (name in LEFT_OUT or not (column.is_required or column.is_optional))
    ]


@cache
def moments(kind: type[Fact]) -> list[str]:
    """Return the columns that hold moments."""
    return [name for name, column in columns(kind).items() if column.of is datetime]
