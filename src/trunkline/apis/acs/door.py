"""The data plane's door: every operation of the ACS catalogue, built or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from starlette.responses import Response

from trunkline.api.door import GuardedDoor, Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.acs import errors
from trunkline.apis.acs.auth import Callers
from trunkline.catalogue.rows import Operation, Service
from trunkline.errors import InvalidError, TrunklineError
from trunkline.services.limits import Limits

_ECHOED = 256
_HEADERS = re.compile(r"[\w\-, ]{0,1000}", re.ASCII)
_SEEN_BY_PAGES = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
_LONGEST = 200
_ERROR_CODE = "extra.error_code"
_NAMED = {"thread_id": "chat_thread_id", "message_id": "chat_message_id", "room_id": "room_id"}
"""Of what is named in the path, what the log tables tell, and where it stands among the dimensions."""


class AcsDoor(GuardedDoor[Callers]):
    """Speaks to Microsoft's communication SDKs."""

    def __init__(
        self,
        services: Iterable[Service],
        handlers: Mapping[str, Handler],
        callers: Callers,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(services, handlers, callers)
        self._limits = limits
        self._of_users = {
            service.name
            for service in self.services
            if any(operation.auth == "user" for operation in service.operations.values())
        }

    def preflight(self, exchange: Exchange, allowed: Sequence[str]) -> Response | None:
        """Pages of every origin may call what a user's token opens, as the original's: nothing goes along unasked."""
        asked = exchange.headers.get("access-control-request-headers", "")
        if not self._is_of_users(exchange) or not _HEADERS.fullmatch(asked):
            return None
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": ", ".join(allowed),
            "Access-Control-Allow-Headers": asked,  # a star would not mean Authorization
            "Access-Control-Max-Age": "7200",
        }
        return Response(status_code=204, headers=headers)

    def check(self, exchange: Exchange, operation: Operation) -> None:
        """Every operation needs an api-version (any is accepted), and keeps within the limits if they apply."""
        if not exchange.query.get("api-version"):
            raise InvalidError(
                "An API version is required, but was not specified: add the query parameter api-version.",
                code="ApiVersionUnspecified",
            )
        for name, value in exchange.params.items():
            if name in _NAMED:
                exchange.extra[_NAMED[name]] = value[:_LONGEST]
        if self._limits is not None and exchange.resource is not None:
            self._limits.take(
                operation.name,
                resource=exchange.resource.name,
                user=exchange.caller,
                thread=exchange.params.get("thread_id", ""),
            )

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Render the SDKs' error body, and measure its code where the service's metric shows it."""
        metric = exchange.service.metric if exchange.service else None
        if metric is not None and _ERROR_CODE in metric.dimensions.values():
            exchange.extra["error_code"] = errors.code_of(error)
        return errors.render(error)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the ids by which a request is found again."""
        # added to the end of the list: Starlette's mapping looks through it for each (5 µs), and none of them is there
        headers = response.raw_headers
        headers.append((b"ms-cv", exchange.ms_cv.encode()))
        headers.append((b"x-ms-request-id", exchange.request_id.encode()))
        echoed = exchange.headers.get("x-ms-client-request-id", "")
        if echoed and len(echoed) <= _ECHOED and echoed.isascii() and echoed.isprintable():
            headers.append((b"x-ms-client-request-id", echoed.encode()))
        if "origin" in exchange.headers and self._is_of_users(exchange):
            headers += _SEEN_BY_PAGES
        if exchange.service is not None and exchange.service.versions:
            headers.append((b"api-supported-versions", ", ".join(exchange.service.versions).encode()))

    def _is_of_users(self, exchange: Exchange) -> bool:
        return exchange.service is not None and exchange.service.name in self._of_users
