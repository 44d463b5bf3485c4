"""Who asks Graph: a Teams user with an issuer's bearer, or whoever operates the server with one of ours."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from trunkline.services.access import Keyring, Principal, bearer_of, check_end, unverified
from trunkline.services.issuers import Issuers
from trunkline.services.resources import Resources
from trunkline.services.teams import TeamsUser, TeamsUsers


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: what they may do here, and what their bearer says of a user; nothing, if it is one of ours."""

    principal: Principal
    claims: dict[str, Any]


class Callers:
    """Tells who asks, and of which user they may hear.

    A bearer of a configured issuer (in development mode without one: any) speaks for the Teams user whom it names, and
    tells of nobody else unless its principal is an owner. One of ours tells of every user, if it is confined to no
    account; it is no user itself.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        resources: Resources,
        keyring: Keyring,
        issuers: Issuers,
        users: TeamsUsers,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._resources = resources
        self._keyring = keyring
        self._issuers = issuers
        self._users = users

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's principal (a Caller), caller and resource. Raises UnauthenticatedError, ForbiddenError."""
        bearer = bearer_of(exchange.headers.get("authorization", ""))
        if not bearer:
            raise UnauthenticatedError("The request carries no bearer: send 'Authorization: Bearer ...'.")
        caller = await self._caller(bearer)
        exchange.principal, exchange.caller = caller, caller.principal.name
        exchange.application = caller.principal.application
        exchange.resource = self._resources.get(caller.principal.resource or self._resources.default)
        if caller.principal.resource:
            raise ForbiddenError("The directory is the server's: a bearer for one account sees nothing of it.")

    def me(self, exchange: Exchange) -> tuple[TeamsUser, str]:
        """Return the user who asks, and their id. Raises InvalidError (no user's bearer), NotFoundError."""
        claims = exchange.principal.claims
        if not claims:
            raise InvalidError("/me is whoever signed in: it needs a user's own bearer, not one of this server's.")
        user = self._users.of_claims(claims)
        if user is None:
            raise _unknown(str(claims.get("oid") or exchange.caller))
        return user, str(claims.get("oid") or user.name)

    def user(self, exchange: Exchange, name: str) -> TeamsUser:
        """Return a user whom the caller may hear of. Raises ForbiddenError, NotFoundError."""
        caller: Caller = exchange.principal
        own = self._users.of_claims(caller.claims)
        found = self._users.find(name)
        if own is not None and found == own:
            return own
        if caller.claims and caller.principal.role != "owner":
            raise ForbiddenError("The caller may not see the licences of this user.")
        if found is None:
            raise _unknown(name)
        return found

    async def _caller(self, bearer: str) -> Caller:
        """Return who a bearer speaks for. Raises UnauthenticatedError."""
        if self._keyring.owns(bearer):
            return Caller(principal=self._keyring.principal(bearer), claims={})
        if self._issuers.configured:
            principal = await self._issuers.principal(bearer)
            return Caller(principal=principal, claims=unverified(bearer)[1])  # verified a moment ago
        if self._settings.development:
            check_end(bearer, self._clock.now())
            return Caller(principal=Principal(name="development bearer", role="owner"), claims=unverified(bearer)[1])
        raise UnauthenticatedError(
            "Bearers of Entra are refused until an issuer is configured (setting issuers); "
            "`trunkline token` mints one that is accepted."
        )


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"There is no Teams user {name[:200]!r} on this server; `trunkline teams-user add` registers one."
    )
