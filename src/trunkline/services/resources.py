"""Resources: each has a name, two access keys and ids of its own; requests and facts belong to one."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from datetime import datetime

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, InvalidError, NotFoundError
from trunkline.ids import Ids
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
)
_all = sa.select(resources).order_by(resources.c.created_at, resources.c.name)
_put = sa.insert(resources)
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
        # one change at a time: two that rest on the same old row would undo each other
        self._changing = asyncio.Lock()
        self.default = ""

    def open(self, settings: Settings) -> None:
        """Read what is kept; make the default resource at first start and follow its settings later."""
        for row in self._database.read_now(lambda reader: reader.all(_all)):
            resource = Resource(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
            self._known[resource.name] = resource
        try:
            self.default = _checked_name(settings.resource)
        except InvalidError as error:
            raise ConfigurationError(f"The setting resource: {error.message}") from error

    async def settle(self, settings: Settings) -> Resource:
        """Make the default resource, or bring it in line with the settings that are given."""
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
        )
        await self._keep(new)
        return new

    async def create(self, name: str) -> Resource:
        """Make a resource with keys of its own, or return the one of that name."""
        name = _checked_name(name)
        async with self._changing:
            if known := self._known.get(name):
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
            )
            await self._keep(resource)
            return resource

    async def regenerate(self, name: str, key: str) -> Resource:
        """Replace `key1` or `key2` of a resource; the other stays valid."""
        if key not in {"key1", "key2"}:
            raise InvalidError("The key to regenerate is key1 or key2.", target="key")
        async with self._changing:
            fresh = msgspec.structs.replace(self.get(name), **{key: self._ids.key()})
            await self._keep(fresh)
            return fresh

    async def _keep(self, resource: Resource) -> None:
        row = msgspec.structs.asdict(resource)

        def unit(transaction: Transaction) -> None:
            transaction.hand(_drop, of_name=resource.name)
            transaction.hand(_put, **row)

        await self._database.write(unit)
        self._known[resource.name] = resource

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
