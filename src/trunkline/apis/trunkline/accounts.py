"""Accounts: resources with keys of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers, check_owner, check_unconfined
from trunkline.clock import rfc3339
from trunkline.services.resources import Resource, Resources


class AccountHandlers:
    """The operations of accounts.

    `describe` says what a client needs for a resource; `changed` is called when an account is new or its keys are.
    """

    def __init__(
        self,
        resources: Resources,
        callers: Callers,
        describe: Callable[[Resource], Any],
        changed: Callable[[], None],
    ) -> None:
        self._resources = resources
        self._callers = callers
        self._describe = describe
        self._changed = changed

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListAccounts": self.list, "CreateAccount": self.create, "RegenerateKey": self.regenerate}

    async def list(self, exchange: Exchange) -> Response:
        """List the resources that the caller may see."""
        seen = exchange.principal.resource
        found = [
            {
                "name": resource.name,
                "immutable_resource_id": resource.immutable_id,
                "default": resource.name == self._resources.default,
                "created_at": rfc3339(resource.created_at),
            }
            for resource in self._resources.all()
            if seen in {"", resource.name}
        ]
        return json_response({"accounts": found})

    async def create(self, exchange: Exchange) -> Response:
        """Make a resource, or give the one of that name: 201 or 200."""
        check_owner(exchange)  # the answer holds its keys
        check_unconfined(exchange)
        name = exchange.params["name"]
        status = 200 if self._resources.find(name.strip()) else 201
        resource = await self._resources.create(name)
        self._changed()
        return json_response(self._describe(resource), status)

    async def regenerate(self, exchange: Exchange) -> Response:
        """Replace one of two keys; the other goes on."""
        check_owner(exchange)
        resource = self._callers.resource_of(exchange, exchange.params["name"])
        fresh = await self._resources.regenerate(resource.name, exchange.params["key"].lower())
        self._changed()
        return json_response(self._describe(fresh))
