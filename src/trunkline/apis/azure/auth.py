"""Who calls the control plane: a bearer of ours, of a configured issuer, or in development mode any bearer."""

from __future__ import annotations

from trunkline.api.exchange import Exchange
from trunkline.catalogue.azure.ids import name_of
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from trunkline.services.access import Keyring, Principal, bearer_of, check_end
from trunkline.services.issuers import Issuers
from trunkline.services.resources import Resource, Resources

# asked with POST, yet nothing changes and no secret is shown
_READING_POSTS = {"Metrics_Batch", "Metrics_ListAtSubscriptionScopePost"}


class Callers:
    """Tells who calls, what they may do, and which resource a scope means."""

    def __init__(
        self, settings: Settings, clock: Clock, resources: Resources, keyring: Keyring, issuers: Issuers
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._resources = resources
        self._keyring = keyring
        self._issuers = issuers

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's principal, caller and resource.

        Raises UnauthenticatedError, ForbiddenError, NotFoundError (the scope is no resource of this server).
        """
        operation = exchange.operation
        if operation is not None and operation.auth == "open":
            return
        bearer = bearer_of(exchange.headers.get("authorization", ""))
        if not bearer:
            raise UnauthenticatedError(
                "Authentication failed. The 'Authorization' header is missing or is not a bearer; "
                "`trunkline token` mints one.",
                code="AuthenticationFailed",
            )
        principal = await self._principal(bearer)
        exchange.principal, exchange.caller, exchange.application = principal, principal.name, principal.application
        if exchange.named is not None and principal.resource not in {"", exchange.named.name}:
            raise _forbidden(exchange, exchange.named.name)
        if "scope" in exchange.params:
            exchange.resource = self.resource_of(exchange, exchange.params["scope"])
        writes = exchange.method not in {"GET", "HEAD"} and (operation is None or operation.name not in _READING_POSTS)
        if writes and not principal.may_write:
            raise _forbidden(exchange, exchange.params.get("scope", exchange.raw_path))

    def resource_of(self, exchange: Exchange, scope: str) -> Resource:
        """Return the resource that a scope means, in any case.

        Raises ForbiddenError when the caller's bearer is for another one, NotFoundError when there is none.
        """
        name = name_of(scope)
        if exchange.principal.resource and exchange.principal.resource != (name or "").lower():
            raise _forbidden(exchange, scope)
        resource = self._resources.find(name) if name else None
        parts = scope.strip("/").split("/")
        if resource is None or [parts[1].lower(), parts[3].lower()] != [
            resource.subscription_id.lower(),
            resource.resource_group.lower(),
        ]:
            raise _not_found(scope, name)
        return resource

    def sees(self, exchange: Exchange, name: str) -> bool:
        """Tell whether the caller may see a resource of that name, under the path's subscription if it names one."""
        resource = self._resources.find(name)
        if resource is None or exchange.principal.resource not in {"", name}:
            return False
        return exchange.params.get("subscription_id", resource.subscription_id).lower() == (
            resource.subscription_id.lower()
        )

    def seen(self, exchange: Exchange) -> list[Resource]:
        """List the resources that the caller sees under the path's subscription and group, as far as it names them.

        Raises NotFoundError when there are none of that subscription, or of that group.
        """
        params = exchange.params
        found = [one for one in self._resources.all() if self.sees(exchange, one.name)]
        if not found and "subscription_id" in params:
            raise NotFoundError(
                f"The subscription '{params['subscription_id'][:40]}' could not be found.", code="SubscriptionNotFound"
            )
        if "group" not in params:
            return found
        found = [one for one in found if one.resource_group.lower() == params["group"].lower()]
        if not found:
            raise NotFoundError(
                f"Resource group '{params['group'][:90]}' could not be found.", code="ResourceGroupNotFound"
            )
        return found

    def challenge(self, exchange: Exchange) -> str:
        """Return what a 401 says in WWW-Authenticate: where bearers come from, as far as that is known."""
        tenant = self._resources.get(self._resources.default).tenant_id
        issuers = self._settings.issuers
        uri = issuers[0] if issuers else f"{exchange.base_url}/{tenant}"
        return (
            f'Bearer authorization_uri="{uri}", error="invalid_token", '
            'error_description="The bearer is missing or not valid."'
        )

    async def _principal(self, bearer: str) -> Principal:
        """Return who a bearer speaks for; raises UnauthenticatedError."""
        if self._keyring.owns(bearer):
            return self._keyring.principal(bearer)
        if self._issuers.configured:
            return await self._issuers.principal(bearer)
        if self._settings.development:
            check_end(bearer, self._clock.now())
            return Principal(name="development bearer", role="owner")
        raise UnauthenticatedError(
            "Entra bearers are refused until an issuer is configured (setting issuers); "
            "`trunkline token` mints one that is accepted."
        )


def _forbidden(exchange: Exchange, scope: str) -> ForbiddenError:
    action = exchange.operation.name if exchange.operation else exchange.method
    return ForbiddenError(
        f"The client '{exchange.caller}' does not have authorization to perform action '{action}' over scope "
        f"'{scope}' or the scope is invalid. Changes need the role contributor or owner."
    )


def _not_found(scope: str, name: str | None) -> NotFoundError:
    if name is None:
        return NotFoundError(
            f"The Resource '{scope}' was not found. Scopes here are communication resources: "
            "/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.Communication/communicationServices/{name}."
        )
    parts = scope.strip("/").split("/")
    return NotFoundError(
        f"The Resource 'Microsoft.Communication/communicationServices/{name}' under resource group '{parts[3]}' of "
        f"subscription '{parts[1]}' was not found."
    )
