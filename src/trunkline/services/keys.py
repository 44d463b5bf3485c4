"""API keys: made for a role and perhaps an account, shown once, revoked at any time; only a digest is kept."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.errors import ConflictError, InvalidError, NotFoundError, TrunklineError, UnauthenticatedError
from trunkline.ids import Ids, digest
from trunkline.services.access import Principal, same
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("ends_at", Moment),
    sa.Column("used_at", Moment),
)
_all = sa.select(api_keys).order_by(api_keys.c.made_at, api_keys.c.id)
_put = sa.insert(api_keys)
_of_id = api_keys.c.id == sa.bindparam("of_id")
_use = sa.update(api_keys).where(_of_id).values(used_at=sa.bindparam("at", type_=Moment))
_drop = sa.delete(api_keys).where(_of_id)

ROLES = {"write": "writer", "read": "reader", "admin": "owner"}
"""What a key may do: the role of whoever shows it."""
MOST_KEYS = 10_000
LONGEST_LIFE = timedelta(days=3660)
LONGEST_NAME = 100
PREFIX = "tl_"
_FORM = re.compile(r"tl_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_SID = re.compile(r"SK([0-9a-f]{16})[0-9a-f]{16}")
_NONE = "There is no such API key, or it is revoked; `trunkline key list` shows those there are."
_NOBODYS = hashlib.sha256(b"").hexdigest()


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key: `resource` is the account that it is confined to ("" is none), `used_at` the minute of its last use."""

    id: str
    name: str
    resource: str
    role: str
    digest: str
    made_at: datetime
    ends_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def sid(self) -> str:
        """The id of the form SK and 32 digits; it goes with the key's secret, as name and password."""
        return f"SK{self.id}{digest(self.id)[:16]}"


class ApiKeys:
    """The API keys of this server, held in memory and kept in the database."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._known: dict[str, ApiKey] = {}
        # one change at a time: a key that is being made twice as fast must not pass the bound
        self._changing = asyncio.Lock()
        self._changes = 0

    def open(self) -> None:
        """Read what is kept."""
        self._database.watch([api_keys.name], self.refresh)
        self._learn(self._database.read_now(lambda reader: reader.all(_all)))

    async def refresh(self) -> None:
        """Read again what another process may have made or revoked."""
        changes = -1
        while changes != self._changes:  # what this process changes meanwhile may not be in what was read
            changes = self._changes
            rows = await self._database.read(lambda reader: reader.all(_all))
        self._learn(rows)

    def _learn(self, rows: Iterable[sa.Row[Any]]) -> None:
        self._known = {row.id: ApiKey(**row._mapping) for row in rows}  # noqa: SLF001 - SQLAlchemy's public name for it

    async def make(
        self, name: str, role: str, *, resource: str = "", ends_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it and the text that opens, which is kept nowhere.

        Raises InvalidError for a name, role or end that cannot be, ConflictError when there are too many.
        """
        name, now = name.strip(), self._clock.now()
        if role not in ROLES:
            raise InvalidError(f"The role of a key is one of {', '.join(ROLES)}.", target="role")
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise InvalidError(f"A key's name has 1 to {LONGEST_NAME} printable characters.", target="name")
        if ends_at is not None and not now < ends_at <= now + LONGEST_LIFE:
            raise InvalidError("A key ends after now, and within ten years.", target="expires")
        secret = self._ids.token(32)
        key = ApiKey(
            id=self._ids.hex(8),
            name=name,
            resource=resource,
            role=role,
            digest=_digest(secret),
            made_at=now,
            ends_at=ends_at,
        )
        row = msgspec.structs.asdict(key)
        async with self._changing:
            if len(self._known) >= MOST_KEYS:
                raise ConflictError(f"There are {MOST_KEYS} API keys already; revoke those that nobody uses.")
            await self._database.write(lambda transaction: transaction.hand(_put, **row))
            self._changes += 1
            self._known[key.id] = key
        return key, f"{PREFIX}{key.id}_{secret}"

    def all(self) -> list[ApiKey]:
        """List the keys, the oldest first."""
        return sorted(self._known.values(), key=lambda key: (key.made_at, key.id))

    async def revoke(self, key_id: str, *, by: Callable[[ApiKey], bool]) -> None:
        """Let a key open nothing from now on, if it is the caller's business (`by` tells). Raises NotFoundError."""
        key = self._known.get(key_id)
        if key is None or not by(key):
            raise NotFoundError(
                f"There is no API key {key_id!r}, or it is revoked; `trunkline key list` shows those there are.",
                target="id",
            )
        await self._database.write(lambda transaction: transaction.hand(_drop, of_id=key_id))
        self._changes += 1
        self._known.pop(key_id, None)

    # --- letting in ---

    async def principal(self, text: str) -> Principal:
        """Return who shows a key. Raises UnauthenticatedError; the time it takes tells nothing of the secret."""
        found = _FORM.fullmatch(text)
        key = self._known.get(found.group(1)) if found else None
        fits = same(key.digest if key else _NOBODYS, _digest(found.group(2) if found else text))
        if key is None or not fits:
            raise UnauthenticatedError(_NONE)
        now = self._clock.now()
        if key.ends_at is not None and now >= key.ends_at:
            raise UnauthenticatedError("The API key has expired; `trunkline key create` makes a new one.")
        await self._note(key, now.replace(second=0, microsecond=0))
        if key.id not in self._known:  # revoked while that was written
            raise UnauthenticatedError(_NONE)
        return Principal(name=f"api key {key.id}", role=ROLES[key.role], resource=key.resource)

    async def principal_of(self, sid: str, secret: str) -> Principal:
        """Return who shows a key by its SID and its secret; see `principal`."""
        found = _SID.fullmatch(sid)
        key = self._known.get(found.group(1)) if found else None
        return await self.principal(f"{PREFIX}{key.id}_{secret}" if key and key.sid == sid else "")

    async def _note(self, key: ApiKey, minute: datetime) -> None:
        """Keep in which minute a key was last used; a server that cannot write lets its holder in all the same."""
        if key.used_at is not None and key.used_at >= minute:
            return
        self._known[key.id] = msgspec.structs.replace(key, used_at=minute)

        def unit(transaction: Transaction) -> None:
            transaction.hand(_use, of_id=key.id, at=minute)

        with suppress(TrunklineError):
            await self._database.write(unit)


def secret_of(text: str) -> str:
    """Return the part of a key's text that is secret: it goes with the key's SID."""
    return text.split("_", 2)[2]


def _digest(secret: str) -> str:
    """Return what is kept of a secret: 256 random bits need neither salt nor a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
