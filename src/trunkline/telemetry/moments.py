"""A call all of whose legs lie at a few moments: an engine reads these sooner than it compares ids there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from trunkline.ids import digest
from trunkline.telemetry.conditions import DIMENSIONS
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Rows
from trunkline.telemetry.store import Span, Store

CALLS = "calls"
FEW = 1000
"""So many rows are few: they are sooner compared and sorted here."""
_FEW_MOMENTS = 4
_MOST_IDS = 100
_IDS = frozenset(name for name, column in DIMENSIONS[CALLS].items() if column.is_id)


class Whole(msgspec.Struct, frozen=True):
    """A call as a whole: where facts bear each of its ids, and its legs, as a question asked for them."""

    places: Mapping[str, Sequence[Span]]
    legs: list[tuple[Any, ...]]


class _Leg(msgspec.Struct, frozen=True):
    """A leg, the ids that it shares with its call, those by which it is known to belong to it, and all of its ids."""

    row: tuple[Any, ...]
    shared: set[str]
    known: set[str]
    every: set[str]


def moments_of(places: Mapping[str, Sequence[Span]]) -> frozenset[datetime]:
    """Return the moments at which legs lie, if these are few and nothing but moments; otherwise none."""
    spans = {(span.first, span.last) for those in places.values() for span in those if span.table == CALLS}
    if len(spans) > _FEW_MOMENTS or any(first != last for first, last in spans):
        return frozenset()
    return frozenset(first for first, _ in spans)


def at(store: Store, planner: Planner, question: Rows, moments: Collection[datetime]) -> list[tuple[Any, ...]] | None:
    """Return all legs of some moments that a question lets through, as they come; None if they are too many."""
    spans = [(moment, moment) for moment in sorted(moments)]
    rows = store.answer(planner.unordered(question, (), spans, FEW + 1))
    return rows if len(rows) <= FEW else None


def whole(
    store: Store, planner: Planner, wanted: str, places: Mapping[str, Sequence[Span]], question: Rows
) -> Whole | None:
    """Find the call that an id belongs to; None if it does not lie at a few moments, or these hold too much.

    The places of the id are known. The question asks for all ids of legs, and lets all legs through that may be of the
    call. For a thread; raises UnavailableError.
    """
    moments = moments_of(places)
    if not moments or not all(question.start <= moment < question.end for moment in moments):
        return None
    rows = at(store, planner, question, moments)
    if rows is None:
        return None
    legs = _legs(list(planner.shown(question)), rows)
    fresh = {wanted}
    while fresh := _shared(legs, fresh) - places.keys():
        if len(places) + len(fresh) > _MOST_IDS:
            return None
        places = {**places, **store.spans(sorted(fresh))}
        if any(span.table == CALLS and {span.first, span.last} - moments for one in fresh for span in places[one]):
            return None
    return Whole(places, [leg.row for leg in legs if not leg.every.isdisjoint(places)])


def _shared(legs: Sequence[_Leg], ids: Collection[str]) -> set[str]:
    """Return the ids of the legs that are known by any of some."""
    return {one for leg in legs if not leg.known.isdisjoint(ids) for one in leg.shared}


def _legs(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[_Leg]:
    """Return rows as legs."""
    leg_id, call_id, foreign = map(columns.index, ("leg_id", "call_id", "foreign_ids"))
    ids = [place for place, name in enumerate(columns) if name in _IDS]
    legs = []
    for row in rows:
        shared = {row[leg_id], row[call_id], *row[foreign].values()} - {""}
        known = {*shared, digest(row[leg_id])}
        legs.append(_Leg(row, shared, known, known.union(row[place] for place in ids)))
    return legs
