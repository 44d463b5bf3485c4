"""What was sent by text message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from trunkline.clock import EPOCH, from_microseconds
from trunkline.services.sent import Sent, Wanted
from trunkline.services.sms.tables import sent
from trunkline.state.transaction import Moment, Reader

NAME = "sms"
BATCH = 200
_FAR = datetime(9999, 1, 1, tzinfo=UTC)

_after = sa.or_(
    sent.c.sent_at < sa.bindparam("until", type_=Moment),
    sa.and_(sent.c.sent_at == sa.bindparam("until", type_=Moment), sent.c.id > sa.bindparam("after")),
)
_of_resource = (
    sa.select(sent)
    .where(
        sent.c.resource == sa.bindparam("of_resource"),
        sent.c.sent_at >= sa.bindparam("since", type_=Moment),
        sent.c.sent_at <= sa.bindparam("until", type_=Moment),
        _after,
    )
    .order_by(sent.c.sent_at.desc(), sent.c.id)
    .limit(sa.bindparam("most"))
)
_of_recipient = _of_resource.where(sent.c.recipient == sa.bindparam("of_recipient"))
_of_id = sa.select(sent).where(sent.c.id == sa.bindparam("of_id"))


class SmsSent:
    """The channel of text messages."""

    @property
    def tables(self) -> Sequence[str]:
        """The tables that it reads."""
        return [sent.name]

    @property
    def name(self) -> str:
        """The channel's name."""
        return NAME

    def sent(self, reader: Reader, wanted: Wanted) -> Iterator[Sent]:
        """Give the entries newest first, of one moment by id."""
        if wanted.thread:
            return
        if wanted.id:
            found = (_entry(row) for row in reader.all(_of_id, of_id=wanted.id))
            yield from (one for one in found if wanted.begins_before(one))
            return
        until, after = wanted.until or _FAR, wanted.after
        while rows := self._rows(reader, wanted, until, after):
            yield from map(_entry, rows)
            until, after = rows[-1].sent_at, rows[-1].id

    def _rows(self, reader: Reader, wanted: Wanted, until: datetime, after: str) -> Any:
        bound = {"of_resource": wanted.resource, "since": wanted.since or EPOCH, "until": until, "after": after}
        if wanted.recipient:
            return reader.all(_of_recipient, **bound, of_recipient=wanted.recipient, most=BATCH)
        return reader.all(_of_resource, **bound, most=BATCH)


def _entry(row: Any) -> Sent:
    details: dict[str, Any] = {"segments": row.segments, "tag": row.tag, "delivery_report": row.wants_report}
    if row.outcome:
        details["outcome"] = row.outcome
    details["offered_at"] = [from_microseconds(at) for at, _ in row.offers]
    return Sent(
        channel=NAME,
        id=row.id,
        key=row.id,
        resource=row.resource,
        sender=row.sender,
        recipient=row.recipient,
        text=row.content,
        sent_at=row.sent_at,
        status=row.status,
        details=details,
    )
