"""The outbox: events are written in the same transaction as their cause, and told afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.events.event import Event
from trunkline.state.transaction import Moment, Reader, Transaction, metadata

outbox = sa.Table(
    "outbox",
    metadata,
    # SQLite numbers only INTEGER keys by itself
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("cause", sa.String(128), nullable=False),
    sa.Column("facts", sa.LargeBinary, nullable=False),
    sa.Column("told_at", Moment),
    sa.Index("outbox_untold", "told_at", "number"),
)
_put = sa.insert(outbox)
_untold = sa.select(outbox).where(outbox.c.told_at.is_(None)).order_by(outbox.c.number).limit(sa.bindparam("most"))
_tell = (
    sa.update(outbox)
    .where(outbox.c.number.between(sa.bindparam("first"), sa.bindparam("last")))
    .values(told_at=sa.bindparam("told_at"))
)
_still_untold = (
    sa.select(sa.func.count())
    .select_from(outbox)
    .where(outbox.c.told_at.is_(None), outbox.c.number.between(sa.bindparam("first"), sa.bindparam("last")))
)
_old = sa.delete(outbox).where(outbox.c.told_at < sa.bindparam("before"))
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def tell(transaction: Transaction, event: Event) -> None:
    """Hand over an event within the transaction of its cause."""
    transaction.hand(
        _put,
        id=event.id,
        name=event.name,
        resource=event.resource,
        at=event.at,
        cause=event.cause,
        facts=_encode(event.facts),
        told_at=None,
    )


def untold(reader: Reader | Transaction, most: int) -> Sequence[tuple[int, Event]]:
    """Read the events that nobody was told of yet, oldest first."""
    return [
        (
            row.number,
            Event(
                id=row.id,
                name=row.name,
                resource=row.resource,
                at=row.at,
                cause=row.cause,
                facts=_decode(row.facts),
            ),
        )
        for row in reader.all(_untold, most=most)
    ]


def are_untold(transaction: Transaction, numbers: Sequence[int]) -> bool:
    """Tell whether nobody else has told any of these events since they were read."""
    return all(
        transaction.value(_still_untold, first=first, last=last) == last - first + 1 for first, last in _runs(numbers)
    )


def mark_told(transaction: Transaction, numbers: Sequence[int], at: Any) -> None:
    """Mark events as told, in the transaction that queues their parcels; each run of numbers by one statement.

    A run has no gaps, so it marks no event that was not read; nearly always all of them are one run.
    """
    for first, last in _runs(numbers):
        transaction.hand(_tell, first=first, last=last, told_at=at)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last number of each run of growing numbers that follow one another without a gap."""
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last


def forget(transaction: Transaction, before: Any) -> None:
    """Remove events that were told before a moment."""
    transaction.hand(_old, before=before)
