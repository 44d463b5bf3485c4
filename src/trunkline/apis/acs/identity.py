"""Identity: users and their access tokens (api-version 2023-10-01 and before)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.acs.tokens import UserTokens
from trunkline.catalogue.acs import identifiers
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import InvalidError, UnauthenticatedError
from trunkline.ids import Ids
from trunkline.services.access import ends_at, unverified
from trunkline.services.identity import Identities
from trunkline.services.issuers import Issuers
from trunkline.services.teams import TeamsUsers

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


class CreateRequest(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of CreateIdentity; it may be left out."""

    create_token_with_scopes: list[str] | None = None
    expires_in_minutes: int | None = None


class TokenRequest(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of CreateToken."""

    scopes: list[str]
    expires_in_minutes: int | None = None


class TeamsRequest(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of ExchangeTeamsUserAccessToken."""

    token: str
    app_id: str
    user_id: str


class IdentityHandlers:
    """The operations of identity."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        identities: Identities,
        issuers: Issuers,
        tokens: UserTokens,
        teams_users: TeamsUsers,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._identities = identities
        self._issuers = issuers
        self._tokens = tokens
        self._teams_users = teams_users

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "CreateIdentity": self.create,
            "DeleteIdentity": self.delete,
            "CreateToken": self.issue,
            "RevokeToken": self.revoke,
            "ExchangeTeamsUserAccessToken": self.exchange_teams,
        }

    async def create(self, exchange: Exchange) -> Response:
        """Create a user, and with scopes a first token."""
        body = exchange.json(CreateRequest)
        raw_id, grant = await self._identities.create(
            exchange.owner,
            self._ids.bytes(),
            tuple(body.create_token_with_scopes or ()),
            body.expires_in_minutes,
        )
        answer: dict[str, Any] = {"identity": {"id": raw_id}}
        if grant:
            exchange.extra["scopes"] = ",".join(body.create_token_with_scopes or ())
            answer["accessToken"] = self._tokens.write(exchange.owner, grant)
        return json_response(answer, 201)

    async def delete(self, exchange: Exchange) -> Response:
        """Delete a user; every token ends."""
        await self._identities.delete(exchange.owner, exchange.params["identity_id"])
        return Response(status_code=204)

    async def issue(self, exchange: Exchange) -> Response:
        """Issue a token."""
        body = exchange.json(TokenRequest)
        resource = exchange.owner
        grant = await self._identities.grant(
            resource, exchange.params["identity_id"], tuple(body.scopes), body.expires_in_minutes
        )
        exchange.extra["scopes"] = ",".join(body.scopes)
        return json_response(self._tokens.write(resource, grant))

    async def revoke(self, exchange: Exchange) -> Response:
        """Revoke every token issued so far."""
        await self._identities.revoke(exchange.owner, exchange.params["identity_id"])
        return Response(status_code=204)

    async def exchange_teams(self, exchange: Exchange) -> Response:
        """Exchange a Teams user's Entra token for one of ours that ends exactly when it does.

        Once any Teams user is registered, the user must be one with an eligible plan.
        """
        body = exchange.json(TeamsRequest)
        claims = await self._teams_claims(body.token)
        for name, given, own in (
            ("appId", body.app_id, str(claims.get("appid") or claims.get("azp") or "")),
            ("userId", body.user_id, str(claims.get("oid") or "")),
        ):
            if not _GUID.match(given):
                raise InvalidError(f"{name} must be a GUID.", target=name)
            if given.lower() != own.lower():
                raise InvalidError(f"{name} is not the one that the Entra token was issued for.", target=name)
        exchange.application = body.app_id
        self._teams_users.check(claims)
        expires_at = datetime.fromtimestamp(int(ends_at(claims) or 0), UTC)
        raw_id = identifiers.teams_user(str(claims["oid"]).lower())
        grant = self._identities.grant_until(raw_id, ("chat", "voip"), expires_at)
        return json_response(self._tokens.write(exchange.owner, grant))

    async def _teams_claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a Teams user's Entra token; raises UnauthenticatedError."""
        if self._issuers.configured:
            return await self._issuers.verify(token)
        if not self._settings.development:
            raise UnauthenticatedError("No issuer is configured (setting issuers), so no Entra token can be verified.")
        _, claims = unverified(token)
        ends = ends_at(claims)
        if ends is None:
            raise UnauthenticatedError("The token is not an Entra access token: it does not say when it ends.")
        if self._clock.now().timestamp() >= ends:
            raise UnauthenticatedError("The Entra token has expired.")
        return claims
