"""One client's connection: uvicorn's protocol with bounds of our own, and answers in one piece."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from trunkline.api.exchange import WHOLE_BODY

_FRAMING_HEADERS = (b"content-length", b"transfer-encoding")
_ALL_HERE: dict[str, dict[object, object]] = {WHOLE_BODY: {}}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may ask for.

    `keep_alive_s`: silence allowed between requests; longer than the pools of SDKs keep a connection, so that
    they are first to close. `head_timeout_s`: from the first byte of a request (or the handshake) to the end
    of its headers. `head_bytes`: names and values of all headers and the target together.
    """

    keep_alive_s: int = 75
    head_timeout_s: float = 60.0
    head_bytes: int = 65_536


class _Letter:
    """The transport of one answer: the head waits for the beginning of the body, and both leave in one packet.

    uvicorn writes them one by one, each with a call to the system: 10 of 130 µs on the loop. Only for methods whose
    answers have a body, empty or not; and for handlers that do not begin an answer long before its body.
    """

    __slots__ = ("_head", "_is_open", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._is_open = False

    def write(self, data: bytes) -> None:
        """Keep the head; send what comes after it, the head before."""
        if self._head:
            self._flush(data)
        elif self._is_open or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        else:
            self._head = data

    def close(self) -> None:
        """Close, once what is kept is on its way."""
        if self._head:
            self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing can be sent any more."""
        return self._transport.is_closing()

    def _flush(self, data: bytes = b"") -> None:
        self._transport.write(self._head + data)
        self._head, self._is_open = b"", True


class Wire(HttpToolsProtocol):
    """uvicorn's protocol with a bound on a request's head, in bytes and in time, and deaf to upgrade offers.

    Java's client and `curl --http2` offer h2c with every plain request. The parser then takes the request's
    body for the other protocol's and drops it; here the offer is declined and the body is read.
    """

    def __init__(self, config: uvicorn.Config, state: ServerState, limits: Limits) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._in_head = False
        self._unfinished_bytes = 0
        self._head_too_large = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._framing = b""  # the headers that frame the body of a request that offers an upgrade
        self._is_replaying = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Give the client so long for its first head."""
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep no timer for a client that is gone."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse what it cannot read, and a head without end."""
        self._unset_keepalive_if_required()
        was_in_head = self._in_head
        rest = memoryview(data)
        try:
            while rest:
                rest = self._parse(rest)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if not self._in_head or self.transport.is_closing():
            return
        self._start_head_timer()
        if was_in_head:
            # What the parser has not handed over yet (one endless header) counts too.
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > self._limits.head_bytes:
                self._head_too_large = True
                self.send_400_response("")

    def _parse(self, data: memoryview) -> memoryview:
        """Feed the parser and return what it left: all after the head of a request that offers an upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._framing:
                head = b"POST / HTTP/1.1\r\n" + self._framing + b"\r\n"
                self._framing = b""
                self.parser = httptools.HttpRequestParser(self)
                self._is_replaying = True
                self.parser.feed_data(head)
                self._is_replaying = False
            return data[upgrade.args[0] :]
        return data[:0]

    def on_message_begin(self) -> None:
        """Begin to count a head (the parser calls this, and those below)."""
        self._in_head = True
        self._unfinished_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the application, unless the head is too large or does not name one host."""
        self._in_head = False
        self._stop_head_timer()
        if self._is_replaying:
            return  # the request is under way, only its body is missing
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.head_bytes:
            self._head_too_large = True
            raise ValueError  # the parser stops, and the request is refused
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise ValueError  # RFC 9112, 3.2
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":
            self.cycle.transport = _Letter(self.transport)  # type: ignore[assignment]  # what an answer needs of one
        if self.parser.should_upgrade():
            self._framing = b"".join(
                name + b": " + value + b"\r\n" for name, value in self.headers if name in _FRAMING_HEADERS
            )

    def on_message_complete(self) -> None:
        """Tell the application that the body is here."""
        if not self._framing:  # else the body is still to come
            self.scope["extensions"] = _ALL_HERE  # seen by an application that has not begun yet
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be read, or was too large to be."""
        if not self._head_too_large:
            super().send_400_response(msg)
            return
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_timeout_s, self._give_up)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
