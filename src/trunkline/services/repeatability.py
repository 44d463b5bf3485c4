"""Repeatability: a request that is sent twice with one id is done once and answered alike."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from trunkline.state.transaction import Moment, Transaction, metadata

repeats = sa.Table(
    "repeats",
    metadata,
    sa.Column("scope", sa.String(300), primary_key=True),
    sa.Column("request", sa.String(128), primary_key=True),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("made_at", Moment, nullable=False, index=True),
)
_get = sa.select(repeats.c.answer).where(
    repeats.c.scope == sa.bindparam("of_scope"), repeats.c.request == sa.bindparam("of_request")
)
_several = sa.select(repeats.c.request, repeats.c.answer).where(
    repeats.c.scope == sa.bindparam("of_scope"), repeats.c.request.in_(sa.bindparam("requests", expanding=True))
)
_put = sa.insert(repeats)
_old = (
    sa.select(repeats.c.scope, repeats.c.request)
    .where(repeats.c.made_at < sa.bindparam("before"))
    .limit(sa.bindparam("most"))
)
_drop = sa.delete(repeats).where(
    repeats.c.scope == sa.bindparam("of_scope"), repeats.c.request == sa.bindparam("of_request")
)


def earlier(transaction: Transaction, scope: str, request: str) -> bytes | None:
    """Return the answer that the first request of this id got, if there was one."""
    answer: bytes | None = transaction.value(_get, of_scope=scope, of_request=request)
    return answer


def several(transaction: Transaction, scope: str, requests: Sequence[str]) -> dict[str, bytes]:
    """Return the answers that earlier requests of these ids got."""
    rows = transaction.all(_several, of_scope=scope, requests=list(requests)) if requests else ()
    return {row.request: row.answer for row in rows}


def keep(transaction: Transaction, scope: str, request: str, answer: object, made_at: object) -> None:
    """Keep an answer for requests that repeat this one."""
    transaction.hand(_put, scope=scope, request=request, answer=msgspec.json.encode(answer), made_at=made_at)


def forget(transaction: Transaction, before: object, most: int) -> int:
    """Remove some answers made before a moment; returns how many."""
    rows = transaction.all(_old, before=before, most=most)
    for row in rows:
        transaction.hand(_drop, of_scope=row.scope, of_request=row.request)
    return len(rows)
