"""Facts found by an id: by any of those by which a call is known, where in time something bears one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Rows
from trunkline.telemetry.store import Span, Store

OF_CALLS = frozenset({"calls", "call_events", "samples"})
"""The tables whose facts belong to calls."""
_CALLS = "calls"
_MOST = 100
_ROUNDS = 3
_MOST_DAYS = 40  # what is borne over so many days is a number or a user, and no call


_SPANS_AT_ONCE = 50


def found(store: Store, planner: Planner, question: Rows) -> list[tuple[Any, ...]]:
    """Find facts: by an id first where in time they are, then there. For a thread; raises UnavailableError."""
    if not question.id:
        return store.answer(planner.rows(question))
    ids = [question.id]
    if question.fact in OF_CALLS:
        confined = [condition for condition in question.where if condition.column == "resource"]
        ids = aliases(store, planner, question.id, confined)
    spans = [
        span for span in within(store, question.fact, ids) if span.last >= question.start and span.first < question.end
    ]
    if question.newest_first:
        spans.reverse()
    rows: list[tuple[Any, ...]] = []
    wanted = question.skip + question.limit
    for place in range(0, len(spans), _SPANS_AT_ONCE):
        those = ends(spans[place : place + _SPANS_AT_ONCE])
        part = msgspec.structs.replace(question, skip=0, limit=wanted - len(rows))
        rows += store.answer(planner.rows(part, ids, those))
        if len(rows) >= wanted:
            break
    return rows[question.skip :]


def aliases(store: Store, planner: Planner, wanted: str, where: Sequence[Condition]) -> list[str]:
    """Return an id and the others of its call, if it is one of a call that meets the conditions.

    All legs of a call share its id, and a client may have held another before it joined. For a thread; raises
    UnavailableError.
    """
    known, looked_up = {wanted}, set[str]()
    for _ in range(_ROUNDS):
        fresh = sorted(known - looked_up)
        spans = within(store, _CALLS, fresh)
        if not fresh or not spans or len(spans) > _MOST_DAYS:
            break
        for leg_id, call_id, foreign in store.answer(planner.call_ids(fresh, ends(spans), where, _MOST)):
            known |= {leg_id, call_id, *foreign} - {""}
        looked_up |= set(fresh)
        if len(known) > _MOST:
            break
    return [wanted, *sorted(known - {wanted})][:_MOST]


def within(store: Store, table: str, ids: Iterable[str]) -> list[Span]:
    """Return where facts of a table bear any of some ids, oldest first, without overlaps; raises UnavailableError."""
    found = sorted(
        (span for one in ids for span in store.spans(one) if span.table == table), key=lambda span: span.first
    )
    joined: list[Span] = []
    for span in found:
        if joined and span.first <= joined[-1].last:
            joined[-1] = Span(table, joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return joined


def ends(spans: Iterable[Span]) -> list[tuple[datetime, datetime]]:
    """Return where spans begin and end."""
    return [(span.first, span.last) for span in spans]
