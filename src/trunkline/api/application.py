"""The application: takes every request through its door, and measures it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trunkline.api.door import Door, status_of
from trunkline.api.exchange import Exchange
from trunkline.api.hosts import Hosts
from trunkline.catalogue.facts import Request, status_class
from trunkline.catalogue.rows import Service
from trunkline.clock import Clock, monotonic
from trunkline.errors import (
    MethodError,
    NotFoundError,
    StalledError,
    TrunklineError,
    UnavailableError,
    UnservedError,
)
from trunkline.ids import Ids
from trunkline.services.resources import Resources
from trunkline.state.trouble import mention
from trunkline.telemetry.recorder import Recorder

_log = logging.getLogger("trunkline.requests")
_LONGEST_SHOWN = 300
_PREFLIGHT = "access-control-request-method"
_SDK = re.compile(r"azsdk-[\w.-]+/[\w.+-]+")


class Application:
    """The ASGI application over all doors."""

    def __init__(
        self,
        *,
        doors: Sequence[Door],
        hosts: Hosts,
        resources: Resources,
        recorder: Recorder,
        clock: Clock,
        ids: Ids,
        largest_body: int,
    ) -> None:
        self._doors = doors
        self._hosts = hosts
        self._resources = resources
        self._recorder = recorder
        self._clock = clock
        self._ids = ids
        self._largest = largest_body
        self.errors = 0
        self.in_flight = 0
        # resources whose refusals are no news: the demo's, which are made on purpose
        self.quiet: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1003})
            return
        self.in_flight += 1
        try:
            await self._meet(scope, receive, send)
        finally:
            self.in_flight -= 1

    async def _meet(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(
            scope,
            receive,
            at=self._clock.now(),
            ms_cv=self._ids.ms_cv(),
            request_id=self._ids.guid(),
            largest=self._largest,
        )
        # what is no door's path is refused in the words of the first one: SDKs reach further than we serve
        door = max(self._doors, key=lambda door: door.claims(exchange.raw_path))
        response = await self._answer(door, exchange, scope)
        door.dress(exchange, response)
        if not (exchange.operation and exchange.operation.auth == "open"):
            self._measure(exchange, response)  # before the first byte: who has the answer may ask for it
        await response(scope, receive, send)

    async def _answer(self, door: Door, exchange: Exchange, scope: Scope) -> Response:
        try:
            return await self._through(door, exchange, scope)
        except TrunklineError as error:
            if isinstance(error, UnservedError):
                exchange.served = False  # also a part of an operation that is served
            if isinstance(error, UnavailableError):
                mention(_log, f"{exchange.ms_cv} refused", error)
            elif status_of(error) >= 500:
                _log.warning("%s %s", exchange.ms_cv, error.message, exc_info=error.__cause__)
            response = door.refuse(exchange, error)
            if isinstance(error, StalledError):
                response.headers["Connection"] = "close"  # RFC 9110, 15.5.9: the rest of the body is not waited for
            return response
        except Exception:  # noqa: BLE001 - every request is answered
            self.errors += 1
            _log.exception("%s %s %s failed", exchange.ms_cv, exchange.method, exchange.raw_path[:_LONGEST_SHOWN])
            return door.refuse(exchange, TrunklineError("The server made a mistake; its log tells which."))

    async def _through(self, door: Door, exchange: Exchange, scope: Scope) -> Response:
        self._hosts.unwrap(exchange)
        found = door.routes.find(exchange.method, exchange.raw_path)
        exchange.service, exchange.operation, exchange.params = found.service, found.operation, found.params
        operation = found.operation
        is_open = operation is not None and operation.auth == "open"
        if not is_open:
            self._hosts.admit(exchange, scope)
        if found.allowed and exchange.method == "OPTIONS" and _PREFLIGHT in exchange.headers:
            allowance = door.preflight(exchange, found.allowed)
            if allowance is not None:
                exchange.service = None  # a browser's own question is no request to the service
                return allowance
        if operation is None or not operation.streams:
            await exchange.read_body()
        if operation is None:
            await self._lost(door, exchange, found.allowed)
        assert operation is not None  # noqa: S101 - _lost raises otherwise
        if not is_open:
            await door.identify(exchange)
        handler = door.handlers.get(operation.name)
        if handler is None:
            why = found.service.unserved.get(operation.name) if found.service else None
            raise UnservedError(why or f"Trunkline does not serve {operation.name} yet.")
        door.check(exchange, operation)
        return await handler(exchange)

    async def _lost(self, door: Door, exchange: Exchange, allowed: tuple[str, ...]) -> None:
        """Refuse a path or method that no operation has, naming what comes nearest."""
        try:
            await door.identify(exchange)
        except TrunklineError:
            exchange.caller = ""  # whose it is can stay open; that the route is unknown is the answer
        path = exchange.raw_path[:_LONGEST_SHOWN]
        if allowed:
            raise MethodError(
                f"Bad Route: {path} takes {', '.join(allowed)}, not {exchange.method}.",
                allowed=allowed,
            )
        hint = ""
        if exchange.service is not None:
            near = door.routes.nearest(exchange.service, exchange.method, exchange.raw_path)
            hint = f" The nearest operation is {near.name}: {near.route}." if near else ""
        raise NotFoundError(f"Bad Route: no operation has {exchange.method} {path}.{hint}")

    def _measure(self, exchange: Exchange, response: Response) -> None:
        """Log the request, and record it as a fact that rides the writer's next group."""
        duration_ms = (monotonic() - exchange.started) * 1000
        resource = self._resource(exchange)
        path, status = exchange.raw_path[:_LONGEST_SHOWN], response.status_code
        quiet = resource in self.quiet and status < 500
        level = logging.DEBUG if quiet else _level(status, exchange.served)
        if _log.isEnabledFor(level):
            _log.log(
                level, "%s %s %s %d %.1f ms %s", exchange.ms_cv, exchange.method, path, status, duration_ms, resource
            )
        if exchange.service is not None:
            self._recorder.record(self._fact(exchange, exchange.service, status, duration_ms))

    def _resource(self, exchange: Exchange) -> str:
        resource = exchange.resource or exchange.named
        return resource.name if resource else self._resources.default

    def _fact(self, exchange: Exchange, service: Service, status: int, duration_ms: float) -> Request:
        unknown = service.metric.unknown if service.metric else "unknown"
        agent = exchange.headers.get("user-agent", "")
        sdk = _SDK.search(agent)
        return Request(
            happened_at=exchange.at,
            resource=self._resource(exchange),
            service=service.name,
            operation=exchange.counted_as or (exchange.operation.name if exchange.operation else unknown),
            status=status,
            status_class=status_class(status),
            served=exchange.served,
            api_version=exchange.query.get("api-version", "")[:40],
            ms_cv=exchange.ms_cv,
            request_id=exchange.request_id,
            client_request_id=exchange.headers.get("x-ms-client-request-id", "")[:100],
            sdk=sdk.group()[:100] if sdk else agent.partition(" ")[0][:100],
            caller=exchange.caller[:200],
            caller_ip=exchange.client_ip,
            duration_ms=round(duration_ms, 3),
            extra=exchange.extra,
            caller_application=exchange.application[:200],
        )


def _level(status: int, served: bool) -> int:
    if status >= 500 and status != 503 and served:  # why it could not be done now is told by whoever met it
        return logging.ERROR
    return logging.INFO if status >= 400 else logging.DEBUG
