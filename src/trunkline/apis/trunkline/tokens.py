"""Bearers for management roles, for curl and dashboards."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.clock import rfc3339
from trunkline.errors import InvalidError
from trunkline.services.access import ROLES, Keyring

HOURS = 12.0


class TokenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: a role, how many hours the bearer lives, and the account it is for ("" is any)."""

    role: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(ROLES)})]
    hours: float = HOURS
    account: str = ""


class TokenHandlers:
    """The operation that mints bearers."""

    def __init__(self, keyring: Keyring, callers: Callers) -> None:
        self._keyring = keyring
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"MintToken": self.mint}

    async def mint(self, exchange: Exchange) -> Response:
        """Mint a bearer for the caller's account, or the one that is named; without a name any, if the caller may."""
        body = exchange.json(TokenRequest)
        account = body.account or exchange.principal.resource
        owner = self._callers.resource_of(exchange, account)
        account = owner.name if account else ""
        try:
            life = timedelta(hours=body.hours)
        except (OverflowError, ValueError) as error:
            raise InvalidError("hours is no length of time.", target="hours") from error
        speaker = {"tid": owner.tenant_id, "oid": owner.operator_id, "appid": owner.application_id}
        token, ends_at = self._keyring.mint(body.role, resource=account, life=life, speaker=speaker)
        answer = {"token": token, "role": body.role, "account": account, "expires_at": rfc3339(ends_at)}
        return json_response(answer, 201)
