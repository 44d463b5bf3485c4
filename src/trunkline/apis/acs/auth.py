"""Who calls the data plane: an access key's signature, a user access token, or an Entra bearer."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import jwt

from trunkline.api.exchange import Exchange
from trunkline.apis.acs import signatures
from trunkline.apis.acs.tokens import UserTokens
from trunkline.catalogue.rows import Operation
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ForbiddenError, UnauthenticatedError
from trunkline.services.access import Keyring, bearer_of
from trunkline.services.identity import Identities
from trunkline.services.issuers import Issuers
from trunkline.services.resources import Resource, Resources

_log = logging.getLogger(__name__)
# the narrower scopes: what a user who only joins may not do
_NOT_BY_JOINING = frozenset({"CreateChatThread", "DeleteChatThread", "UpdateChatThread"})
_NOT_BY_LIMITED = _NOT_BY_JOINING | {"AddChatThreadParticipants", "RemoveChatThreadParticipant"}


class Callers:
    """Tells who makes a request, or why nobody does."""

    def __init__(
        self, settings: Settings, clock: Clock, resources: Resources, identities: Identities, keyring: Keyring,
        issuers: Issuers, tokens: UserTokens,
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
            self._user(exchange, operation, bearer)
        elif signatures.is_signed(exchange):
            self._key(exchange)
        elif bearer:
            await self._bearer(exchange, bearer)
        else:
            raise UnauthenticatedError("The request carries neither an access-key signature nor a bearer token.")

    # --- access keys ---

    def _key(self, exchange: Exchange) -> None:
        lenient = self._settings.hmac_mode == "lenient"
        candidates = [exchange.named] if exchange.named else self._resources.all()
        try:
            signatures.check_envelope(exchange, self._clock.now(), self._settings.clock_skew_s)
            found = signatures.signer(exchange, candidates, self._public_host)
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

    def _user(self, exchange: Exchange, operation: Operation, bearer: str) -> None:
        if not bearer:
            raise UnauthenticatedError("The request needs a user access token as a bearer.")
        claims = self._tokens.read(bearer)
        user_id = "8:" + claims["skypeid"]
        self._identities.check(user_id, int(claims["jti"]), float(claims.get("exp", 0)))
        resource = self._resource_of(str(claims.get("resourceId", "")))
        if exchange.named is not None and exchange.named.name != resource.name:
            raise UnauthenticatedError("The access token belongs to another resource.")
        exchange.resource, exchange.caller = resource, user_id
        _check_scopes(operation, set(str(claims.get("acsScope", "")).split(",")))

    def _resource_of(self, immutable_id: str) -> Resource:
        for resource in self._resources.all():
            if resource.immutable_id == immutable_id:
                return resource
        raise UnauthenticatedError("The access token belongs to no resource of this server.")

    # --- Entra bearers, and our own ---

    async def _bearer(self, exchange: Exchange, bearer: str) -> None:
        resource = exchange.named or self._resources.get(self._resources.default)
        if self._is_ours(bearer):
            principal = self._keyring.principal(bearer)
            if principal.resource and principal.resource != resource.name:
                raise UnauthenticatedError("The bearer was minted for another resource.")
            if not principal.may_write and exchange.method not in {"GET", "HEAD"}:
                raise ForbiddenError("A reader may not change anything; mint a bearer for contributor or owner.")
            exchange.caller = principal.name
        elif self._issuers.configured:
            claims = await self._issuers.verify(bearer)
            exchange.caller = str(claims.get("oid") or claims.get("sub") or "entra")
        elif self._settings.development:
            self._check_end(bearer)
            exchange.caller = "development bearer"
        else:
            raise UnauthenticatedError(
                "Entra bearers are refused until an issuer is configured (setting issuers); "
                "`trunkline token` mints one that is accepted."
            )
        exchange.resource = resource

    def _check_end(self, bearer: str) -> None:
        """Refuse a bearer that says itself that it has ended; its signature nobody here can check."""
        try:
            ends = jwt.decode(bearer, options={"verify_signature": False}).get("exp")
        except jwt.PyJWTError:
            return  # not a JSON web token at all: an opaque stand-in, as development uses them
        if isinstance(ends, int | float) and self._clock.now().timestamp() >= ends:
            raise UnauthenticatedError("The bearer has expired.")

    def _is_ours(self, bearer: str) -> bool:
        try:
            return self._keyring.owns(str(jwt.get_unverified_header(bearer).get("kid", "")))
        except jwt.PyJWTError:
            return False


def _check_scopes(operation: Operation, scopes: set[str]) -> None:
    name = operation.name
    if "chat" in scopes:
        return
    if "chat.join" in scopes and name not in _NOT_BY_JOINING:
        return
    if "chat.join.limited" in scopes and name not in _NOT_BY_LIMITED:
        return
    raise ForbiddenError("The access token's scopes do not allow this operation.")
