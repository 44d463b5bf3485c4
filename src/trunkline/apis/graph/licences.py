"""Licences of Teams users, as Graph lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.graph.auth import Callers
from trunkline.catalogue.rows import ServicePlan
from trunkline.services.teams import TeamsUser

# the product of the documentation's example: whoever is registered here has it, with the plans they were given
_SKU = "b05e124f-c7cc-45a0-a6aa-8cf78c946968"


class LicenceHandlers:
    """The operations of licences."""

    def __init__(self, callers: Callers, plans: Mapping[str, ServicePlan]) -> None:
        self._callers = callers
        self._plans = plans

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListMyLicenseDetails": self.mine, "ListUserLicenseDetails": self.of_user}

    async def mine(self, exchange: Exchange) -> Response:
        """List the licences of whoever asks."""
        user, user_id = self._callers.me(exchange)
        return self._listed(exchange, user, user_id)

    async def of_user(self, exchange: Exchange) -> Response:
        """List the licences of a user, named by object id or principal name."""
        user = self._callers.user(exchange, exchange.params["id"])
        return self._listed(exchange, user, user.name)

    def _listed(self, exchange: Exchange, user: TeamsUser, user_id: str) -> Response:
        context = f"{exchange.base_url}/v1.0/$metadata#users('{user_id}')/assignedLicenses"
        plans = [self._shown(name) for name in user.plans]
        licences = [{"skuId": _SKU, "servicePlans": plans}] if plans else []
        return json_response({"@odata.context": context, "value": licences})

    def _shown(self, name: str) -> dict[str, Any]:
        known = self._plans.get(name)  # of a plan that a later version dropped, the name is all there is
        return {
            "servicePlanId": known.id if known else "",
            "servicePlanName": name,
            "provisioningStatus": "Success",
            "appliesTo": "User",
        }
