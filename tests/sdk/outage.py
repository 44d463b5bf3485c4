"""A real outage for the tests with SDKs: a server that makes mistakes, on a clock that is turned minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tests.support.customer import Customer
from trunkline.clock import TurnedClock
from trunkline.insight.watch import DELAY_S
from trunkline.library.served import Server, serve

OPERATION = "ListChatThreads"


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run a server whose clock stands still at the beginning of a minute, unless it is turned."""
    clock = TurnedClock(datetime.now(UTC).replace(second=DELAY_S, microsecond=0))
    with serve(folder, clock=clock) as server:
        yield server


def break_down(server: Server) -> None:
    """Let the server make a mistake whenever somebody lists threads."""

    async def fail(_exchange: Any) -> Any:
        raise RuntimeError("this is a mistake of the test's")

    handlers: Any = server.house.application._doors[0].handlers
    handlers[OPERATION] = fail


def suffer(server: Server, customer: Customer, minutes: int = 5) -> None:
    """Let a user list threads in vain, with Microsoft's own client."""
    person = customer.person()
    for _ in range(minutes):
        for _ in range(5):
            with pytest.raises(HttpResponseError) as caught:
                list(person.chat.list_chat_threads())
            assert caught.value.status_code == 500
        pass_minute(server)


def pass_minute(server: Server, minutes: int = 1) -> None:
    """Turn the clock by minutes, and look after each."""
    for _ in range(minutes):
        server.clock.advance(60)
        server.run(server.house.watch.look())
