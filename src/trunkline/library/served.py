"""A whole server in a thread of this process, for tests and notebooks: its clock, inbox and connection at hand."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any, Protocol, TypedDict, TypeVar, Unpack

from trunkline import config
from trunkline.app import House
from trunkline.clock import Clock, TurnableClock
from trunkline.config import Settings
from trunkline.connection import Connection
from trunkline.library.background import Background
from trunkline.library.opened import Opened
from trunkline.library.running import Running
from trunkline.services.sent import MOST, Position, Sent, Wanted

T = TypeVar("T")
_STOP_S = 2
_AT_ANY_TIME_S = 2**31 - 1


class Turned(Clock, Protocol):
    """A clock that can be turned forward, on the loop's own thread."""

    def advance(self, seconds: float) -> None:
        """Turn it forward."""
        ...


class Sought(TypedDict, total=False):
    """Which messages are sought: all that is given must hold; `text` is contained in a message's."""

    to: str
    sender: str
    channel: str
    text: str
    thread: str
    tag: str
    status: str
    account: str


class ServedClock:
    """The server's clock: it runs, and can be turned forward."""

    def __init__(self, clock: Turned, background: Background) -> None:
        self._clock = clock
        self._background = background

    def now(self) -> datetime:
        """Return the moment it shows, aware, in UTC."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """Turn it forward: what was due until then happens now, such as a retry or the end of a token."""

        async def turn() -> None:
            self._clock.advance(seconds)

        self._background.run(turn())


class ServedInbox:
    """What was sent to whom, over every channel."""

    def __init__(self, house: House, background: Background) -> None:
        self._house = house
        self._background = background

    def sent(self, **sought: Unpack[Sought]) -> list[Sent]:
        """List what was sent, newest first, at most a thousand."""
        return self._background.run(self._sent(self._wanted(sought)))

    async def _sent(self, wanted: Wanted) -> list[Sent]:
        """Look on where a look has gone through as much as one may."""
        found: list[Sent] = []
        after: Position | None = None
        while True:
            page = await self._house.sentbox.look(wanted, most=MOST - len(found), after=after)
            found += page.found
            after = page.rest
            if after is None or len(found) == MOST:
                return found

    def wait(self, count: int = 1, *, seconds: float = 10.0, **sought: Unpack[Sought]) -> list[Sent]:
        """Return once there are `count` of them, newest first; raises TimeoutError when there are not in time."""
        waiting = self._house.sentbox.wait(self._wanted(sought), count=count, seconds=seconds)
        found = self._background.run(waiting).found
        if len(found) < count:
            raise TimeoutError(f"There are {len(found)} such messages after {seconds:g} s, not {count}: {sought}.")
        return [*found]

    def _wanted(self, sought: Sought) -> Wanted:
        given: dict[str, Any] = {**sought}
        account = given.pop("account", "") or self._house.resources.default
        return Wanted(resource=account.lower(), recipient=given.pop("to", ""), **given)


class Server(Opened):
    """A running server; record, ask and list its facts as those of any other line."""

    def __init__(self, running: Running, background: Background, clock: Turned) -> None:
        super().__init__(running.house, background)
        self._running = running
        self.clock = ServedClock(clock, background)
        self.inbox = ServedInbox(running.house, background)

    @property
    def house(self) -> House:
        """Everything that is plugged together; its parts are to be used on the server's own loop, by `run`."""
        return self._house

    @property
    def connection(self) -> Connection:
        """What a client of the default account needs: connection string, keys, addresses, CA file, variables."""
        return self._house.connection(self._house.resources.get(self._house.resources.default))

    @property
    def url(self) -> str:
        """The https address, without a slash at the end."""
        return self.connection.https

    @property
    def api_key(self) -> str:
        """The default account's key for Trunkline's own API."""
        return self.connection.api_key

    def account(self, name: str) -> Connection:
        """Make an account, or find the one of that name; returns what a client of it needs."""
        resource = self.run(self._house.resources.create(name))
        self._house.announce()
        return self._house.connection(resource)

    def run(self, work: Coroutine[Any, Any, T], patience_s: float | None = None) -> T:
        """Run a coroutine on the server's loop, from any other thread."""
        return self._background.run(work, patience_s)

    def close(self) -> None:
        """Stop the server; a second call does nothing."""
        if not self._background.loop.is_closed():
            self._background.run(self._running.stop())
            self._background.close()


def serve(
    folder: str | os.PathLike[str] | None = None,
    *,
    http_port: int = 0,
    https_port: int = 0,
    clock: Turned | None = None,
    **settings: str | float | Iterable[str],
) -> Server:
    """Start a whole server: in a temporary folder and on free ports of loopback unless told otherwise.

    Every setting of docs/operations.md can be given; the environment's do not count. `clock` is one that runs and can
    be turned, unless given. In a temporary folder signatures are good at any time, so that turning the clock shuts
    nobody out. Raises ConfigurationError.
    """
    turned = clock or TurnableClock()
    background = Background("trunkline-server")
    running = Running(_settings(folder, {"http_port": http_port, "https_port": https_port, **settings}), clock=turned)
    try:
        background.run(running.start())
    except BaseException:
        background.close()
        raise
    return Server(running, background, turned)


def _settings(folder: str | os.PathLike[str] | None, given: dict[str, Any]) -> Settings:
    given = {"graceful_timeout_s": _STOP_S, **given}
    if folder is None:
        return config.load(environment={}, **{"ephemeral": True, "clock_skew_s": _AT_ANY_TIME_S, **given})
    return config.load(environment={}, **given, data=str(folder))
