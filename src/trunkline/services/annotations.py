"""Annotations: what people say of calls, kept beside the facts and by the leg's own id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.errors import InvalidError
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

said_of_calls = sa.Table(
    "annotations",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("leg_id", sa.String(200), primary_key=True),
    sa.Column("call_at", Moment, nullable=False),
    sa.Column("answered_by", sa.String(20), nullable=False),
    sa.Column("connectivity_issue", sa.String(40), nullable=False),
    sa.Column("quality_issues", sa.JSON, nullable=False),
    sa.Column("spam", sa.Boolean),
    sa.Column("call_score", sa.Integer),
    sa.Column("comment", sa.Text),
    sa.Column("incident", sa.Text),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Index("annotations_by_call", "resource", "call_at"),
)
_of_account = said_of_calls.c.resource == sa.bindparam("resource")
_one = sa.select(said_of_calls).where(_of_account, said_of_calls.c.leg_id == sa.bindparam("leg_id"))
_drop = sa.delete(said_of_calls).where(
    said_of_calls.c.resource == sa.bindparam("of_resource"), said_of_calls.c.leg_id == sa.bindparam("of_leg_id")
)
_put = sa.insert(said_of_calls)
_several = sa.select(said_of_calls).where(_of_account, said_of_calls.c.leg_id.in_(sa.bindparam("legs", expanding=True)))
_within = (
    sa.select(said_of_calls)
    .where(
        _of_account,
        said_of_calls.c.call_at >= sa.bindparam("start"),
        said_of_calls.c.call_at < sa.bindparam("end"),
    )
    .order_by(said_of_calls.c.call_at, said_of_calls.c.leg_id)
)
LONGEST = 100
"""So many characters a comment and an incident have at most."""
ANSWERED_BY = ("unknown", "human", "machine")
CONNECTIVITY = ("unknown", "none", "invalid number", "caller id", "dropped", "unreachable")
QUALITY = ("unknown", "none", "low volume", "choppy", "echo", "dtmf", "latency", "one way", "noise")
_AT_ONCE = 5000
_NOTHING = "\0"
"""What not every database can hold in a text."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one call; "", () and None are nothing said.

    `call_at` is when the call was attempted, so that those of a span are found.
    """

    resource: str
    leg_id: str
    call_at: datetime
    answered_by: str = ""
    connectivity_issue: str = ""
    quality_issues: tuple[str, ...] = ()
    spam: bool | None = None
    call_score: int | None = None
    comment: str | None = None
    incident: str | None = None
    changed_at: datetime | None = None


class Annotations:
    """The annotations of this server."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, resource: str, leg_id: str) -> Annotation | None:
        """Return what is said of a call, or None."""
        if _NOTHING in leg_id:
            return None
        row = await self._database.read(lambda reader: reader.one(_one, resource=resource, leg_id=leg_id))
        return None if row is None else _read(row)

    async def of_several(self, resource: str, legs: Sequence[str]) -> dict[str, Annotation]:
        """Return what is said of calls of one account, by their legs' ids."""
        found: dict[str, Annotation] = {}
        legs = [one for one in legs if _NOTHING not in one]
        for place in range(0, len(legs), _AT_ONCE):
            those = list(legs[place : place + _AT_ONCE])
            rows = await self._database.read(
                lambda reader, those=those: reader.all(_several, resource=resource, legs=those)  # type: ignore[misc]
            )
            found |= {row.leg_id: _read(row) for row in rows}
        return found

    async def within(self, resource: str, start: datetime, end: datetime) -> list[Annotation]:
        """Return what is said of an account's calls of [start, end), the oldest call first."""
        rows = await self._database.read(lambda reader: reader.all(_within, resource=resource, start=start, end=end))
        return [_read(row) for row in rows]

    async def say(self, resource: str, leg_id: str, call_at: datetime, said: Mapping[str, Any]) -> Annotation:
        """Change what is given of what is said of a call; the rest stays. Raises InvalidError."""
        _check(said)
        if _NOTHING in leg_id:
            raise InvalidError("A call whose id holds a zero character cannot be annotated.", target="leg_id")
        now = self._clock.now()

        def unit(transaction: Transaction) -> Annotation:
            row = transaction.one(_one, resource=resource, leg_id=leg_id)
            old = Annotation(resource=resource, leg_id=leg_id, call_at=call_at) if row is None else _read(row)
            new = msgspec.structs.replace(old, call_at=call_at, changed_at=now, **said)
            transaction.hand(_drop, of_resource=resource, of_leg_id=leg_id)
            transaction.hand(_put, **{**msgspec.structs.asdict(new), "quality_issues": list(new.quality_issues)})
            return new

        return await self._database.write(unit)


def _check(said: Mapping[str, Any]) -> None:
    """Raise InvalidError for what cannot be said."""
    for name, known in (("answered_by", ANSWERED_BY), ("connectivity_issue", CONNECTIVITY)):
        if said.get(name, "") not in {"", *known}:
            raise InvalidError(f"It is one of {', '.join(known)}.", target=name)
    if wrong := set(said.get("quality_issues", ())) - set(QUALITY):
        raise InvalidError(f"{', '.join(sorted(wrong))} is none of {', '.join(QUALITY)}.", target="quality_issues")
    score = said.get("call_score")
    if score is not None and not 1 <= score <= 5:
        raise InvalidError("It is a whole number from 1 (bad) to 5 (excellent).", target="call_score")
    for name in ("comment", "incident"):
        if len(said.get(name) or "") > LONGEST:
            raise InvalidError(f"It has at most {LONGEST} characters.", target=name)


def _read(row: sa.Row[Any]) -> Annotation:
    given = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Annotation(**{**given, "quality_issues": tuple(given["quality_issues"])})
