"""Teams users that the operator registers: which service plans they have, and whether that makes them eligible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.rows import ServicePlan
from trunkline.clock import Clock
from trunkline.errors import ForbiddenError, InvalidError, NotFoundError
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

teams_users = sa.Table(
    "teams_users",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("tenant_id", sa.String(36), nullable=False),
    sa.Column("plans", sa.String(1000), nullable=False),
    sa.Column("added_at", Moment, nullable=False),
)
_all = sa.select(teams_users)
_put = sa.insert(teams_users)
_drop = sa.delete(teams_users).where(teams_users.c.name == sa.bindparam("of_name"))
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PRINCIPAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)
_LONGEST_NAME = 113
"""As long as a user principal name may be."""
_BY_PRINCIPAL = ("upn", "preferred_username")


class TeamsUser(msgspec.Struct, frozen=True, kw_only=True):
    """A Teams user: the object id or the user principal name, both in lower case; the tenant; the names of plans."""

    name: str
    tenant_id: str
    plans: tuple[str, ...]
    added_at: datetime


class TeamsUsers:
    """The directory of Teams users, held in memory and kept in the database; it is the server's, not an account's.

    `tenant` tells the tenant of those who are registered without one.
    """

    def __init__(
        self, database: Database, clock: Clock, plans: Mapping[str, ServicePlan], tenant: Callable[[], str]
    ) -> None:
        self._database = database
        self._clock = clock
        self._plans = plans
        self._tenant = tenant
        self._known: dict[str, TeamsUser] = {}
        self._changes = 0

    def open(self) -> None:
        """Read what is kept."""
        self._database.watch([teams_users.name], self.refresh)
        self._take(self._database.read_now(lambda reader: reader.all(_all)))

    async def refresh(self) -> None:
        """Read again what another process may have changed."""
        changes = -1
        while changes != self._changes:  # what this process changes meanwhile may not be in what was read
            changes = self._changes
            rows = await self._database.read(lambda reader: reader.all(_all))
        self._take(rows)

    def _take(self, rows: Iterable[Any]) -> None:
        self._known = {
            row.name: TeamsUser(
                name=row.name, tenant_id=row.tenant_id, plans=tuple(row.plans.split()), added_at=row.added_at
            )
            for row in rows
        }

    def list(self) -> list[TeamsUser]:
        """List them by name."""
        return sorted(self._known.values(), key=lambda one: one.name)

    def find(self, name: str) -> TeamsUser | None:
        """Return the user of an object id or principal name, in any case of letters."""
        return self._known.get(name.lower())

    def of_claims(self, claims: Mapping[str, Any]) -> TeamsUser | None:
        """Return the user for whom a verified bearer speaks: by the object id, else by the principal name.

        A bearer that names a tenant speaks for users of that tenant only.
        """
        names = [str(claims.get("oid") or ""), *(str(claims.get(name) or "") for name in _BY_PRINCIPAL)]
        found = next((user for name in names if (user := self.find(name))), None)
        tenant = str(claims.get("tid") or "").lower()
        return found if found is None or tenant in {"", found.tenant_id} else None

    def is_eligible(self, user: TeamsUser) -> bool:
        """Tell whether one of the user's plans lets them communicate as a Teams user."""
        return any(name in self._plans and self._plans[name].eligible for name in user.plans)

    def check(self, claims: Mapping[str, Any]) -> None:
        """Raise ForbiddenError for a bearer's user without an eligible plan, once any Teams user is registered."""
        if not self._known:
            return
        user = self.of_claims(claims)
        if user is None:
            raise ForbiddenError(
                "The user is not among the Teams users of this server; `trunkline teams-user add` registers one."
            )
        if not self.is_eligible(user):
            eligible = ", ".join(name for name, plan in self._plans.items() if plan.eligible)
            raise ForbiddenError(
                f"The user has no licence that lets a Teams user communicate here: one of the service plans {eligible}."
            )

    async def add(self, name: str, plans: Iterable[str], tenant: str = "") -> TeamsUser:
        """Register a user, or give one other plans and another tenant. Raises InvalidError."""
        user = TeamsUser(
            name=_named(name),
            tenant_id=_tenant(tenant or self._tenant()),
            plans=self._planned(plans),
            added_at=self._clock.now(),
        )
        if known := self._known.get(user.name):
            user = msgspec.structs.replace(user, added_at=known.added_at)
        row = {**msgspec.structs.asdict(user), "plans": " ".join(user.plans)}

        def unit(transaction: Transaction) -> None:
            transaction.hand(_drop, of_name=user.name)
            transaction.hand(_put, **row)

        await self._database.write(unit)
        self._changes += 1
        self._known[user.name] = user
        return user

    async def remove(self, name: str) -> None:
        """Take a user out. Raises NotFoundError."""
        user = self.find(name)
        if user is None:
            raise NotFoundError(f"There is no Teams user {name[:_LONGEST_NAME]!r}.", target="user")
        await self._database.write(lambda transaction: transaction.hand(_drop, of_name=user.name))
        self._changes += 1
        self._known.pop(user.name, None)

    def _planned(self, plans: Iterable[str]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(plan.strip().upper() for plan in plans))
        for name in names:
            if name not in self._plans:
                raise InvalidError(
                    f"There is no service plan {name[:100]!r}; there are {', '.join(self._plans)}.", target="plans"
                )
        return names


def _named(name: str) -> str:
    lower = name.strip().lower()
    if not _GUID.fullmatch(lower) and not (len(lower) <= _LONGEST_NAME and _PRINCIPAL.fullmatch(lower)):
        raise InvalidError(
            "A Teams user is named by the object id (a GUID) or the user principal name (megan@contoso.com).",
            target="user",
        )
    return lower


def _tenant(tenant: str) -> str:
    lower = tenant.strip().lower()
    if not _GUID.fullmatch(lower):
        raise InvalidError("A tenant is named by its id, a GUID.", target="tenant")
    return lower
