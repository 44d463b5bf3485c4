"""Teams users that the operator registers, with their service plans."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import check_unconfined
from trunkline.clock import rfc3339
from trunkline.services.teams import TeamsUser, TeamsUsers


class TeamsUserRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: the names of service plans, and the tenant; the server's own unless given."""

    plans: list[str] = []
    tenant: str = ""


class TeamsUserHandlers:
    """The operations of Teams users; they are the server's, so nobody who is confined to an account has a say."""

    def __init__(self, users: TeamsUsers) -> None:
        self._users = users

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListTeamsUsers": self.list, "AddTeamsUser": self.add, "RemoveTeamsUser": self.remove}

    async def list(self, exchange: Exchange) -> Response:
        """List the Teams users."""
        check_unconfined(exchange)
        return json_response({"teams_users": [self._shown(one) for one in self._users.list()]})

    async def add(self, exchange: Exchange) -> Response:
        """Register a Teams user, or give one other plans: 201 or 200."""
        check_unconfined(exchange)
        body = exchange.json(TeamsUserRequest)
        name = exchange.params["user"]
        status = 200 if self._users.find(name.strip()) else 201
        return json_response(self._shown(await self._users.add(name, body.plans, body.tenant)), status)

    async def remove(self, exchange: Exchange) -> Response:
        """Take a Teams user out."""
        check_unconfined(exchange)
        await self._users.remove(exchange.params["user"])
        return Response(status_code=204)

    def _shown(self, one: TeamsUser) -> dict[str, Any]:
        return {
            "user": one.name,
            "tenant": one.tenant_id,
            "plans": one.plans,
            "eligible": self._users.is_eligible(one),
            "added_at": rfc3339(one.added_at),
        }
