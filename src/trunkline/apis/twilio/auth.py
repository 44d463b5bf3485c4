"""Who calls: an account by its SID and auth token, or an API key by its SID and secret; as Basic authentication."""

from __future__ import annotations

import base64
import binascii

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.errors import no_access
from trunkline.errors import UnauthenticatedError
from trunkline.services.access import Principal, same
from trunkline.services.keys import ApiKeys
from trunkline.services.resources import Resource, Resources

_REFUSED = "Authenticate"
_NOBODYS = "0" * 32
_KEY = "SK"


class Callers:
    """Tells who calls, and whose calls they may see: their own account's and those of the accounts below it."""

    def __init__(self, resources: Resources, keys: ApiKeys) -> None:
        self._resources = resources
        self._keys = keys

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's principal, caller and resource. Raises UnauthenticatedError, ForbiddenError."""
        name, secret = _credentials(exchange.headers.get("authorization", ""))
        if name.startswith(_KEY):
            principal = await self._of_key(name, secret)
        else:
            principal = self._of_account(name, secret)
        exchange.principal, exchange.caller = principal, principal.name
        resource = self._resources.get(principal.resource or self._resources.default)
        exchange.resource = resource
        operation = exchange.operation
        if operation is not None and not principal.may(operation.needed):
            raise no_access(f"the API key's role does not allow {operation.name}; it needs the role admin.")

    def family(self, exchange: Exchange) -> tuple[str, ...]:
        """List the accounts that the caller sees: its own first, then those below it."""
        return self._resources.family(exchange.owner.name)

    def account(self, name: str) -> Resource:
        """Return an account by its name."""
        return self._resources.get(name)

    def subaccount(self, exchange: Exchange, name: str, sid: str) -> Resource:
        """Return the account of an SID that a parameter names, if the caller sees it. Raises ForbiddenError."""
        found = self._resources.by_sid(sid)
        if found is None or found.name not in self.family(exchange):
            raise no_access(f"{name} names no account of yours.")
        return found

    def _of_account(self, sid: str, token: str) -> Principal:
        """Return who shows an account's SID and auth token; the time it takes tells nothing of the token."""
        found = self._resources.by_sid(sid)
        if not same(found.auth_token if found else _NOBODYS, token) or found is None or not token:
            raise UnauthenticatedError(_REFUSED)
        return Principal(name=sid, role="owner", resource=found.name)

    async def _of_key(self, sid: str, secret: str) -> Principal:
        try:
            return await self._keys.principal_of(sid, secret)
        except UnauthenticatedError as error:
            raise UnauthenticatedError(_REFUSED) from error


def _credentials(header: str) -> tuple[str, str]:
    """Return the name and password of Basic authentication; raises UnauthenticatedError."""
    scheme, _, packed = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise UnauthenticatedError(_REFUSED)
        name, colon, secret = base64.b64decode(packed.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise UnauthenticatedError(_REFUSED) from error
    if not colon:
        raise UnauthenticatedError(_REFUSED)
    return name, secret
