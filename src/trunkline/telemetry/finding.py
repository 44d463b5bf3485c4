"""Facts found by an id: by any of those by which a call is known, where in time something bears one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import msgspec

from trunkline.telemetry.conditions import DIMENSIONS
from trunkline.telemetry.moments import CALLS, FEW, at, moments_of, whole
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import EVER, Condition, Row, Rows
from trunkline.telemetry.store import Span, Store

Places = Mapping[str, Sequence[Span]]
"""Where in time facts bear each of some ids."""

OF_CALLS = frozenset({CALLS, "call_events", "samples"})
_MOST = 100
_ROUNDS = 3
_MOST_SPANS = 40  # what is borne in so many places is a number or a user, and no call
_SPANS_AT_ONCE = 50
_APART = timedelta(hours=12)  # what is nearer is read as one: rows lie together in the order in which they came


class Kin(msgspec.Struct, frozen=True, kw_only=True):
    """What is known by the ids of a leg: where that lies, and the ids of the `others` of its call."""

    places: Places
    others: frozenset[str]


class Near(msgspec.Struct, frozen=True):
    """Legs, some of which bear what was looked for; they are all that there are of some moments."""

    rows: Sequence[Row] = ()
    moments: frozenset[datetime] = frozenset()


def found(store: Store, planner: Planner, question: Rows) -> list[tuple[Any, ...]]:
    """Find facts: by an id first where in time they are, then there. For a thread; raises UnavailableError."""
    if not question.id:
        return store.answer(planner.rows(question))
    places = store.spans([question.id])
    if question.fact in OF_CALLS:
        confined = tuple(one for one in question.where if isinstance(one, Condition) and one.column == "resource")
        is_for_legs = question.fact == CALLS and confined == question.where and not question.columns
        call = whole(store, planner, question.id, places, question if is_for_legs else _legs(confined))
        if call is not None and is_for_legs:
            return _page(planner, question, call.legs)
        known = _of_call(store, planner, question.id, places, confined) if call is None else call.places
        return within(store, planner, known, question)
    return within(store, planner, places, question)


def _legs(where: tuple[Condition, ...]) -> Rows:
    """Ask for the ids of legs."""
    start, end = EVER
    return Rows(fact=CALLS, start=start, end=end, where=where, columns=("leg_id", "call_id", "foreign_ids"))


def within(store: Store, planner: Planner, places: Places, question: Rows) -> list[tuple[Any, ...]]:
    """Find facts that bear any of some ids, where in time these are known to be. For a thread; see `found`."""
    spans = _together(
        span
        for those in places.values()
        for span in those
        if span.table == question.fact and span.last >= question.start and span.first < question.end
    )
    if question.newest_first:
        spans.reverse()
    rows: list[tuple[Any, ...]] = []
    wanted = question.skip + question.limit
    ids = () if _is_confined(question, places) else tuple(places)
    for place in range(0, len(spans), _SPANS_AT_ONCE):
        part = msgspec.structs.replace(question, skip=0, limit=wanted - len(rows))
        rows += _ordered(store, planner, part, ids, spans[place : place + _SPANS_AT_ONCE])
        if len(rows) >= wanted:
            break
    return rows[question.skip :]


def _is_confined(question: Rows, places: Places) -> bool:
    """Tell whether the conditions alone let only facts through that bear one of the ids."""
    named = {name for name, column in DIMENSIONS[question.fact].items() if column.is_id}
    return any(
        isinstance(one, Condition)
        and one.op == "is"
        and not one.fold
        and one.column in named
        and places.keys() >= {*one.values}
        for one in question.where
    )


def _ordered(
    store: Store, planner: Planner, question: Rows, ids: Sequence[str], spans: list[tuple[datetime, datetime]]
) -> list[tuple[Any, ...]]:
    """Read rows in order; planning how to sort wide ones takes an engine longer than sorting a few takes us."""
    rows = store.answer(planner.unordered(question, ids, spans, FEW + 1))
    if len(rows) > FEW:
        return store.answer(planner.rows(question, ids, spans))
    return _page(planner, question, rows)


def _page(planner: Planner, question: Rows, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return _sorted(planner, question, rows)[question.skip : question.skip + question.limit]


def _sorted(planner: Planner, question: Rows, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    first, *ids = planner.order(question)
    ties, with_nulls = planner.ties(question)
    if (ties or with_nulls) and _are_tied(rows, [first, *ids]):
        if with_nulls and _are_tied(rows, [first, *ids, *ties]):
            is_known = question.newest_first  # so that what is not known comes last in either direction
            rows.sort(
                key=lambda row: [
                    ((row[place] is not None) is is_known, 0 if row[place] is None else row[place])
                    for place in with_nulls
                ],
                reverse=question.newest_first,
            )
        rows.sort(key=lambda row: [row[place] for place in ties], reverse=question.newest_first)
    rows.sort(key=lambda row: [row[place] for place in ids], reverse=question.newest_first)
    known = sorted(
        (row for row in rows if row[first] is not None), key=itemgetter(first), reverse=question.newest_first
    )
    return [*known, *(row for row in rows if row[first] is None)]


def _are_tied(rows: Sequence[tuple[Any, ...]], places: Sequence[int]) -> bool:
    """Tell whether some rows hold the same in these places."""
    return len({tuple([row[place] for place in places]) for row in rows}) < len(rows)


def near(
    store: Store, planner: Planner, ids: Sequence[str], question: Rows
) -> tuple[list[tuple[Any, ...]], frozenset[datetime]]:
    """Find the legs that bear any of some ids themselves, and the moments of which all are among them.

    An engine reads all legs of a moment sooner than it compares their ids. For a thread; see `found`.
    """
    places = store.spans(ids)
    if moments := moments_of(places):
        rows = at(store, planner, question, moments)
        if rows is not None:
            return _sorted(planner, question, rows), moments
    return within(store, planner, places, question), frozenset()


def kin(store: Store, planner: Planner, leg: Row, beside: Near) -> Kin:
    """Find where facts bear the ids of a leg, and the other legs of its call. For a thread; raises UnavailableError.

    What lies at the moments of those `beside` it is not read again.
    """
    call_id = leg["call_id"]
    own = {leg["leg_id"], *leg["foreign_ids"].values()} - {""}
    places = store.spans(sorted({*own, call_id} - {""}))
    if call_id in {"", *own}:
        return Kin(places=places, others=frozenset())
    lie = [span for span in places[call_id] if span.table == CALLS]
    legs: Iterable[tuple[str, Iterable[str]]] = ()
    if all(span.first == span.last and span.first in beside.moments for span in lie):
        same = [row for row in beside.rows if (row["call_id"], row["resource"]) == (call_id, leg["resource"])]
        legs = [(row["leg_id"], row["foreign_ids"].values()) for row in same]
    elif lie:
        legs = store.answer(planner.legs_of(call_id, leg["resource"], _together(lie), _MOST))
    others = {one for leg_id, foreign in legs if leg_id != leg["leg_id"] for one in (leg_id, *foreign) if one}
    return Kin(places=places, others=frozenset(others))


def _of_call(
    store: Store, planner: Planner, wanted: str, places: dict[str, list[Span]], where: Sequence[Condition]
) -> dict[str, list[Span]]:
    """Return an id and the others of its call, if it is one of a call that meets the conditions; and where each is.

    All legs of a call share its id, and a client may have held another before it joined. For a thread; raises
    UnavailableError.
    """
    fresh = [wanted]
    for _ in range(_ROUNDS):
        spans = _together(span for one in fresh for span in places[one] if span.table == CALLS)
        if not spans or len(spans) > _MOST_SPANS:
            break
        legs = store.answer(planner.call_ids(fresh, spans, where, _MOST))
        borne = {one for leg_id, call_id, foreign in legs for one in (leg_id, call_id, *foreign) if one}
        fresh = sorted(borne - set(places))[: _MOST - len(places)]
        if not fresh:
            break
        places |= store.spans(fresh)
    return places


def bearers(store: Store, planner: Planner, ids: Sequence[str]) -> tuple[list[str], datetime, datetime] | None:
    """Return the legs that bear any of some ids, and from when to when they lie; None when there are none.

    For a thread; raises UnavailableError.
    """
    legs: set[str] = set()
    ends: list[datetime] = []
    for place in range(0, len(ids), _MOST):
        some = ids[place : place + _MOST]
        spans = _together(span for those in store.spans(some).values() for span in those if span.table == CALLS)
        if spans and len(spans) <= _MOST_SPANS:
            legs |= {leg_id for leg_id, _, _ in store.answer(planner.call_ids(some, spans, (), _MOST * _MOST))}
            ends += [spans[0][0], spans[-1][1]]
    return (sorted(legs), min(ends), max(ends)) if legs else None


def _together(spans: Iterable[Span]) -> list[tuple[datetime, datetime]]:
    """Return spans as moments, oldest first and without overlaps; those near each other as one."""
    joined: list[tuple[datetime, datetime]] = []
    for first, last in sorted((span.first, span.last) for span in spans):
        if joined and first <= joined[-1][1] + _APART:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
