"""A webhook on loopback for the tests of handshakes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web


class Receiver:
    """Answers handshakes as `mode` says: agree, silent (200 without the code), refuse, or wait until released."""

    def __init__(self) -> None:
        self.mode = "agree"
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.released = asyncio.Event()
        self.base = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def invitation(self) -> dict[str, Any]:
        """The data of the last invitation that came in Event Grid's schema."""
        found: dict[str, Any] = self.requests[-1][2][0]["data"]
        return found

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        decoded: Any = msgspec.json.decode(body) if body else None
        self.requests.append((request.method, dict(request.headers), decoded))
        if self.mode == "wait":
            await self.released.wait()
        if self.mode == "refuse":
            return web.Response(status=500)
        if self.mode == "silent":
            return web.Response()
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "eventgrid.azure.net"})
        if request.headers.get("aeg-event-type") == "SubscriptionValidation":
            return web.json_response({"validationResponse": decoded[0]["data"]["validationCode"]})
        return web.Response()
