"""Graph's door."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import GuardedDoor
from trunkline.api.exchange import Exchange
from trunkline.apis.graph import errors
from trunkline.apis.graph.auth import Callers
from trunkline.errors import TrunklineError


class GraphDoor(GuardedDoor[Callers]):
    """Speaks to Graph's SDKs and to Graph Explorer."""

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render Graph's error body."""
        return errors.render(exchange, error)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the ids by which a request is found again; nothing here is for a cache."""
        response.headers["MS-CV"] = exchange.ms_cv  # not the original's, but what the logs name a request by
        response.headers["request-id"] = exchange.request_id
        response.headers["client-request-id"] = errors.client_request_id(exchange)
        response.headers.setdefault("Cache-Control", "private")
