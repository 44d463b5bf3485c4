"""A call as such: the addresses of what is known of it."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.calls import Calls

_LINKS = {"events": "Events", "metrics": "Metrics", "summary": "Summary", "annotation": "Annotation"}


class VoiceHandlers:
    """The operation of calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"FetchCall": self.fetch}

    async def fetch(self, exchange: Exchange) -> Response:
        """Tell where the parts of a call are."""
        leg = await self._calls.of(exchange, "leg_id")
        here = f"{exchange.base_url}/v1/Voice/{leg.sid}"
        links = {name: f"{here}/{part}" for name, part in _LINKS.items()}
        return json_response({"sid": leg.sid, "url": here, "links": links})
