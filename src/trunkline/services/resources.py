"""Resources: each has a name, credentials and ids of its own, and perhaps a parent; what happens belongs to one."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from datetime import datetime

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError
from trunkline.ids import Ids, account_sid
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
        self.default = ""

    def open(self, settings: Settings) -> None:
        """Read what is kept; make the default resource at first start and follow its settings later."""
        for row in self._database.read_now(lambda reader: reader.all(_all)):
            self._note(Resource(**row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it
        try:
            self.default = _checked_name(settings.resource)
        except InvalidError as error:
            raise ConfigurationError(f"The setting resource: {error.message}") from error

    async def settle(self, settings: Settings) -> Resource:
        """Make the default resource, or bring it in line with the settings that are given.

        Resources of a folder that knew fewer kinds of credentials get those that they lack.
        """
        for lacking in [one for one in self._known.values() if not one.auth_token]:
            await self._keep(
                msgspec.structs.replace(lacking, auth_token=self._ids.hex(), app_key=self._ids.app_key()),
            )
        old = self._known.get(self.default)
        keys = [_checked_key(key) for key in settings.access_keys]
        if len(keys) > 2:
            raise ConfigurationError(f"A resource has two access keys; the setting access_keys names {len(keys)}.")
        new = Resource(
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
        await self._keep(new)
        return new

    async def create(self, name: str, parent: str | None = None) -> Resource:
        """Make a resource with credentials of its own, or return the one of that name; "" and None are no parent.

        Raises NotFoundError (no such parent), ConflictError (it is known and has another parent, or too deep).
        """
        name = _checked_name(name)
        async with self._changing:
            if known := self._known.get(name):
                if parent is not None and known.parent != parent.strip().lower():
                    raise ConflictError(
                        f"The account {name!r} has {_called(known.parent)}: it keeps that unless it is moved.",
                        target="parent",
                    )
                return known
            like = self._known[self.default]
            resource = Resource(
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
            await self._keep(resource)
            return resource

    async def move(self, name: str, parent: str) -> Resource:
        """Give a resource another parent, "" being none; all below it goes with it.

        Raises NotFoundError, ConflictError (it would stand below itself, or too deep; the default one has no parent).
        """
        async with self._changing:
            resource = self.get(name)
            if parent and resource.name == self.default:
                raise ConflictError("The default account stands above all others.", target="parent")
            if parent and parent.strip().lower() in self.family(resource.name):
                raise ConflictError(f"{parent!r} is {resource.name!r}, or stands below it.", target="parent")
            above = self._checked_parent(parent, height=self._height(resource.name)) if parent else ""
            moved = msgspec.structs.replace(resource, parent=above)
            await self._keep(moved)
            return moved

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
        async with self._changing:
            fresh = msgspec.structs.replace(self.get(name), **{key: make.get(key, self._ids.key)()})
            await self._keep(fresh)
            return fresh

    async def _keep(self, resource: Resource) -> None:
        row = msgspec.structs.asdict(resource)

        def unit(transaction: Transaction) -> None:
            transaction.hand(_drop, of_name=resource.name)
            transaction.hand(_put, **row)

        await self._database.write(unit)
        self._note(resource)

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
