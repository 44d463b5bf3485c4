"""The HTTP and HTTPS listeners: one start and one stop around both, on uvicorn's protocol."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from email.utils import formatdate
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.server import ServerState

from trunkline.errors import ConfigurationError
from trunkline.wire import Limits, Wire

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

    from trunkline.certificates import Certificate

_log = logging.getLogger(__name__)

BACKLOG = 2048
HANDSHAKE_TIMEOUT_S = 15.0
_POLL_S = 0.02
_FAREWELL_S = 1.0  # how long a stop waits for idle TLS clients to say goodbye; pools of SDKs never do
_CANCEL_S = 1.0  # how long a stop waits for handlers that were cancelled


class Server:
    """Serves one ASGI application on up to two bound sockets, plain and TLS.

    Unlike uvicorn's own server it installs no signal handlers, never exits the process, and stops both
    listeners as one. It sends no lifespan events: the application's parts are started around it. The server
    owns the sockets and closes them. `graceful_timeout_s` bounds how long a stop waits for open requests.
    """

    def __init__(
        self,
        app: ASGI3Application,
        *,
        http: socket.socket | None,
        https: socket.socket | None,
        certificate: Certificate | None = None,
        graceful_timeout_s: float = 10.0,
        limits: Limits | None = None,
    ) -> None:
        if https is not None and certificate is None:
            raise ConfigurationError("The HTTPS listener needs a certificate.")
        self._sockets = (http, https)
        self._context = server_context(certificate) if certificate else None
        self._graceful_timeout_s = graceful_timeout_s
        self._limits = limits or Limits()
        self._app = app
        self._config = uvicorn.Config(
            self._answer,
            http=Wire,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,  # each API logs its own requests
            server_header=False,
            proxy_headers=False,  # whose X-Forwarded-* to believe is decided where requests are met
            timeout_keep_alive=self._limits.keep_alive_s,
        )
        self._config.load()
        self._state = ServerState()
        self._listeners: list[asyncio.Server] = []
        self._date: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Accept connections on both sockets; they do when this returns.

        Raises OSError when a socket cannot listen; nothing is left open then.
        """
        self._write_date()
        http, https = self._sockets
        loop = asyncio.get_running_loop()
        try:
            if http is not None:
                self._listeners.append(await loop.create_server(self._connection, sock=http, backlog=BACKLOG))
            if https is not None:
                listener = await loop.create_server(
                    self._connection,
                    sock=https,
                    backlog=BACKLOG,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                )
                self._listeners.append(listener)
        except BaseException:
            self._close_listeners()
            raise
        self._date = asyncio.create_task(self._keep_date(), name="server-date")

    async def stop(self) -> None:
        """Accept no more, finish the requests in flight, close every connection; a second call does nothing.

        Whatever is unfinished after `graceful_timeout_s` is cut off: no client, however slow, and no handler,
        however stubborn, holds this up for longer than that and two seconds.
        """
        if self._stopping:
            return
        self._stopping = True
        self._close_listeners()
        try:
            await self._drain()
        finally:
            await self._cut_off()
            if self._date is not None:
                self._date.cancel()

    def renew(self, certificate: Certificate) -> None:
        """Show this certificate to every connection made from now on; those open keep theirs.

        Raises ConfigurationError when its files cannot be used; the earlier certificate stays in place then.
        """
        if self._context is None:
            return
        # Tried elsewhere first: a load that fails halfway would leave a certificate without its key.
        server_context(certificate)
        _load(self._context, certificate)

    async def _answer(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._stopping:  # a request cut off by the stop is no error; uvicorn would log it as one
                raise

    def _connection(self) -> Wire:
        return Wire(self._config, self._state, self._limits)

    async def _keep_date(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._write_date()

    def _write_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        for bound in self._sockets:
            if bound is not None:
                bound.close()

    async def _drain(self) -> None:
        """Wait until every request is answered and every connection closed, as long as that is worth it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._graceful_timeout_s
        quiet_at: float | None = None
        while self._state.connections or self._state.tasks:
            # Said again each time: a handshake under way when the stop began becomes a connection only now.
            for connection in list(self._state.connections):
                connection.shutdown()
            moment = loop.time()
            if moment >= deadline:
                return
            if self._state.tasks or any(_is_sending(each.transport) for each in self._state.connections):
                quiet_at = None
            else:
                quiet_at = moment if quiet_at is None else quiet_at
                if moment - quiet_at >= _FAREWELL_S:
                    return
            await asyncio.sleep(_POLL_S)
        # A listener closes its socket in the loop's next turn.
        await asyncio.sleep(0)

    async def _cut_off(self) -> None:
        if self._state.tasks:
            _log.warning(
                "%d requests were not finished within %g s of the stop and are cut off",
                len(self._state.tasks),
                self._graceful_timeout_s,
            )
        for connection in list(self._state.connections):
            connection.transport.abort()
        # The transports tell their protocols first, so that a handler sees its client gone before its end.
        await asyncio.sleep(_POLL_S)
        tasks = set(self._state.tasks)
        for task in tasks:
            task.cancel("the server stops")
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)


def _is_sending(transport: asyncio.Transport) -> bool:
    """Tell whether bytes wait for the client to take them."""
    try:
        return transport.get_write_buffer_size() > 0
    except AttributeError:  # asyncio's own TLS transport forgets its buffer once it is closing
        return False


def bind(host: str, port: int, what: str) -> socket.socket:
    """Return a socket listening at the address; port 0 picks a free one, host `::` takes IPv4 too.

    `what` is `http` or `https`, and names the flag in the remedy. It listens already, so that a port taken by
    someone else shows here and not later. Raises ConfigurationError.
    """
    flag = f"--{what}-port"
    host = host.removeprefix("[").removesuffix("]")
    if not 0 <= port <= 65_535:
        raise ConfigurationError(f"{port} is not a port: give {flag} a number from 0 to 65535.")
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"The host {host!r} is not known here ({error}): change --host.") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere the option lets two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_explain(error, host, port, flag)) from error
    return listener


def _explain(error: OSError, host: str, port: int, flag: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken: choose another with {flag}, or {flag} 0 for any free one."
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"Port {port} on {host} needs rights this user lacks: choose one above 1023 with {flag}, or "
            f"{flag} 0 for any free one."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The address {host} is none of this machine's: change --host."
    return f"Port {port} on {host} cannot be opened ({error.strerror}): change --host or {flag}."


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """Return a TLS context that shows the certificate: TLS 1.2 or newer, HTTP/1.1.

    Raises ConfigurationError when the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, certificate)
    return context


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    try:
        # An empty password: an encrypted key is an error here, never a prompt on the terminal.
        context.load_cert_chain(certificate.chain_file, certificate.key_file, password="")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The certificate in {certificate.chain_file} with the key in {certificate.key_file} cannot be "
            f"used for TLS ({error}): make it an unencrypted EC or RSA pair (2048 bits or more) in PEM.",
        ) from error
