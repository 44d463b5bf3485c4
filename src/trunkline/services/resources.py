"""Resources: each has a name, credentials and ids of its own, and perhaps a parent; what happens belongs to one."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError
from trunkline.ids import Ids, account_sid, directory_object
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

resources = sa.Table(
    "resources",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("immutable_id", sa.String(36), nullable=False, unique=True),
    sa.Column("subscription_id", sa.String(36), nullable=False),
    sa.Column("tenant_id", sa.String(36), nullable=False),
    sa.Column("resource_group", sa.String(90), nullable=False),
    sa.Column("key1", sa.Text, nullable=False),
    sa.Column("key2", sa.Text, nullable=False),
    sa.Column("api_key", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("parent", sa.String(64), nullable=False),
    sa.Column("auth_token", sa.Text, nullable=False),
    sa.Column("app_key", sa.Text, nullable=False),
)
_all = sa.select(resources).order_by(resources.c.created_at, resources.c.name)
_put = sa.insert(resources)
MOST_LEVELS = 5
"""So deep may accounts stand below each other, the topmost counted."""
REPLACEABLE = ("key1", "key2", "api_key", "auth_token", "app_key")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One resource, as code that is being moved here knows it."""

    name: str
    immutable_id: str
    subscription_id: str
    tenant_id: str
    resource_group: str
    key1: str
    key2: str
    api_key: str
    created_at: datetime
    parent: str
    auth_token: str
    app_key: str

    @property
    def sid(self) -> str:
        """The id of the form AC and 32 digits; it goes with the auth token, as name and password."""
        return account_sid(self.immutable_id)

    @property
    def application_id(self) -> str:
        """The id, within its directory, of the application as which the bearers of this server speak."""
        return directory_object(self.tenant_id, "application")

    @property
    def operator_id(self) -> str:
        """The object id, within its directory, of the user as whom the bearers of this server speak."""
        return directory_object(self.tenant_id, "operator")

    @property
    def keys(self) -> tuple[str, str]:
        """The two access keys; either is valid at any time, so that one can be replaced without downtime."""
        return self.key1, self.key2

    def __repr__(self) -> str:
        return f"Resource(name={self.name!r})"  # keys never reach a log


