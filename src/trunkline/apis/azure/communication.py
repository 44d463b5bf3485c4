"""Communication resources as their own provider shows them: the JSON view, where their immutable ids are read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.azure.auth import Callers
from trunkline.apis.azure.metrics import REGION
from trunkline.catalogue.azure.ids import PROVIDER, TYPE, resource_id
from trunkline.clock import rfc3339
from trunkline.services.resources import Resource


class CommunicationHandlers:
    """The operations that show resources; made and changed they are elsewhere."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "CommunicationServices_Get": self.get,
            "CommunicationServices_ListByResourceGroup": self.list_resources,
            "CommunicationServices_ListBySubscription": self.list_resources,
        }

    async def get(self, exchange: Exchange) -> Response:
        """Show one resource."""
        params = exchange.params
        scope = resource_id(params["subscription_id"], params["group"], params["name"])
        exchange.resource = self._callers.resource_of(exchange, scope)
        return json_response(_shown(exchange, exchange.resource))

    async def list_resources(self, exchange: Exchange) -> Response:
        """List the resources of the subscription or group that the caller sees."""
        return json_response({"value": [_shown(exchange, one) for one in self._callers.seen(exchange)]})


def _shown(exchange: Exchange, resource: Resource) -> dict[str, Any]:
    """Return a resource's JSON view; it has no managed identity, and says of which directory it is."""
    made_at = rfc3339(resource.created_at)
    return {
        "id": resource_id(resource.subscription_id, resource.resource_group, resource.name),
        "name": resource.name,
        "type": f"{PROVIDER}/{TYPE}",
        "location": REGION,
        "tags": {},
        "identity": {"type": "None", "tenantId": resource.tenant_id},
        "systemData": {
            "createdBy": resource.operator_id,
            "createdByType": "User",
            "createdAt": made_at,
            "lastModifiedBy": resource.application_id,
            "lastModifiedByType": "Application",
            "lastModifiedAt": made_at,
        },
        "properties": {
            "provisioningState": "Succeeded",
            "hostName": urlsplit(exchange.base_url).netloc,
            "dataLocation": "Local",
            "immutableResourceId": resource.immutable_id,
            "linkedDomains": [],
            "publicNetworkAccess": "Enabled",
            "disableLocalAuth": False,
        },
    }
