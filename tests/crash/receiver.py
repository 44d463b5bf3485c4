"""The receiver: a webhook that outlives every server, refuses and hangs part of the time, and remembers all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

_UNANSWERED = 0
_REFUSED = 500  # Event Grid's shortest wait: this attempt is made again after ten seconds


@dataclass
class Delivery:
    """One event of one request: how many attempts were made before it, and what was answered (0: nothing yet)."""

    event: dict[str, Any]
    before: int
    status: int = _UNANSWERED


class Receiver:
    """What stands behind `url`.

    `refusing` holds how probably an attempt gets a 500, by the number of attempts before it. Up to `holding` requests
    at once get no answer until `release`, of those with at least `holding_from` attempts before them.
    """

    def __init__(self, chance: random.Random) -> None:
        self.url = ""
        self.refusing: tuple[float, ...] = ()
        self.holding = 0
        self.holding_from = 0
        self.deliveries: list[Delivery] = []
        self.refused = 0
        self._chance = chance
        self._held: set[asyncio.Event] = set()

    @property
    def held(self) -> int:
        """Count the requests that wait for an answer."""
        return len(self._held)

    def be_kind(self) -> None:
        """Refuse and hold nothing from now on."""
        self.refusing, self.holding = (), 0

    def release(self) -> None:
        """Let go of whatever is held; it counts as never answered."""
        for one in self._held:
            one.set()

    def arrived(self) -> list[Delivery]:
        """List the deliveries that were accepted."""
        return [one for one in self.deliveries if one.status == 200]

    def attempts(self) -> dict[str, int]:
        """Return the highest number of attempts heard of each event, by its id."""
        heard: dict[str, int] = {}
        for one in self.deliveries:
            heard[one.event["id"]] = max(heard.get(one.event["id"], 0), one.before + 1)
        return heard

    async def hear(self, request: web.Request) -> web.Response:
        """Take a request in and answer it, or let it hang."""
        body = msgspec.json.decode(await request.read())
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            return web.json_response({"validationResponse": body[0]["data"]["validationCode"]})
        before = int(request.headers["aeg-delivery-count"])
        deliveries = [Delivery(event, before) for event in body]
        self.deliveries += deliveries
        if self.held < self.holding and before >= self.holding_from:
            await self._hold()
            return web.Response(status=_REFUSED)
        if before < len(self.refusing) and self._chance.random() < self.refusing[before]:
            self.refused += 1
            return self._answered(deliveries, _REFUSED)
        return self._answered(deliveries, 200)

    async def _hold(self) -> None:
        released = asyncio.Event()
        self._held.add(released)
        try:
            await released.wait()
        finally:
            self._held.discard(released)

    def _answered(self, deliveries: list[Delivery], status: int) -> web.Response:
        for one in deliveries:
            one.status = status
        return web.Response(status=status)


@asynccontextmanager
async def receiving(chance: random.Random) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    receiver = Receiver(chance)
    app = web.Application()
    app.router.add_post("/events", receiver.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        yield receiver
    finally:
        receiver.release()
        await runner.cleanup()
