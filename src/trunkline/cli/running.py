"""The life of a server: one start and one stop around the house and both listeners."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shlex
import signal
import socket
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import typer
import uvloop

from trunkline import __version__, certificates, config, connection, logs
from trunkline.api import hosts
from trunkline.app import House
from trunkline.certificates import Certificate
from trunkline.cli import printout
from trunkline.cli.renewal import keep_fresh
from trunkline.config import Settings
from trunkline.connection import Place
from trunkline.demo import CALLS, NAME, QUESTION
from trunkline.demo.client import Client
from trunkline.demo.ledger import Ledger
from trunkline.demo.reminders import NUMBER
from trunkline.demo.traffic import HOST, Traffic
from trunkline.errors import UnavailableError
from trunkline.server import Server, bind
from trunkline.state.folder import Folder

_log = logging.getLogger(__name__)
TLS = "tls"
BURST_S = 8.0
AFTER_A_FAILURE_S = 5.0
_ANYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 - recognised, not bound
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, *, demo: bool) -> None:
    """Serve until a signal comes. Raises ConfigurationError, with nothing left behind."""
    logs.configure(settings.log_format, settings.log_level)
    for name in config.strangers(os.environ):
        _log.warning("the variable %s is no setting; docs/operations.md lists them", name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Running(settings, demo=demo).live())


class Running:
    """One server from its start to its stop."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self._settings = settings
        self._demo = demo
        self._folder: Folder | None = None
        self._signalled = asyncio.Event()
        self._stack = AsyncExitStack()

    async def live(self) -> None:
        """Start, say so, wait for a signal, stop."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        async with self._stack:
            await self._start()
            await self._signalled.wait()
            _log.info("stopping; a second signal ends it at once")
            self.house.leave()

    def _on_signal(self) -> None:
        if self._signalled.is_set():
            # what was acknowledged is durable, so nothing is lost but what is in flight
            if self._folder is not None:
                connection.remove(self._folder.path)
                self._folder.release()
            os._exit(1)
        self._signalled.set()

    async def _start(self) -> None:
        """Ports first, then the house, then the listeners; whatever was begun ends with the stack."""
        settings = self._settings
        http, https = self._bind()
        self._folder = Folder.temporary() if settings.ephemeral else Folder(Path(settings.data))
        folder = self._folder.path
        self.house = House(settings, self._folder)
        ports = http.getsockname()[1], https.getsockname()[1]
        self.house.place = _place(settings, *ports)  # handshakes that a stop interrupted name it at once
        await self.house.open()
        self._stack.push_async_callback(self.house.close)
        connection.remove(folder)  # of a server that was killed
        certificate, roots = self._certify()
        application: Any = self.house.application  # Starlette and uvicorn write the same interface in two ways
        server = Server(
            application,
            http=http,
            https=https,
            certificate=certificate,
            graceful_timeout_s=settings.graceful_timeout_s,
        )
        await server.start()
        self._stack.push_async_callback(server.stop)
        if self._demo:
            for name in (NAME, CALLS):
                await self.house.resources.create(name)
                self.house.application.quiet.add(name)
            await self.house.numbers.add(NAME, NUMBER)
        self._stack.callback(connection.remove, folder)
        self.house.announce(_place(settings, *ports, roots))
        self._keep_up(keep_fresh(self.house.clock, certificate, lambda: self._certify()[0], server.renew))
        self.house.hindrance = ""
        if self._demo:
            await self._begin_demo(http)
        self._print()

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        settings = self._settings
        http = bind(settings.host, settings.http_port, "http")
        self._stack.callback(http.close)
        https = bind(settings.host, settings.https_port, "https")
        self._stack.callback(https.close)
        return http, https

    def _keep_up(self, work: Awaitable[None]) -> None:
        """Run a task until the stop."""
        task = asyncio.ensure_future(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)

    # --- certificates ---

    def _certify(self) -> tuple[Certificate, tuple[str, str]]:
        """Return the certificate to show, and the files of its roots ("" for the operator's own)."""
        settings, now = self._settings, self.house.clock.now()
        if settings.certificate_file:
            files = Path(settings.certificate_file), Path(settings.certificate_key_file)
            return certificates.own(*files, now), ("", "")
        made = certificates.ensure(self.house.folder.path / TLS, hosts.names(settings), now)
        return made.leaf, (str(made.ca_file), str(made.bundle_file))

    # --- the demo ---

    async def _begin_demo(self, http: socket.socket) -> None:
        """Make the first requests, so that the first question has an answer, then go on beside the server."""
        address, port = http.getsockname()[:2]
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - recognised, not bound
        url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
        clock, account, theirs = self.house.clock, self.house.resources.get(NAME), self.house.resources.get(CALLS)
        client = Client(url, HOST, account.key1, clock, api_key=account.api_key)
        await self._stack.enter_async_context(client)
        teller = Client(url, "", theirs.key1, clock, api_key=theirs.api_key)
        await self._stack.enter_async_context(teller)
        self._keep_up(self._go_on(Ledger(teller, clock, theirs.created_at)))
        traffic = Traffic(client, clock, random.Random(NAME))
        with suppress(TimeoutError, UnavailableError):  # it goes on below
            await asyncio.wait_for(traffic.burst(), BURST_S)
        self._keep_up(self._go_on(traffic))

    async def _go_on(self, part: Traffic | Ledger) -> None:
        while True:
            try:
                await part.run()
            except UnavailableError as error:
                _log.warning("the demo pauses: %s", error.message)
                await self.house.clock.sleep(AFTER_A_FAILURE_S)

    # --- what it says ---

    def _print(self) -> None:
        house, resources = self.house, self.house.resources
        ours = house.connection(resources.get(resources.default))
        call = f"{printout.command()} %s --data {shlex.quote(str(house.folder.path))}"
        lines = [
            f"Trunkline {__version__} is ready; Ctrl-C stops it.",
            *printout.places(ours),
            printout.security(self._settings),
            "",
            "To connect, paste this where your code runs:",
            *printout.variables(ours),
            "",
        ]
        if self._demo:
            theirs = house.connection(resources.get(NAME))
            lines += [
                "Demo traffic runs in an account of its own; its connection string, and a metric of it:",
                theirs.connection_string,
                printout.metric_line(theirs, printout.token_command(house.folder.path, NAME)),
                f"Thirty days of calls are in the account {CALLS}:",
                f"{call % 'ask'} --account {CALLS} --since 30d {QUESTION}",
                "",
            ]
        lines += [f"Next: {call % 'listen'}  prints events,", f"      {call % 'connection'}  prints this again."]
        typer.echo("\n".join(lines))


def _place(settings: Settings, http_port: int, https_port: int, roots: tuple[str, str] = ("", "")) -> Place:
    """Say where clients reach the server."""
    host = settings.host.removeprefix("[").removesuffix("]")
    name = "localhost" if host in {"127.0.0.1", "localhost"} | _ANYWHERE else host
    name = f"[{name}]" if ":" in name else name
    return Place(
        http=f"http://{name}:{http_port}",
        https=settings.public_url.rstrip("/") or f"https://{name}:{https_port}",
        ca_file=roots[0],
        bundle_file=roots[1],
    )
