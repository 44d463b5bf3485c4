"""API keys: made and shown once, listed without their secrets, revoked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.clock import parse_rfc3339, rfc3339
from trunkline.errors import InvalidError
from trunkline.services.keys import ROLES, ApiKey, ApiKeys, secret_of

_AGE = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class KeyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: a name for people, a role, the account it is for ("" is any, if the caller may), and when it ends.

    `expires` is a length of time (30d, 12h) or a moment; a key without it does not end.
    """

    name: str
    role: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(ROLES)})]
    account: str = ""
    expires: str = ""


class KeyHandlers:
    """The operations of API keys; a caller has to do with those of its own account and those below it."""

    def __init__(self, keys: ApiKeys, callers: Callers) -> None:
        self._keys = keys
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"CreateKey": self.create, "ListKeys": self.list, "RevokeKey": self.revoke}

    async def create(self, exchange: Exchange) -> Response:
        """Make a key; the answer is the only place where its secret stands."""
        body = exchange.json(KeyRequest)
        account = body.account or exchange.principal.resource
        if account:
            account = self._callers.resource_of(exchange, account).name
        made, text = await self._keys.make(body.name, body.role, resource=account, ends_at=_end(exchange, body.expires))
        return json_response({**_shown(exchange, made), "key": text, "secret": secret_of(text)}, 201)

    async def list(self, exchange: Exchange) -> Response:
        """List the keys that the caller has to do with, the oldest first; those of one account if one is named."""
        account = exchange.query.get("account", "")
        wanted = self._callers.resource_of(exchange, account).name if account else ""
        found = [
            _shown(exchange, key)
            for key in self._keys.all()
            if wanted in {"", key.resource} and _is_covered(exchange, key)
        ]
        return json_response({"keys": found})

    async def revoke(self, exchange: Exchange) -> Response:
        """Let a key open nothing from now on."""
        await self._keys.revoke(exchange.params["id"], by=lambda key: _is_covered(exchange, key))
        return Response(status_code=204)


def _is_covered(exchange: Exchange, key: ApiKey) -> bool:
    """Tell whether a key is the caller's business; one for any account is nobody's who is confined to one."""
    if not key.resource:
        return not exchange.principal.resource
    return bool(exchange.principal.covers(key.resource))


def _shown(exchange: Exchange, key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "sid": key.sid,
        "name": key.name,
        "role": key.role,
        "account": key.resource,
        "created_at": rfc3339(key.made_at),
        "expires_at": rfc3339(key.ends_at) if key.ends_at else None,
        "expired": key.ends_at is not None and exchange.at >= key.ends_at,
        "last_used_at": rfc3339(key.used_at) if key.used_at else None,
    }


def _end(exchange: Exchange, text: str) -> datetime | None:
    """Read when a key ends; raises InvalidError."""
    text = text.strip()
    try:
        if found := _AGE.fullmatch(text):
            return exchange.at + timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
        return parse_rfc3339(text.upper()).astimezone(UTC) if text else None
    except (ValueError, OverflowError) as error:
        raise InvalidError("expires is a length of time (30d, 12h) or an RFC 3339 moment.", target="expires") from error
