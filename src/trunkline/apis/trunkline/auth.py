"""Who calls Trunkline's own API: an API key, or a bearer that this server minted."""

from __future__ import annotations

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.errors import ForbiddenError, UnauthenticatedError
from trunkline.services.access import Keyring, Principal, bearer_of
from trunkline.services.resources import Resource, Resources

# asked with POST, yet nothing changes
_READING_POSTS = {"Ask", "ListFacts"}


class Callers:
    """Tells who calls, and what they may do.

    The default resource's API key may do everything; another resource's key, or a bearer minted for one resource,
    has to do with that resource and those below it only. A reader's bearer reads, a contributor's changes things, and
    only an owner's sees keys and mints bearers, so that nobody gains by them what he has not.
    """

    def __init__(self, resources: Resources, keyring: Keyring) -> None:
        self._resources = resources
        self._keyring = keyring

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
        principal = self._by_key(key)
        if principal is None:
            if own and own.count(".") != 2:  # neither a key nor a bearer in a key's place
                raise UnauthenticatedError("There is no such API key: `trunkline connection` prints the one there is.")
            principal = self._keyring.principal(key)
        if principal.resource:
            principal = msgspec.structs.replace(principal, family=self._resources.family(principal.resource))
        exchange.principal, exchange.caller = principal, principal.name
        exchange.resource = self._scope(exchange, principal)
        writes = exchange.method not in {"GET", "HEAD"} and (operation is None or operation.name not in _READING_POSTS)
        if writes:
            check_may_write(exchange)

    def resource_of(self, exchange: Exchange, name: str) -> Resource:
        """Return a resource that the caller may have to do with, "" being the caller's own.

        Raises ForbiddenError, NotFoundError.
        """
        principal: Principal = exchange.principal
        name = name.lower() or (exchange.resource.name if exchange.resource else self._resources.default)
        if not principal.covers(name):
            raise _confined(principal)
        return self._resources.get(name)

    def _by_key(self, key: str) -> Principal | None:
        found = self._resources.by_api_key(key)
        if found is None:
            return None
        confined = "" if found.name == self._resources.default else found.name
        return Principal(name="api key", role="owner", resource=confined)

    def _scope(self, exchange: Exchange, principal: Principal) -> Resource:
        if exchange.named is not None and not principal.covers(exchange.named.name):
            raise _confined(principal)
        return exchange.named or self._resources.get(principal.resource or self._resources.default)


def check_may_write(exchange: Exchange) -> None:
    """Refuse readers what changes things; raises ForbiddenError."""
    if not exchange.principal.may_write:
        raise ForbiddenError("A reader may not do this; it needs a bearer for contributor or owner, or an API key.")


def check_owner(exchange: Exchange) -> None:
    """Refuse everyone but owners what reveals keys or makes bearers; raises ForbiddenError."""
    if exchange.principal.role != "owner":
        raise ForbiddenError("This reveals keys or makes bearers; it needs an owner's bearer or an API key.")


def check_unconfined(exchange: Exchange) -> None:
    """Refuse who is confined to one resource; raises ForbiddenError."""
    if exchange.principal.resource:
        raise ForbiddenError("This needs the API key of the default account.")


def _confined(principal: Principal) -> ForbiddenError:
    return ForbiddenError(f"This key is for the account {principal.resource!r} and those below it only.")
