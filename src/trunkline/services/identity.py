"""Identities: users without names, and the access tokens that speak for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.acs import identifiers
from trunkline.clock import Clock, microseconds
from trunkline.errors import InvalidError, NotFoundError, UnauthenticatedError
from trunkline.ids import Ids
from trunkline.services.resources import Resource
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("deleted_at", Moment),
    sa.Column("revoked_tick", sa.BigInteger, nullable=False),
    sa.Index("identities_revoked", "revoked_tick"),
)
_put = sa.insert(identities)
_get = sa.select(identities).where(identities.c.id == sa.bindparam("of_id"))
_revoked = sa.select(identities.c.id, identities.c.revoked_tick).where(
    identities.c.revoked_tick > sa.bindparam("since")
)
_revoke = (
    sa.update(identities).where(identities.c.id == sa.bindparam("of_id")).values(revoked_tick=sa.bindparam("tick"))
)
_delete = (
    sa.update(identities)
    .where(identities.c.id == sa.bindparam("of_id"))
    .values(revoked_tick=sa.bindparam("tick"), deleted_at=sa.bindparam("deleted_at"))
)

SCOPES = frozenset({"chat", "voip", "chat.join", "chat.join.limited", "voip.join"})
SHORTEST_MINUTES = 60
LONGEST_MINUTES = 1440
_LONGEST_LIFE = timedelta(minutes=LONGEST_MINUTES)
_FEW_MARKS = 100_000
_SKEW = 1_000_000
"""How far a revocation lies ahead: another process, whose clock is up to a second ahead, may have granted before it."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says: who, for what, from when to when; `tick` orders it against revocations.

    Ticks are microseconds since 1970, each given once: a flood of grants does not run ahead of the clock.
    """

    user_id: str
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    tick: int


class Identities:
    """Creates and deletes identities, grants and revokes their tokens."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._marks: dict[str, int] = {}
        self._most_marks = _FEW_MARKS
        self._last_tick = 0

    def open(self) -> None:
        """Read which tokens are revoked; older revocations are older than any living token."""
        self._database.watch([identities.name], self.refresh)
        since = microseconds(self._clock.now() - _LONGEST_LIFE)
        rows = self._database.read_now(lambda reader: reader.all(_revoked, since=since))
        self._marks = {row.id: row.revoked_tick for row in rows}

    async def refresh(self) -> None:
        """Hear of the tokens that another process revoked."""
        since = microseconds(self._clock.now() - _LONGEST_LIFE)
        for row in await self._database.read(lambda reader: reader.all(_revoked, since=since)):
            self._mark(row.id, row.revoked_tick)

    async def create(
        self,
        resource: Resource,
        random_bytes: bytes,
        scopes: tuple[str, ...] = (),
        minutes: int | None = None,
    ) -> tuple[str, Grant | None]:
        """Create an identity, and with scopes a first grant; returns the raw id and the grant."""
        raw_id = identifiers.mint(resource.immutable_id, random_bytes)
        grant = self._grant(raw_id, scopes, minutes) if scopes else None
        row: dict[str, Any] = {
            "id": raw_id,
            "resource": resource.name,
            "created_at": self._clock.now(),
            "deleted_at": None,
            "revoked_tick": 0,
        }
        await self._database.write(lambda transaction: transaction.hand(_put, **row))
        return raw_id, grant

    async def grant(self, resource: Resource, raw_id: str, scopes: tuple[str, ...], minutes: int | None) -> Grant:
        """Grant scopes to an identity. Raises NotFoundError, InvalidError."""
        _checked(scopes, minutes)
        while True:
            mark = self._marks.get(raw_id, 0)
            row = await self._database.read(lambda reader: reader.one(_get, of_id=raw_id))
            if mark == self._marks.get(raw_id, 0):
                break
            # it was revoked or deleted while it was read: a tick after that mark must not rest on the row before it
        revoked_tick = _living(row, resource, raw_id).revoked_tick
        if revoked_tick:  # another process may have revoked a moment ago
            self._mark(raw_id, revoked_tick)
        return self._grant(raw_id, scopes, minutes)

    def _grant(self, raw_id: str, scopes: tuple[str, ...], minutes: int | None) -> Grant:
        minutes = _checked(scopes, minutes)
        return self.grant_until(raw_id, scopes, self._clock.now() + timedelta(minutes=minutes))

    def grant_until(self, raw_id: str, scopes: tuple[str, ...], expires_at: datetime) -> Grant:
        """Grant scopes until a moment that someone else has decided."""
        return Grant(
            user_id=raw_id,
            scopes=tuple(dict.fromkeys(scopes)),
            issued_at=self._clock.now(),
            expires_at=expires_at,
            tick=self._tick(raw_id),
        )

    def _tick(self, raw_id: str) -> int:
        """Return the next tick; it lies after the identity's last revocation even if the clock was set back."""
        self._last_tick = max(self._last_tick + 1, microseconds(self._clock.now()))
        return max(self._last_tick, self._marks.get(raw_id, 0) + 1)

    async def revoke(self, resource: Resource, raw_id: str) -> None:
        """End every token granted so far. Raises NotFoundError."""
        tick = self._tick(raw_id) + _SKEW

        def unit(transaction: Transaction) -> None:
            _living(transaction.one(_get, of_id=raw_id), resource, raw_id)
            transaction.hand(_revoke, of_id=raw_id, tick=tick)

        await self._database.write(unit)
        self._mark(raw_id, tick)

    async def delete(self, resource: Resource, raw_id: str) -> None:
        """Delete an identity and end its tokens. Raises NotFoundError."""
        now = self._clock.now()
        # no grant follows a deletion, so the mark may lie as far ahead as a token can live
        tick = microseconds(now + 2 * _LONGEST_LIFE)

        def unit(transaction: Transaction) -> None:
            _living(transaction.one(_get, of_id=raw_id), resource, raw_id)
            transaction.hand(_delete, of_id=raw_id, tick=tick, deleted_at=now)

        await self._database.write(unit)
        self._mark(raw_id, tick)

    def _mark(self, raw_id: str, tick: int) -> None:
        self._marks[raw_id] = max(tick, self._marks.get(raw_id, 0))
        if len(self._marks) > self._most_marks:
            since = microseconds(self._clock.now() - _LONGEST_LIFE)
            self._marks = {key: mark for key, mark in self._marks.items() if mark > since}
            # all of them may be young: going through them (0.1 s for 300,000) must not be what each new one costs
            self._most_marks = max(_FEW_MARKS, 2 * len(self._marks))

    def check(self, raw_id: str, tick: int, expires_at: float) -> None:
        """Check that a grant still holds; raises UnauthenticatedError saying why not."""
        if self._clock.now().timestamp() >= expires_at:
            raise UnauthenticatedError("The access token has expired.")
        if tick <= self._marks.get(raw_id, 0):
            raise UnauthenticatedError("The access token was revoked, or its identity deleted.")

    async def living(self, raw_ids: list[str]) -> set[str]:
        """Return which of these communication users exist and are not deleted."""
        if not raw_ids:
            return set()
        rows = await self._database.read(lambda reader: reader.all(_several, ids=raw_ids))
        return {row.id for row in rows}

    async def kept(self, raw_id: str) -> sa.Row[Any] | None:
        """Return what is kept of a user of any resource, also of a deleted one; None if nothing is."""
        return await self._database.read(lambda reader: reader.one(_get, of_id=raw_id))


_several = sa.select(identities.c.id).where(
    identities.c.id.in_(sa.bindparam("ids", expanding=True)), identities.c.deleted_at.is_(None)
)


def _living(row: Any, resource: Resource, raw_id: str) -> Any:
    if row is None or row.deleted_at is not None or row.resource != resource.name:
        raise NotFoundError(f"There is no identity {raw_id!r} in this resource.", target=raw_id)
    return row


def _checked(scopes: tuple[str, ...], minutes: int | None) -> int:
    """Check what a token is asked for; returns for how many minutes. Raises InvalidError."""
    if not scopes:
        raise InvalidError("At least one scope is needed.", target="scopes")
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidError(f"{scope!r} is not a scope; there are {', '.join(sorted(SCOPES))}.", target="scopes")
    minutes = LONGEST_MINUTES if minutes is None else minutes
    if not SHORTEST_MINUTES <= minutes <= LONGEST_MINUTES:
        raise InvalidError(
            f"A token lives for {SHORTEST_MINUTES} to {LONGEST_MINUTES} minutes, not {minutes}.",
            target="expiresInMinutes",
        )
    return minutes