class Resources:
    """The resources of this server, held in memory and kept in the database."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._known: dict[str, Resource] = {}
        self._below: dict[str, set[str]] = {}
        self._by_mark: dict[tuple[str, str], str] = {}
        # one change at a time: two that rest on the same old row would undo each other
        self._changing = asyncio.Lock()
        self._changes = 0
        self._generation = (
            0  # when a change was written last: another process may have changed more only in a later one
        )
        self.default = ""

    def open(self, settings: Settings) -> None:
        """Read what is kept; make the default resource at first start and follow its settings later."""
        self._database.watch([resources.name], self.refresh)
        self._learn(self._database.read_now(lambda reader: reader.all(_all)))
        try:
            self.default = _checked_name(settings.resource)
        except InvalidError as error:
            raise ConfigurationError(f"The setting resource: {error.message}") from error

    async def refresh(self) -> None:
        """Read again what another process may have changed."""
        changes = -1
        while changes != self._changes:  # what this process changes meanwhile may not be in what was read
            changes = self._changes
            rows = await self._database.read(lambda reader: reader.all(_all))
        self._learn(rows)

    def _learn(self, rows: Iterable[sa.Row[Any]]) -> None:
        """Know what is kept, and nothing else."""
        self._known, self._below, self._by_mark = {}, {}, {}
        for resource in _by_name(rows).values():
            self._note(resource)

    async def settle(self, settings: Settings) -> Resource:
        """Make the default resource, or bring it in line with the settings that are given.

        Resources of a folder that knew fewer kinds of credentials get those that they lack.
        """
        for lacking in [name for name, one in self._known.items() if not one.auth_token]:
            await self._change(partial(self._completed, lacking))
        keys = [_checked_key(key) for key in settings.access_keys]
        if len(keys) > 2:
            raise ConfigurationError(f"A resource has two access keys; the setting access_keys names {len(keys)}.")
        return await self._change(lambda: self._settled(settings, keys))

    def _completed(self, name: str) -> Resource:
        """Give a resource the credentials that it lacks."""
        old = self._known[name]
        if old.auth_token:
            return old
        return msgspec.structs.replace(old, auth_token=self._ids.hex(), app_key=self._ids.app_key())

    def _settled(self, settings: Settings, keys: list[str]) -> Resource:
        """Return the default resource as the settings have it, and as it was where they say nothing."""
        old = self._known.get(self.default)
        return Resource(
            name=self.default,
            immutable_id=old.immutable_id if old else self._ids.guid(),
            subscription_id=settings.subscription_id or (old.subscription_id if old else self._ids.guid()),
            tenant_id=settings.tenant_id or (old.tenant_id if old else self._ids.guid()),
            resource_group=settings.resource_group,
            key1=keys[0] if keys else (old.key1 if old else self._ids.key()),
            key2=keys[1] if len(keys) > 1 else (old.key2 if old else self._ids.key()),
            api_key=settings.api_key or (old.api_key if old else self._ids.token()),
            created_at=old.created_at if old else self._clock.now(),
            parent=old.parent if old else "",
            auth_token=old.auth_token if old else self._ids.hex(),
            app_key=old.app_key if old else self._ids.app_key(),
        )

    async def create(self, name: str, parent: str | None = None) -> Resource:
        """Make a resource with credentials of its own, or return the one of that name; "" and None are no parent.

        Raises NotFoundError (no such parent), ConflictError (it is known and has another parent, or too deep).
        """
        name = _checked_name(name)
        async with self._changing:
            return self._as_asked(name, parent) or await self._change(
                lambda: self._as_asked(name, parent) or self._created(name, parent)
            )

    def _as_asked(self, name: str, parent: str | None) -> Resource | None:
        known = self._known.get(name)
        if known is not None and parent is not None and known.parent != parent.strip().lower():
            raise ConflictError(
                f"The account {name!r} has {_called(known.parent)}: it keeps that unless it is moved.",
                target="parent",
            )
        return known

    def _created(self, name: str, parent: str | None) -> Resource:
        like = self._known[self.default]
        return Resource(
            name=name,
            immutable_id=self._ids.guid(),
            subscription_id=like.subscription_id,
            tenant_id=like.tenant_id,
            resource_group=like.resource_group,
            key1=self._ids.key(),
            key2=self._ids.key(),
            api_key=self._ids.token(),
            created_at=self._clock.now(),
            parent=self._checked_parent(parent, height=1) if parent else "",
            auth_token=self._ids.hex(),
            app_key=self._ids.app_key(),
        )

    async def move(self, name: str, parent: str) -> Resource:
        """Give a resource another parent, "" being none; all below it goes with it.

        Raises NotFoundError, ConflictError (it would stand below itself, or too deep; the default one has no parent).
        """
        async with self._changing:
            return await self._change(lambda: self._moved(name, parent))

    def _moved(self, name: str, parent: str) -> Resource:
        resource = self.get(name)
        if parent and resource.name == self.default:
            raise ConflictError("The default account stands above all others.", target="parent")
        if parent and parent.strip().lower() in self.family(resource.name):
            raise ConflictError(f"{parent!r} is {resource.name!r}, or stands below it.", target="parent")
        above = self._checked_parent(parent, height=self._height(resource.name)) if parent else ""
        return msgspec.structs.replace(resource, parent=above)

    def _checked_parent(self, parent: str, *, height: int) -> str:
        """Return a parent's own name; `height` levels are to stand below it."""
        found = self.find(parent.strip())
        if found is None:
            raise NotFoundError(f"There is no account {parent!r} to be a parent.", target="parent")
        depth, above = 1, found
        while above.parent:
            depth, above = depth + 1, self._known[above.parent]
        if depth + height > MOST_LEVELS:
            raise ConflictError(f"Accounts stand at most {MOST_LEVELS} levels deep.", target="parent")
        return found.name

    def _height(self, name: str) -> int:
        return 1 + max(map(self._height, self._below.get(name, ())), default=0)

    async def regenerate(self, name: str, key: str) -> Resource:
        """Replace a credential of a resource, one of `REPLACEABLE`; the others stay valid."""
        if key not in REPLACEABLE:
            raise InvalidError(f"What can be replaced is {', '.join(REPLACEABLE)}.", target="key")
        make = {"api_key": self._ids.token, "auth_token": self._ids.hex, "app_key": self._ids.app_key}
        secret = make.get(key, self._ids.key)()
        async with self._changing:
            return await self._change(lambda: msgspec.structs.replace(self.get(name), **{key: secret}))

    async def _change(self, decide: Callable[[], Resource]) -> Resource:
        """Write what a resource becomes; decided anew when another process changed any, and this one had not heard."""
        while True:
            new, known = decide(), dict(self._known)

            def unit(transaction: Transaction, new: Resource = new, known: dict[str, Resource] = known) -> int:
                others_wrote = transaction.generation != self._generation
                if others_wrote and _by_name(transaction.all(_all)) != known:
                    return _STALE
                # also when nothing changed: a start finds out by it that a full disk takes no writes
                transaction.hand(_drop, of_name=new.name)
                transaction.hand(_put, **msgspec.structs.asdict(new))
                return transaction.generation

            generation = await self._database.write(unit)
            if generation == _STALE:
                await self.refresh()
                continue
            self._generation = generation
            self._changes += 1
            self._note(new)
            return new

    def _note(self, resource: Resource) -> None:
        """Know a resource from now on, as it is now."""
        if old := self._known.get(resource.name):
            self._below.get(old.parent, set()).discard(old.name)
            for mark in _marks(old):
                self._by_mark.pop(mark, None)
        self._known[resource.name] = resource
        self._below.setdefault(resource.parent, set()).add(resource.name)
        for mark in _marks(resource):
            self._by_mark[mark] = resource.name

    # --- looking up ---

    def family(self, name: str) -> tuple[str, ...]:
        """List a resource and all below it, level by level: whose facts it may see. Raises NotFoundError."""
        found = [self.get(name).name]
        for one in found:  # it grows while it is gone through
            found += sorted(self._below.get(one, ()))
        return tuple(found)

    def by_sid(self, sid: str) -> Resource | None:
        """Return the resource that has an SID, or None."""
        return self._marked("sid", sid)

    def by_app_key(self, key: str) -> Resource | None:
        """Return the resource that has an app key, or None; the time tells nothing of the keys there are."""
        return self._marked("app key", _digest(key))

    def by_api_key(self, key: str) -> Resource | None:
        """Return the resource that has an API key, or None; the time tells nothing of the keys there are."""
        return self._marked("api key", _digest(key))

    def _marked(self, kind: str, mark: str) -> Resource | None:
        name = self._by_mark.get((kind, mark))
        return None if name is None else self._known[name]

    def get(self, name: str) -> Resource:
        """Return a resource by its name; raises NotFoundError."""
        resource = self._known.get(name.lower())
        if resource is None:
            raise NotFoundError(f"There is no resource {name!r}.", target=name)
        return resource

    def find(self, name: str) -> Resource | None:
        """Return a resource by its name, or None."""
        return self._known.get(name.lower())

    def find_immutable(self, immutable_id: str) -> Resource | None:
        """Return a resource by the id that never changes, or None."""
        return next((one for one in self._known.values() if one.immutable_id == immutable_id), None)

    def all(self) -> list[Resource]:
        """List the resources, the default one first."""
        return sorted(self._known.values(), key=lambda r: (r.name != self.default, r.name))


_drop = sa.delete(resources).where(resources.c.name == sa.bindparam("of_name"))
_STALE = -1


def _by_name(rows: Iterable[sa.Row[Any]]) -> dict[str, Resource]:
    return {row.name: Resource(**row._mapping) for row in rows}  # noqa: SLF001 - SQLAlchemy's public name for it


def _marks(resource: Resource) -> tuple[tuple[str, str], ...]:
    """Return what a resource is looked up by; of secrets only a digest is compared."""
    return (
        ("sid", resource.sid),
        ("app key", _digest(resource.app_key)),
        ("api key", _digest(resource.api_key)),
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _called(parent: str) -> str:
    return f"the parent {parent!r}" if parent else "no parent"


def _checked_name(name: str) -> str:
    name = name.strip().lower()
    if not _NAME.match(name):
        raise InvalidError(
            f"{name!r} cannot be a resource's name: 1 to 63 letters, digits and inner hyphens.", target="name"
        )
    return name


def _checked_key(key: str) -> str:
    try:
        if len(base64.b64decode(key, validate=True)) >= 16:
            return key
    except (binascii.Error, ValueError):
        pass
    raise ConfigurationError("An access key must be base64 of at least 16 bytes; `openssl rand -base64 64` makes one.")
