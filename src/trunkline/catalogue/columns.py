"""The columns of the facts, read from their classes: type, unit, allowed values, and what each holds."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, Literal

import msgspec

from trunkline.catalogue.column_types import Rule
from trunkline.catalogue.facts import KINDS, Fact

MOMENT = "happened_at"
_BOUNDS = ("least", "most", "shortest", "longest", "pattern")
_UNITS = {"ms": "ms", "percent": "%", "bytes": "bytes"}
_TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", datetime: "moment"}


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column: `of` is its Python type without None, `default` what is kept when nothing is given.

    `values` are the words that it may hold, `allowed` those and the default; `rule` bounds whatever is posted,
    and of a map `parts` are its names and its entries.
    One can compute with a number.
    `inner` columns are kept and not shown; `is_required` ones have no default.
    """

    name: str
    of: Any
    brief: str = ""
    values: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    rule: Rule = Rule()
    parts: tuple[Column, ...] = ()
    default: Any = None
    is_required: bool = False
    is_optional: bool = False
    is_id: bool = False
    is_inner: bool = False
    is_map: bool = False
    is_number: bool = False

    @property
    def unit(self) -> str:
        """The unit that its name ends in; "" if none."""
        return _UNITS.get(self.name.rpartition("_")[2], "")

    @property
    def type_name(self) -> str:
        """What it holds, in words."""
        return "map of texts" if self.is_map else _TYPES[self.of]


@cache
def columns(kind: type[Fact]) -> dict[str, Column]:
    """Return the columns of a kind of fact by their names, in order."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    found = {}
    for name in kind.__struct_fields__:
        field = fields[name]
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        found[name] = _column(name, hints[name], default)
    return found


@cache
def tables() -> dict[str, dict[str, Column]]:
    """Return the columns of every table."""
    return {kind.table: columns(kind) for kind in KINDS}


@cache
def shown_columns(table: str) -> dict[str, Column]:
    """Return the columns of a table that rows show and posts may give, in their order."""
    return {name: column for name, column in tables()[table].items() if not column.is_inner}


def kind_of(table: str) -> type[Fact]:
    """Return the kind of fact that a table holds."""
    return next(kind for kind in KINDS if kind.table == table)


def _column(name: str, hint: Any, default: Any) -> Column:
    rules = list(_rules(hint))
    bare, is_optional = _bare(hint)
    values: tuple[str, ...] = ()
    if typing.get_origin(bare) is Literal:
        values, bare = typing.get_args(bare), str
    return Column(
        name=name,
        of=bare,
        brief=next((rule.brief for rule in rules if rule.brief), ""),
        values=tuple(value for value in values if value),
        allowed=values,
        rule=_bounds(rules),
        parts=tuple(_column("", part, msgspec.NODEFAULT) for part in _parts(hint)),
        default=None if default is msgspec.NODEFAULT else default,
        is_required=default is msgspec.NODEFAULT,
        is_optional=is_optional,
        is_id=any(rule.is_id for rule in rules),
        is_inner=any(rule.is_inner for rule in rules),
        is_map=typing.get_origin(bare) is dict,
        is_number=bare in {int, float},
    )


def _parts(hint: Any) -> tuple[Any, ...]:
    """Return the annotations of a map's names and entries."""
    if typing.get_origin(hint) is typing.Annotated:
        return _parts(typing.get_args(hint)[0])
    return typing.get_args(hint) if typing.get_origin(hint) is dict else ()


def _bounds(rules: Iterable[Rule]) -> Rule:
    """Return one rule with the bounds of all, of which the outer one counts."""
    limits: dict[str, Any] = {}
    for rule in rules:
        limits = {name: value for name in _BOUNDS if (value := getattr(rule, name)) is not None} | limits
    return Rule(**limits)


def _rules(hint: Any) -> Iterator[Rule]:
    """Yield what is said about a type, the outermost first."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *said = typing.get_args(hint)
        yield from (rule for rule in reversed(said) if isinstance(rule, Rule))
        yield from _rules(inner)
    elif typing.get_origin(hint) in {typing.Union, types.UnionType}:
        for part in typing.get_args(hint):
            yield from _rules(part)


def constrained(hint: Any) -> Any:
    """Return a column's annotation with its rules as constraints that msgspec checks."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        inner, *said = typing.get_args(hint)
        limits: dict[str, Any] = {}
        for rule in said:
            limits |= _limits(rule) if isinstance(rule, Rule) else {}
        return typing.Annotated[constrained(inner), msgspec.Meta(**limits)] if limits else constrained(inner)
    if origin in {typing.Union, types.UnionType}:
        return typing.Union[tuple(constrained(part) for part in typing.get_args(hint))]  # noqa: UP007 - of a tuple
    if origin is dict:
        key, value = typing.get_args(hint)
        return dict[constrained(key), constrained(value)]  # type: ignore[misc]  # made at run time
    return hint


def _limits(rule: Rule) -> dict[str, Any]:
    limits: dict[str, Any] = {
        "ge": rule.least,
        "le": rule.most,
        "min_length": rule.shortest,
        "max_length": rule.longest,
        "pattern": rule.pattern,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def _bare(hint: Any) -> tuple[Any, bool]:
    """Return a type without what is said about it and without None, and whether None was in it."""
    if typing.get_origin(hint) is typing.Annotated:
        return _bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        return _bare(parts[0])[0], True
    if typing.get_origin(hint) is dict:
        return dict[str, str], False
    return hint, False
