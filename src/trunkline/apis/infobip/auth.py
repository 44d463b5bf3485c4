"""Who calls: an account's key after App, name and password after Basic, a token of ours after IBSSO or Bearer."""

from __future__ import annotations

import base64
import binascii

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.errors import ForbiddenError, UnauthenticatedError
from trunkline.services.access import Keyring, Principal, same
from trunkline.services.keys import PREFIX, ApiKeys
from trunkline.services.resources import Resource, Resources

_NOBODYS = "x" * 32
_LONGEST = 16_384


class Callers:
    """Tells who calls, and which accounts he may ask for: his own and those below it, never others.

    `App` carries an account's app key or API key, or an API key made for a role; `Basic` an account's name or SID with
    its auth token or app key; `IBSSO` and `Bearer` a token that this server minted, or an API key of either kind.
    Whoever is confined to no account asks for the default one, unless the query names others.
    """

    def __init__(self, resources: Resources, keyring: Keyring, keys: ApiKeys) -> None:
        self._resources = resources
        self._keyring = keyring
        self._keys = keys

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's principal, caller and resource. Raises UnauthenticatedError, ForbiddenError."""
        scheme, _, text = exchange.headers.get("authorization", "").strip().partition(" ")
        text = text.strip()
        if not text or len(text) > _LONGEST:
            raise UnauthenticatedError("The Authorization must be App, Basic, IBSSO or Bearer with what belongs to it.")
        principal = await self._principal(scheme.lower(), text)
        own = principal.resource or self._resources.default
        principal = msgspec.structs.replace(principal, family=self._resources.family(own))
        exchange.principal, exchange.caller = principal, principal.name
        exchange.resource = self._scope(exchange, principal, own)
        operation = exchange.operation
        if operation is not None and not principal.may(operation.needed):
            raise ForbiddenError("The key only posts facts; this needs one with the role read or admin.")

    async def _principal(self, scheme: str, text: str) -> Principal:
        if scheme == "basic":
            return self._of_password(text)
        if scheme not in {"app", "ibsso", "bearer"}:
            raise UnauthenticatedError("The Authorization must be App, Basic, IBSSO or Bearer.")
        if text.startswith(PREFIX):
            return await self._keys.principal(text)
        found = self._resources.by_api_key(text) or (self._resources.by_app_key(text) if scheme == "app" else None)
        if found is not None:
            return _owner("app key" if scheme == "app" else "api key", found)
        if scheme == "app":
            raise UnauthenticatedError("There is no such app key: `trunkline account show` prints the one there is.")
        return self._keyring.principal(text)

    def _of_password(self, text: str) -> Principal:
        """Return whose name and password these are; the time it takes tells nothing of the password."""
        try:
            name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnauthenticatedError("The Basic credentials are not base64 of a name and a password.") from error
        found = self._resources.find(name) or self._resources.by_sid(name)
        fits = [same(key, password) for key in ((found.auth_token, found.app_key) if found else (_NOBODYS, _NOBODYS))]
        if found is None or not colon or not any(fits):
            raise UnauthenticatedError("There is no account with this name and password.")
        return _owner("password", found)

    def _scope(self, exchange: Exchange, principal: Principal, own: str) -> Resource:
        """Return the account that is asked for: the one that the Host names, or the caller's own."""
        if exchange.named is None:
            return self._resources.get(own)
        if not principal.covers(exchange.named.name):
            raise ForbiddenError("These credentials are for another account.")
        return exchange.named


def _owner(name: str, found: Resource) -> Principal:
    return Principal(name=name, role="owner", resource=found.name)
