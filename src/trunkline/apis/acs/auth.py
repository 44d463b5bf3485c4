"""Who calls the data plane: an access key's signature, a user access token, or an Entra bearer."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from trunkline.api.exchange import Exchange
from trunkline.apis.acs import signatures
from trunkline.apis.acs.tokens import UserTokens
from trunkline.catalogue.rows import Operation
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ForbiddenError, UnauthenticatedError
from trunkline.services.access import Keyring, Principal, bearer_of, check_end
from trunkline.services.identity import Identities
from trunkline.services.issuers import Issuers
from trunkline.services.resources import Resources

_log = logging.getLogger(__name__)
# the narrower scopes: what a user who only joins may not do
_NOT_BY_JOINING = frozenset({"CreateChatThread", "DeleteChatThread", "UpdateChatThread"})
_NOT_BY_LIMITED = _NOT_BY_JOINING | {"AddChatThreadParticipants", "RemoveChatThreadParticipant"}


class Callers:
    """Tells who makes a request, or why nobody does."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        resources: Resources,
        identities: Identities,
        keyring: Keyring,
        issuers: Issuers,
        tokens: UserTokens,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._resources = resources
        self._identities = identities
        self._keyring = keyring
        self._issuers = issuers
        self._tokens = tokens
        self._public_host = urlsplit(settings.public_url).netloc
        self.mismatches = 0

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's resource and caller. Raises UnauthenticatedError, ForbiddenError."""
        operation = exchange.operation
        bearer = bearer_of(exchange.headers.get("authorization", ""))
        if operation is not None and operation.auth == "user":
            if not bearer:
                raise UnauthenticatedError("The request needs a user access token as a bearer.")
            self._user(exchange, bearer)
        elif signatures.is_signed(exchange):
            await self._key(exchange)
        elif bearer:
            await self._bearer(exchange, bearer)
        else:
            raise UnauthenticatedError("The request carries neither an access-key signature nor a bearer token.")

    # --- access keys ---

    async def _key(self, exchange: Exchange) -> None:
        lenient = self._settings.hmac_mode == "lenient"
        candidates = [exchange.named] if exchange.named else self._resources.all()
        try:
            signature = signatures.read(exchange)
            signatures.check_envelope(exchange, signature, self._clock.now(), self._settings.clock_skew_s)
            found = await signatures.signer(exchange, signature, candidates, self._public_host)
            if found is None:
                raise signatures.denied(
                    "The signature does not fit the request. Check the access key, and that nothing between client "
                    "and server changes the path, the query or the Host header."
                )
        except UnauthenticatedError as error:
            if not lenient:
                raise
            self.mismatches += 1
            _log.warning("%s accepted in lenient mode: %s", exchange.ms_cv, error.message)
            exchange.resource, exchange.caller = candidates[0], "unverified key"
            return
        exchange.resource, exchange.caller = found

    # --- user access tokens ---

    def _user(self, exchange: Exchange, bearer: str) -> None:
        token = self._tokens.read(bearer)
        resource = self._resources.find_immutable(token.immutable_resource_id)
        if resource is None:
            raise UnauthenticatedError("The access token belongs to no resource of this server.")
        if exchange.named is not None and exchange.named.name != resource.name:
            raise UnauthenticatedError("The access token belongs to another resource.")
        # the signature holds: whatever is refused from here on is this resource's and this user's
        exchange.resource, exchange.caller = resource, token.user_id
        self._identities.check(token.user_id, token.tick, token.ends_at)
        if exchange.operation is not None:
            _check_scopes(exchange.operation, token.scopes)

    # --- Entra bearers, and our own ---

    async def _bearer(self, exchange: Exchange, bearer: str) -> None:
        if self._keyring.owns(bearer):
            self._minted(exchange, bearer)
            return
        resource = exchange.named or self._resources.get(self._resources.default)
        if self._issuers.configured:
            exchange.resource = resource
            self._enter(exchange, await self._issuers.principal(bearer))
        elif self._settings.development:
            check_end(bearer, self._clock.now())
            exchange.caller = "development bearer"
        else:
            raise UnauthenticatedError(
                "Entra bearers are refused until an issuer is configured (setting issuers); "
                "`trunkline token` mints one that is accepted."
            )
        exchange.resource = resource

    def _minted(self, exchange: Exchange, bearer: str) -> None:
        if "skypeid" in self._keyring.verify(bearer):
            # of an unknown route, a user's token still tells whose request it is
            self._user(exchange, bearer)
            if exchange.operation is not None:
                raise UnauthenticatedError(
                    "A user access token does not open this operation; it needs an access key or an Entra bearer."
                )
            return
        principal = self._keyring.principal(bearer)
        resource = exchange.named or self._resources.get(principal.resource or self._resources.default)
        if principal.resource and principal.resource != resource.name:
            raise UnauthenticatedError("The bearer was minted for another resource.")
        exchange.resource = resource
        self._enter(exchange, principal)

    def _enter(self, exchange: Exchange, principal: Principal) -> None:
        """Let a principal in as far as its role goes."""
        exchange.caller, exchange.application = principal.name, principal.application
        if not principal.may_write and exchange.method not in {"GET", "HEAD"}:
            raise ForbiddenError(
                "A reader may not change anything. Mint a bearer for contributor or owner, or name the caller of an "
                "issuer's bearer in the setting owners."
            )


def _check_scopes(operation: Operation, scopes: frozenset[str]) -> None:
    name = operation.name
    if "chat" in scopes:
        return
    if "chat.join" in scopes and name not in _NOT_BY_JOINING:
        return
    if "chat.join.limited" in scopes and name not in _NOT_BY_LIMITED:
        return
    raise ForbiddenError("The access token's scopes do not allow this operation.")
