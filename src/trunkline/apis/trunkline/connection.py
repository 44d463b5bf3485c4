"""The connection: what a client needs, for one account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.services.resources import Resource


class ConnectionHandlers:
    """The connection's operation; `describe` says what a client needs for a resource."""

    def __init__(self, callers: Callers, describe: Callable[[Resource], Any]) -> None:
        self._callers = callers
        self._describe = describe

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"GetConnection": self.get}

    async def get(self, exchange: Exchange) -> Response:
        """Give the connection of the caller's account, or of the one that is named."""
        resource = self._callers.resource_of(exchange, exchange.query.get("account", ""))
        return json_response(self._describe(resource))
