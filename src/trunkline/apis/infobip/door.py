"""The door of Infobip's Metrics API."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import GuardedDoor
from trunkline.api.exchange import Exchange
from trunkline.apis.infobip import errors
from trunkline.apis.infobip.auth import Callers
from trunkline.errors import TrunklineError


class InfobipDoor(GuardedDoor[Callers]):
    """Speaks to clients and transports of Infobip's SDKs."""

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render an ApiError."""
        return errors.render(exchange, error)
