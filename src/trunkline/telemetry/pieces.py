"""Pieces of a record become one: in any order, more than once, in whichever groups, the result is the same.

Each value carries the moment when it was known; of two values for the same thing the later one counts. Values that
were worked out count for nothing: they are worked out anew from the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, reduce
from typing import Any

import msgspec

from trunkline.catalogue.columns import MOMENT, columns
from trunkline.catalogue.facts import Call, Fact, Message
from trunkline.clock import from_microseconds, microseconds
from trunkline.outcomes import DERIVED

Record = Call | Message
Cells = dict[str, tuple[int, str, Any]]
"""Values by their names (of a map's entry: `extra.name`): when each was known, as a text for ties, and itself."""


def key_of(fact: Fact) -> tuple[str, ...]:
    """Return what the pieces of one record share."""
    return tuple(getattr(fact, name) for name in fact.key)


def gathered(facts: Iterable[Fact], there: Iterable[Fact]) -> list[Fact]:
    """Return the records that new facts make, together with what is there of them; what is worked out is left out."""
    found: dict[tuple[str, ...], list[Fact]] = {}
    for fact in facts:
        found.setdefault(key_of(fact), []).append(fact)
    for fact in there:
        found.setdefault(key_of(fact), []).append(fact)
    return [_merged(those) if len(those) > 1 else those[0] for those in found.values()]


def _merged(facts: Sequence[Fact]) -> Record:
    pieces = [fact for fact in facts if isinstance(fact, Record)]
    kind = type(pieces[0])
    cells = reduce(_later, (_cells(piece) for piece in pieces))
    revised = max(_known_at(piece) for piece in pieces)
    fields: dict[str, Any] = {name: getattr(pieces[0], name) for name in kind.key}
    older = {}
    for name in sorted(cells):
        known, _, value = cells[name]
        column, _, entry = name.partition(".")
        if entry:
            fields.setdefault(column, {})[entry] = value
        else:
            fields[column] = value
        if known != revised:
            older[name] = str(known)
    fields[MOMENT] = min(piece.happened_at for piece in pieces)
    return kind(**fields, revised_at=from_microseconds(revised), older=older)


def _known_at(piece: Record) -> int:
    return microseconds(piece.revised_at or piece.happened_at)


def _cells(piece: Record) -> Cells:
    """Take a piece apart; what it does not say, or what was worked out, is left out."""
    known = _known_at(piece)
    older = piece.older
    derived = older.get(DERIVED, "").split() if older else ()
    cells: Cells = {}
    for value, (name, default, is_map) in zip(msgspec.structs.astuple(piece), _said(type(piece)), strict=True):
        if value == default or not name or name in derived:
            continue
        if is_map:
            for entry, one in value.items():
                cell = f"{name}.{entry}"
                cells[cell] = (int(older.get(cell, known)), one, one)
        else:
            cells[name] = (int(older.get(name, known)), str(value), value)
    return cells


@cache
def _said(kind: type[Fact]) -> list[tuple[str, Any, bool]]:
    """Return name, default and whether it is a map of each column; without a name those that no piece says."""
    return [
        (
            "" if name in kind.key or column.is_inner or name in {MOMENT, "revised_at"} else name,
            column.default,
            column.is_map,
        )
        for name, column in columns(kind).items()
    ]


def _later(one: Cells, other: Cells) -> Cells:
    both = dict(one)
    for name, cell in other.items():
        if name not in both or both[name][:2] < cell[:2]:
            both[name] = cell
    return both
