"""The queue: parcels are kept here, durable, until their outcome is.

A parcel leaves the queue only by a write of its outcome; whoever stops before that finds it waiting again,
so delivery is at least once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.delivery.parcel import Parcel, State
from trunkline.state.transaction import Moment, Reader, Transaction, metadata

parcels = sa.Table(
    "parcels",
    metadata,
    # SQLite numbers only INTEGER keys by itself
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("subscription", sa.String(36), nullable=False),
    sa.Column("subscription_name", sa.String(64), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("headers", sa.LargeBinary, nullable=False),
    sa.Column("count_header", sa.String(64), nullable=False),
    sa.Column("event_type", sa.String(128), nullable=False),
    sa.Column("event_ids", sa.LargeBinary, nullable=False),
    sa.Column("causes", sa.LargeBinary),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("most_attempts", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_status", sa.Integer, nullable=False),
    sa.Column("last_outcome", sa.String(16), nullable=False),
    sa.Column("tried_at", Moment),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("finished_at", Moment),
    # numbers are never used twice: attempts that are remembered name them
    sqlite_autoincrement=True,
)
_WAITS = parcels.c.finished_at.is_(None)
_IS_FINISHED = parcels.c.finished_at.is_not(None)
sa.Index(
    "parcels_waiting",
    parcels.c.subscription,
    parcels.c.due_at,
    sqlite_where=sa.text("finished_at IS NULL"),
    postgresql_where=sa.text("finished_at IS NULL"),
)
sa.Index(
    "parcels_finished",
    parcels.c.state,
    parcels.c.finished_at,
    sqlite_where=sa.text("finished_at IS NOT NULL"),
    postgresql_where=sa.text("finished_at IS NOT NULL"),
)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Where a parcel goes that is sent again, from when on and until when, and how often it is tried."""

    url: str
    most_attempts: int
    due_at: datetime
    expires_at: datetime


_put = sa.insert(parcels)
_due = (
    sa.select(parcels)
    .where(
        _WAITS,
        parcels.c.subscription == sa.bindparam("of_subscription"),
        parcels.c.due_at <= sa.bindparam("now"),
    )
    .order_by(parcels.c.due_at, parcels.c.id)
    .limit(sa.bindparam("most"))
)
_next = sa.select(sa.func.min(parcels.c.due_at, type_=Moment)).where(
    _WAITS,
    parcels.c.subscription == sa.bindparam("of_subscription"),
    parcels.c.due_at > sa.bindparam("now"),
)
_subscriptions = sa.select(parcels.c.subscription).where(_WAITS).distinct()
_note = (
    sa.update(parcels)
    .where(parcels.c.id == sa.bindparam("of_id"), _WAITS)
    .values(
        due_at=sa.bindparam("due_at"),
        attempts=sa.bindparam("attempts"),
        last_status=sa.bindparam("last_status"),
        last_outcome=sa.bindparam("last_outcome"),
        tried_at=sa.bindparam("tried_at"),
        state=sa.bindparam("state"),
        reason=sa.bindparam("reason"),
        finished_at=sa.bindparam("finished_at"),
    )
)
_recall = sa.delete(parcels).where(_WAITS, parcels.c.subscription == sa.bindparam("of_subscription"))
_readdress = (
    sa.update(parcels)
    .where(_WAITS, parcels.c.subscription == sa.bindparam("of_subscription"))
    .values(url=sa.bindparam("url"))
)
_dead = (
    sa.select(parcels)
    .where(
        _IS_FINISHED,
        parcels.c.state == State.DEAD.value,
        parcels.c.resource == sa.bindparam("of_resource"),
        parcels.c.due_at <= sa.bindparam("now"),
        parcels.c.id < sa.bindparam("before"),
    )
    .order_by(parcels.c.id.desc())
    .limit(sa.bindparam("most"))
)
_dead_of = (
    sa.select(parcels.c.id, parcels.c.event_ids)
    .where(
        _IS_FINISHED,
        parcels.c.state == State.DEAD.value,
        parcels.c.subscription == sa.bindparam("of_subscription"),
        parcels.c.id > sa.bindparam("after"),
    )
    .order_by(parcels.c.id)
    .limit(sa.bindparam("most"))
)
_one = sa.select(parcels).where(parcels.c.id == sa.bindparam("of_id"))
_revive = (
    sa.update(parcels)
    .where(parcels.c.id == sa.bindparam("of_id"), parcels.c.state == State.DEAD.value)
    .values(
        state=State.WAITING.value,
        reason="",
        attempts=0,
        finished_at=None,
        url=sa.bindparam("url"),
        most_attempts=sa.bindparam("most_attempts"),
        due_at=sa.bindparam("due_at"),
        expires_at=sa.bindparam("expires_at"),
    )
)
_waiting_count = sa.select(sa.func.count()).select_from(parcels).where(_WAITS)
_finished_counts = (
    sa.select(parcels.c.state, sa.func.count().label("many")).where(_IS_FINISHED).group_by(parcels.c.state)
)
_old = (
    sa.select(parcels.c.id)
    .where(
        _IS_FINISHED,
        parcels.c.state == sa.bindparam("of_state"),
        parcels.c.finished_at < sa.bindparam("before"),
    )
    .limit(sa.bindparam("most"))
)
_drop = sa.delete(parcels).where(parcels.c.id == sa.bindparam("of_id"))
_FAR = 2**62
_encode = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(dict[str, str]).decode
_decode_ids = msgspec.msgpack.Decoder(tuple[str, ...]).decode


