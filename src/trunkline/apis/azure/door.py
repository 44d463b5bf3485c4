"""The control plane's door: Azure Monitor and Event Grid under a resource's ARM id."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import GuardedDoor
from trunkline.api.exchange import Exchange
from trunkline.apis.azure import errors
from trunkline.apis.azure.auth import Callers
from trunkline.catalogue.rows import Operation
from trunkline.errors import InvalidError, TrunklineError, UnservedError

_ECHOED = 256


class AzureDoor(GuardedDoor[Callers]):
    """Speaks to Azure's management SDKs."""

    def check(self, exchange: Exchange, operation: Operation) -> None:
        """Every operation but the open ones needs an api-version; any is accepted."""
        if operation.auth != "open" and not exchange.query.get("api-version"):
            raise InvalidError(
                "The api-version query parameter (?api-version=) is required for all requests.",
                code="MissingApiVersionParameter",
            )

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render the resource manager's error body, or the metrics provider's."""
        if isinstance(error, UnservedError):
            exchange.served = False  # within a served operation, such as a kind of destination
        return errors.render(exchange, error, self.callers.challenge(exchange))

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the ids by which a request is found again."""
        headers = response.headers
        moment = exchange.at.strftime("%Y%m%dT%H%M%SZ")
        headers["MS-CV"] = exchange.ms_cv  # not the original's, but what the logs name a request by
        headers["x-ms-request-id"] = exchange.request_id
        headers["x-ms-correlation-request-id"] = exchange.request_id
        headers["x-ms-routing-request-id"] = f"TRUNKLINE:{moment}:{exchange.request_id}"
        echoed = exchange.headers.get("x-ms-client-request-id", "")
        if echoed and len(echoed) <= _ECHOED and echoed.isascii() and echoed.isprintable():
            headers["x-ms-client-request-id"] = echoed
