"""Rooms: the operations of an API in groups, brought together for its door."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from starlette.responses import Response

from trunkline.api.door import Handler
from trunkline.api.exchange import Exchange
from trunkline.catalogue.rows import Service


class Room(Protocol):
    """Some operations of an API."""

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        ...


def handlers_of(*rooms: Room) -> dict[str, Handler]:
    """Return the handlers of rooms together."""
    return {name: handler for room in rooms for name, handler in room.handlers().items()}


def telling(handlers: dict[str, Handler], services: Iterable[Service], nudge: Callable[[], None]) -> dict[str, Handler]:
    """Let the dispatcher look at once after each operation whose row says that it emits something."""

    def told(handler: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Response:
            response = await handler(exchange)
            nudge()
            return response

        return handle

    emitting = {name for service in services for name, row in service.operations.items() if row.emits}
    return {name: told(handler) if name in emitting else handler for name, handler in handlers.items()}