def put(transaction: Transaction, parcel: Parcel) -> None:
    """Hand over a new parcel, within its maker's transaction."""
    row: dict[str, Any] = {name: getattr(parcel, name) for name in _WRITTEN}
    row["headers"] = _encode(parcel.headers)
    row["event_ids"] = _encode(parcel.event_ids)
    row["causes"] = _encode(parcel.causes)
    transaction.hand(_put, **row)


_WRITTEN = tuple(name for name in Parcel.__struct_fields__ if name != "id")


def subscriptions(reader: Reader) -> list[str]:
    """Name the subscriptions for which something waits."""
    return [row.subscription for row in reader.all(_subscriptions)]


def due(reader: Reader, subscription: str, now: datetime, most: int) -> list[Parcel]:
    """Read the parcels of a subscription that are due, the longest due first."""
    return [_parcel(row) for row in reader.all(_due, of_subscription=subscription, now=now, most=most)]


def next_due_at(reader: Reader, subscription: str, now: datetime) -> datetime | None:
    """Return when the next parcel of a subscription that is not due yet will be."""
    moment: datetime | None = reader.value(_next, of_subscription=subscription, now=now)
    return moment


def finish(transaction: Transaction, parcel: Parcel, now: datetime) -> None:
    """Note that a parcel arrived."""
    _write(transaction, parcel, state=State.DELIVERED, due_at=parcel.due_at, finished_at=now)


def reschedule(transaction: Transaction, parcel: Parcel, due_at: datetime) -> None:
    """Note a failed attempt, and when to try again."""
    _write(transaction, parcel, state=State.WAITING, due_at=due_at, finished_at=None)


def bury(transaction: Transaction, parcel: Parcel, reason: str, now: datetime, dead_at: datetime) -> None:
    """Note that a parcel is given up; it is listed as dead from `dead_at` on."""
    _write(transaction, parcel, state=State.DEAD, due_at=dead_at, finished_at=now, reason=reason)


def _write(
    transaction: Transaction,
    parcel: Parcel,
    *,
    state: State,
    due_at: datetime,
    finished_at: datetime | None,
    reason: str = "",
) -> None:
    transaction.hand(
        _note,
        of_id=parcel.id,
        due_at=due_at,
        attempts=parcel.attempts,
        last_status=parcel.last_status,
        last_outcome=parcel.last_outcome,
        tried_at=parcel.tried_at,
        state=state.value,
        reason=reason,
        finished_at=finished_at,
    )


def recall(transaction: Transaction, subscription: str) -> None:
    """Take back what waits for a subscription that is gone."""
    transaction.hand(_recall, of_subscription=subscription)


def readdress(transaction: Transaction, subscription: str, url: str) -> None:
    """Send what waits for a subscription to its new address."""
    transaction.hand(_readdress, of_subscription=subscription, url=url)


def dead(reader: Reader, resource: str, now: datetime, *, most: int = 100, before: int | None = None) -> list[Parcel]:
    """List the dead parcels of a resource, newest first, before an id."""
    last = _FAR if before is None else before
    return [_parcel(row) for row in reader.all(_dead, of_resource=resource, now=now, before=last, most=most)]


def find(reader: Reader | Transaction, parcel_id: int) -> Parcel | None:
    """Return a parcel that is still kept."""
    row = reader.one(_one, of_id=parcel_id)
    return None if row is None else _parcel(row)


def revive(transaction: Transaction, subscription: str, terms: Terms, after: int, most: int) -> dict[int, int]:
    """Let dead parcels of a subscription after an id wait again as if they were new; returns their ids and events."""
    rows = transaction.all(_dead_of, of_subscription=subscription, after=after, most=most)
    for row in rows:
        transaction.hand(_revive, of_id=row.id, **msgspec.structs.asdict(terms))
    return {row.id: len(_decode_ids(row.event_ids)) for row in rows}


def counts(reader: Reader) -> dict[str, int]:
    """Count the parcels that are kept, by state."""
    finished = {row.state: row.many for row in reader.all(_finished_counts)}
    return {State.WAITING.value: reader.value(_waiting_count) or 0, "delivered": 0, "dead": 0, **finished}


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """Remove some parcels that were finished before a moment; returns how many."""
    gone: Sequence[int] = ()
    for state in (State.DELIVERED, State.DEAD):
        if len(gone) < most:
            rows = transaction.all(_old, of_state=state.value, before=before, most=most - len(gone))
            gone = [*gone, *(row.id for row in rows)]
    for number in gone:
        transaction.hand(_drop, of_id=number)
    return len(gone)


def _parcel(row: sa.Row[Any]) -> Parcel:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    fields["headers"] = _decode_headers(row.headers)
    fields["event_ids"] = _decode_ids(row.event_ids)
    fields["causes"] = _decode_ids(row.causes) if row.causes else ()
    return Parcel(**fields)
