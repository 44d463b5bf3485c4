"""The door of Trunkline's own API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.responses import Response

from trunkline.api.door import Door, Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline import errors
from trunkline.apis.trunkline.auth import Callers
from trunkline.catalogue.rows import Service
from trunkline.errors import TrunklineError


class TrunklineDoor(Door):
    """Speaks to the command line, to the page, and to whoever operates the server."""

    def __init__(self, services: Iterable[Service], handlers: Mapping[str, Handler], callers: Callers) -> None:
        super().__init__(services, handlers)
        self.callers = callers

    async def identify(self, exchange: Exchange) -> None:
        """Verify the API key or the bearer."""
        await self.callers.identify(exchange)

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render problem details."""
        return errors.render(exchange, error)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the id by which a request is found again; nothing here is for a cache."""
        response.headers["MS-CV"] = exchange.ms_cv
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
