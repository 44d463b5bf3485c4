"""The life of a server: one start and one stop around the house and both listeners."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from trunkline import certificates, connection
from trunkline.api import hosts
from trunkline.app import House
from trunkline.certificates import Certificate
from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.connection import Place
from trunkline.library.renewal import keep_fresh
from trunkline.server import Server, bind
from trunkline.state.folder import Folder

TLS = "tls"
_ANYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 - recognised, not bound
Preparation = Callable[[House], Awaitable[None]]


class Running:
    """One server from its start to its stop.

    `prepare` is done once the house stands, before anyone is told of it.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, prepare: Preparation | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._prepare = prepare
        self._folder: Folder | None = None
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Ports first, then the house, then the listeners.

        Raises ConfigurationError; whatever was begun has ended then.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Finish what is under way, and let go of the folder."""
        self.house.leave()
        await self._stack.aclose()

    def abandon(self) -> None:
        """Let go of the folder at once: the process is about to end."""
        if self._folder is not None:
            connection.remove(self._folder.path)
            self._folder.release()

    @property
    def address(self) -> str:
        """The plain address on this machine, whatever clients call it."""
        host = self._settings.host.removeprefix("[").removesuffix("]")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - recognised, not bound
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    async def _start(self) -> None:
        settings = self._settings
        http, https = self._bind()
        self._folder = Folder.temporary() if settings.ephemeral else Folder(Path(settings.data))
        folder = self._folder.path
        self.house = House(settings, self._folder, self._clock)
        ports = http.getsockname()[1], https.getsockname()[1]
        self._port = ports[0]
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
        if self._prepare is not None:
            await self._prepare(self.house)
        self._stack.callback(connection.remove, folder)
        self.house.announce(_place(settings, *ports, roots))
        keep_up(self._stack, keep_fresh(self.house.clock, certificate, lambda: self._certify()[0], server.renew))
        self.house.hindrance = ""

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        settings = self._settings
        http = bind(settings.host, settings.http_port, "http")
        self._stack.callback(http.close)
        https = bind(settings.host, settings.https_port, "https")
        self._stack.callback(https.close)
        return http, https

    def _certify(self) -> tuple[Certificate, tuple[str, str]]:
        """Return the certificate to show, and the files of its roots ("" for the operator's own)."""
        settings, now = self._settings, self.house.clock.now()
        if settings.certificate_file:
            files = Path(settings.certificate_file), Path(settings.certificate_key_file)
            return certificates.own(*files, now), ("", "")
        made = certificates.ensure(self.house.folder.path / TLS, hosts.names(settings), now)
        return made.leaf, (str(made.ca_file), str(made.bundle_file))


def keep_up(stack: AsyncExitStack, work: Awaitable[None]) -> None:
    """Run a task until the stack ends."""
    task = asyncio.ensure_future(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


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
