"""The door of Infobip's Metrics API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.responses import Response

from trunkline.api.door import Door, Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.infobip import errors
from trunkline.apis.infobip.auth import Callers
from trunkline.catalogue.rows import Service
from trunkline.errors import TrunklineError


class InfobipDoor(Door):
    """Speaks to clients and transports of Infobip's SDKs."""

    def __init__(self, services: Iterable[Service], handlers: Mapping[str, Handler], callers: Callers) -> None:
        super().__init__(services, handlers)
        self.callers = callers

    async def identify(self, exchange: Exchange) -> None:
        """Find out whose credentials the Authorization carries."""
        await self.callers.identify(exchange)

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render an ApiError."""
        return errors.render(exchange, error)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the id by which a request is found again; nothing here is for a cache."""
        response.headers["MS-CV"] = exchange.ms_cv
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
