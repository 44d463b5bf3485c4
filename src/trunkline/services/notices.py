"""Notices: planned maintenance and advisories, as the operator enters them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.facts import Fact
from trunkline.clock import Clock
from trunkline.errors import ConflictError, InvalidError, NotFoundError
from trunkline.ids import Ids
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

KINDS = ("maintenance", "advisory")
MOST = 1000
LONGEST_TEXT = 2000
FURTHEST = timedelta(days=3660)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("begins_at", Moment, nullable=False),
    sa.Column("ends_at", Moment),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
)
_put = sa.insert(notices)
_get = sa.select(notices).where(notices.c.id == sa.bindparam("of_id"))
_since = (
    sa.select(notices)
    .where(
        sa.func.coalesce(notices.c.ended_at, notices.c.ends_at, sa.bindparam("now", type_=Moment))
        >= sa.bindparam("since", type_=Moment)
    )
    .order_by(notices.c.begins_at.desc(), notices.c.id)
    .limit(MOST)
)
_count = sa.select(sa.func.count()).select_from(notices)
_end = sa.update(notices).where(notices.c.id == sa.bindparam("of_id")).values(ended_at=sa.bindparam("at", type_=Moment))
_oldest = (
    sa.select(notices.c.id)
    .where(notices.c.ended_at.is_not(None) | notices.c.ends_at.is_not(None))
    .order_by(sa.func.coalesce(notices.c.ended_at, notices.c.ends_at))
    .limit(1)
)
_drop = sa.delete(notices).where(notices.c.id == sa.bindparam("of_id"))


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is announced of a `service` ("" is all of them), from `begins_at` until `ends_at`.

    Without an end it holds until further notice. `ended_at` is when it was taken back or declared over by hand.
    """

    id: str
    kind: str
    service: str = ""
    text: str
    begins_at: datetime
    ends_at: datetime | None = None
    made_at: datetime
    ended_at: datetime | None = None

    def over_at(self) -> datetime | None:
        """Return when it is over, or None until further notice."""
        known = [moment for moment in (self.ends_at, self.ended_at) if moment is not None]
        return min(known) if known else None

    def state(self, now: datetime) -> Literal["planned", "active", "over"]:
        """Tell whether it is still to come, holds now, or is over."""
        end = self.over_at()
        if end is not None and end <= now:
            return "over"
        return "planned" if self.begins_at > now else "active"

    def covers(self, service: str) -> bool:
        """Tell whether it is about a service."""
        return self.service in {"", service}


What = Literal["announced", "ended"]


class Teller(Protocol):
    """Somebody who tells of notices."""

    def announce(self, transaction: Transaction, notice: Notice, what: What, now: datetime) -> list[Fact]:
        """Hand over what is told of a notice, within its transaction; returns the facts of it."""
        ...

    def told(self, facts: Iterable[Fact]) -> None:
        """Hear that what was handed over is durable."""
        ...


class Notices:
    """The notices of this server; `services` are those that one may be about."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, services: Collection[str], teller: Teller) -> None:
        self._teller = teller
        self._database = database
        self._clock = clock
        self._ids = ids
        self.services = services

    async def add(
        self,
        kind: str,
        text: str,
        *,
        service: str = "",
        begins_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> Notice:
        """Enter a notice, which holds from now on unless told otherwise. Raises InvalidError, ConflictError."""
        now = self._clock.now()
        text = text.replace("\0", "").strip()
        if kind not in KINDS:
            raise InvalidError(f"A notice's kind is {' or '.join(KINDS)}.", target="kind")
        if not 0 < len(text) <= LONGEST_TEXT:
            raise InvalidError(f"The text has 1 to {LONGEST_TEXT} characters.", target="text")
        if service and service not in self.services:
            raise InvalidError(
                f"There is no service {service[:40]!r}; there are {', '.join(sorted(self.services))}.", target="service"
            )
        begins_at = begins_at or now
        if ends_at is not None and ends_at <= max(begins_at, now):
            raise InvalidError("The end must be after the beginning, and not passed yet.", target="until")
        if abs(begins_at - now) > FURTHEST or (ends_at is not None and ends_at - now > FURTHEST):
            raise InvalidError("The moments are within ten years.", target="from")
        digits = self._ids.hex(4).upper()
        notice = Notice(
            id=f"{digits[:4]}-{digits[4:]}",
            kind=kind,
            service=service,
            text=text,
            begins_at=begins_at,
            ends_at=ends_at,
            made_at=now,
        )

        def unit(transaction: Transaction) -> list[Fact]:
            oldest = transaction.value(_oldest) if transaction.value(_count) >= MOST else None
            if oldest is None and transaction.value(_count) >= MOST:
                raise ConflictError(f"There are {MOST} notices; end one first.")
            if oldest is not None:
                transaction.hand(_drop, of_id=oldest)
            transaction.hand(_put, **msgspec.structs.asdict(notice))
            return self._teller.announce(transaction, notice, "announced", now)

        self._teller.told(await self._database.write(unit))
        return notice

    async def end(self, notice_id: str) -> Notice:
        """Declare a notice over, or take back one that is still to come; it stays in the history.

        Raises NotFoundError, ConflictError (it is over).
        """
        wanted, now = notice_id.upper(), self._clock.now()

        def unit(transaction: Transaction) -> tuple[Notice, list[Fact]]:
            row = transaction.one(_get, of_id=wanted)
            if row is None:
                raise NotFoundError(f"There is no notice {notice_id[:40]!r}.", target="id")
            notice = _read(row)
            if notice.state(now) == "over":
                raise ConflictError(f"The notice {notice.id} is over already.", target="id")
            transaction.hand(_end, of_id=wanted, at=now)
            notice = msgspec.structs.replace(notice, ended_at=now)
            return notice, self._teller.announce(transaction, notice, "ended", now)

        ended, told = await self._database.write(unit)
        self._teller.told(told)
        return ended

    async def since(self, moment: datetime) -> list[Notice]:
        """List the notices that are not over, or were not at a moment, those that begin last first."""
        now = self._clock.now()
        rows = await self._database.read(lambda reader: reader.all(_since, since=moment, now=now))
        return [_read(row) for row in rows]


def _read(row: sa.Row[Any]) -> Notice:
    return Notice(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
