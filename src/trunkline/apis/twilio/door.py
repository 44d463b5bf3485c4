"""Twilio's door: Insights, as Twilio's SDKs ask for it."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import GuardedDoor
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio import errors
from trunkline.apis.twilio.auth import Callers
from trunkline.errors import TrunklineError


class TwilioDoor(GuardedDoor[Callers]):
    """Speaks to Twilio's SDKs."""

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:  # noqa: ARG002 - what every door is given
        """Render Twilio's error body."""
        return errors.render(error)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the id by which a request is found again."""
        headers = response.raw_headers
        headers.append((b"ms-cv", exchange.ms_cv.encode()))
        headers.append((b"twilio-request-id", f"RQ{exchange.request_id.replace('-', '')}".encode()))
