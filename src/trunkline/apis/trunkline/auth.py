"""Who calls Trunkline's own API: an API key of an account, one with a role, or a bearer that this server minted."""

from __future__ import annotations

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.errors import ForbiddenError, UnauthenticatedError
from trunkline.services.access import Keyring, Principal, bearer_of
from trunkline.services.keys import PREFIX, ApiKeys
from trunkline.services.resources import Resource, Resources

_REFUSALS = {
    "read": "This key only posts facts; it needs an API key with the role read or admin, or a bearer.",
    "write": "This posts facts; it needs an API key with the role write or admin, or a contributor's bearer.",
    "change": "This changes things; it needs an API key with the role admin, or a contributor's bearer.",
    "admin": "This is about keys and bearers; it needs an API key with the role admin, or an owner's bearer.",
}
"""What a caller is told who may not do what the operation needs."""


class Callers:
    """Tells who calls, and what they may do.

    The default resource's API key may do everything; another resource's key, or a bearer minted for one resource,
    has to do with that resource and those below it only. A reader's bearer reads, a contributor's changes things, and
    only an owner's sees keys and mints bearers, so that nobody gains by them what he has not. A key with the role read
    is a reader's, one with admin an owner's; one with write posts facts and does nothing else.
    """

    def __init__(self, resources: Resources, keyring: Keyring, keys: ApiKeys) -> None:
        self._resources = resources
        self._keyring = keyring
        self._keys = keys

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's principal, caller and resource. Raises UnauthenticatedError, ForbiddenError."""
        operation = exchange.operation
        if operation is not None and operation.auth == "open":
            return
        own = exchange.headers.get("x-api-key", "")
        key = own or bearer_of(exchange.headers.get("authorization", ""))
        if not key:
            raise UnauthenticatedError(
                "The request carries no API key: `trunkline connection` prints it; send it as "
                "'Authorization: Bearer ...' or 'X-API-Key: ...'."
            )
        principal = await self._principal(key, is_named=bool(own))
        if principal.resource:
            principal = msgspec.structs.replace(principal, family=self._resources.family(principal.resource))
        exchange.principal, exchange.caller, exchange.application = principal, principal.name, principal.application
        exchange.resource = self._scope(exchange, principal)
        if operation is not None and not principal.may(operation.needed):
            raise ForbiddenError(_REFUSALS[operation.needed])

    def resource_of(self, exchange: Exchange, name: str) -> Resource:
        """Return a resource that the caller may have to do with, "" being the caller's own.

        Raises ForbiddenError, NotFoundError.
        """
        principal: Principal = exchange.principal
        name = name.lower() or (exchange.resource.name if exchange.resource else self._resources.default)
        if not principal.covers(name):
            raise _confined(principal)
        return self._resources.get(name)

    def family_of(self, exchange: Exchange, name: str) -> tuple[str, ...]:
        """Return an account and all below it, if the caller may have to do with it; raises as `resource_of` does."""
        return self._resources.family(self.resource_of(exchange, name).name)

    async def _principal(self, key: str, *, is_named: bool) -> Principal:
        """Return whose key or bearer it is, `is_named` when its header is for keys. Raises UnauthenticatedError."""
        found = self._resources.by_api_key(key)
        if found is not None:
            confined = "" if found.name == self._resources.default else found.name
            return Principal(name="api key", role="owner", resource=confined)
        if key.startswith(PREFIX):
            return await self._keys.principal(key)
        if is_named and key.count(".") != 2:  # neither a key nor a bearer in a key's place
            raise UnauthenticatedError("There is no such API key: `trunkline connection` prints the one there is.")
        return self._keyring.principal(key)

    def _scope(self, exchange: Exchange, principal: Principal) -> Resource:
        if exchange.named is not None and not principal.covers(exchange.named.name):
            raise _confined(principal)
        return exchange.named or self._resources.get(principal.resource or self._resources.default)


def check_unconfined(exchange: Exchange) -> None:
    """Refuse who is confined to one resource; raises ForbiddenError."""
    if exchange.principal.resource:
        raise ForbiddenError("This needs the API key of the default account.")


def _confined(principal: Principal) -> ForbiddenError:
    return ForbiddenError(f"This key is for the account {principal.resource!r} and those below it only.")
