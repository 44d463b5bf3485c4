"""Twilio's door: Insights, as Twilio's SDKs ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.responses import Response

from trunkline.api.door import Door, Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio import errors
from trunkline.apis.twilio.auth import Callers
from trunkline.catalogue.rows import Service
from trunkline.errors import TrunklineError


class TwilioDoor(Door):
    """Speaks to Twilio's SDKs."""

    def __init__(self, services: Iterable[Service], handlers: Mapping[str, Handler], callers: Callers) -> None:
        super().__init__(services, handlers)
        self.callers = callers

    async def identify(self, exchange: Exchange) -> None:
        """Verify name and password."""
        await self.callers.identify(exchange)

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:  # noqa: ARG002 - what every door is given
        """Render Twilio's error body."""
        return errors.render(error)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the id by which a request is found again."""
        headers = response.raw_headers
        headers.append((b"ms-cv", exchange.ms_cv.encode()))
        headers.append((b"twilio-request-id", f"RQ{exchange.request_id.replace('-', '')}".encode()))
