"""A door: one vendor's API. It says who calls, runs the operations, and speaks the vendor's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from starlette.responses import Response

from trunkline.api.exchange import Exchange
from trunkline.api.routes import Routes
from trunkline.catalogue.rows import Operation, Service
from trunkline.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    MethodError,
    MisdirectedError,
    NotFoundError,
    OverloadedError,
    PreconditionError,
    StalledError,
    TooLargeError,
    TrunklineError,
    UnauthenticatedError,
    UnavailableError,
    UnservedError,
)

Handler = Callable[[Exchange], Awaitable[Response]]

STATUS: dict[type[TrunklineError], int] = {
    InvalidError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    MethodError: 405,
    StalledError: 408,
    ConflictError: 409,
    PreconditionError: 412,
    TooLargeError: 413,
    MisdirectedError: 421,
    LimitedError: 429,
    UnservedError: 501,
    OverloadedError: 503,
    UnavailableError: 503,
}


class Door:
    """What every vendor's API has; each says the rest in its own words."""

    def __init__(self, services: Iterable[Service], handlers: Mapping[str, Handler]) -> None:
        self.services = list(services)
        self.routes = Routes(self.services)
        self.handlers = handlers

    def claims(self, raw_path: str) -> int:
        """Tell how much of a path's beginning is of this API: 0 is nothing."""
        return self.routes.claims(raw_path)

    async def identify(self, exchange: Exchange) -> None:
        """Find out who calls and for which resource; raises UnauthenticatedError, ForbiddenError."""
        raise NotImplementedError

    def check(self, exchange: Exchange, operation: Operation) -> None:
        """Check what every operation of the API needs, once the caller is known."""

    def preflight(self, exchange: Exchange, allowed: Sequence[str]) -> Response | None:
        """Tell a browser that a page of another origin may call these methods of a path; None where it may not."""

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:
        """Turn an error into the vendor's body."""
        raise NotImplementedError

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the headers that every answer of the API carries."""


class Identifies(Protocol):
    """Tells who calls."""

    async def identify(self, exchange: Exchange) -> None:
        """Set the exchange's principal, caller and resource; raises UnauthenticatedError, ForbiddenError."""
        ...


C = TypeVar("C", bound=Identifies)


class GuardedDoor(Door, Generic[C]):
    """A door behind which credentials are verified, by `callers`; its answers are not for a cache unless it says so."""

    def __init__(self, services: Iterable[Service], handlers: Mapping[str, Handler], callers: C) -> None:
        super().__init__(services, handlers)
        self.callers = callers

    async def identify(self, exchange: Exchange) -> None:
        """Verify whatever credentials the request carries."""
        await self.callers.identify(exchange)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the id by which a request is found again; nothing here is for a cache."""
        response.headers["MS-CV"] = exchange.ms_cv
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"


def status_of(error: TrunklineError) -> int:
    """Return the HTTP status that says an error of ours."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Render a value as JSON."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json; charset=utf-8")


def retry_header(error: TrunklineError) -> dict[str, str]:
    """Return Retry-After when the error says when to come back; what is unavailable may be there the next second."""
    seconds = error.facts.get("retry_after_s", 1 if isinstance(error, UnavailableError) else None)
    return {"Retry-After": str(max(1, int(seconds)))} if seconds is not None else {}
