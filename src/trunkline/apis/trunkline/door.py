"""The door of Trunkline's own API."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import GuardedDoor
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline import errors
from trunkline.apis.trunkline.auth import Callers
from trunkline.errors import TrunklineError


class TrunklineDoor(GuardedDoor[Callers]):
    """Speaks to the command line, to the page, and to whoever operates the server."""

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render problem details."""
        return errors.render(exchange, error)
