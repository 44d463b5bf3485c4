"""Health and readiness: whether the process lives, and whether it takes requests."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange


class HealthHandlers:
    """Answers probes; `instance` tells one run of the server from another, `hindrances` why it is not ready."""

    def __init__(self, instance: str, version: str, hindrances: Callable[[], list[str]]) -> None:
        self._instance = instance
        self._version = version
        self._hindrances = hindrances

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"GetHealth": self.health, "GetReadiness": self.readiness}

    async def health(self, _exchange: Exchange) -> Response:
        """Answer while the process lives."""
        return json_response({"status": "alive", "version": self._version, "instance": self._instance})

    async def readiness(self, _exchange: Exchange) -> Response:
        """Answer 200 when requests are taken, else 503 with the reasons."""
        reasons = self._hindrances()
        if reasons:
            return json_response({"status": "not ready", "reasons": reasons}, 503, {"Retry-After": "1"})
        return json_response({"status": "ready"})
