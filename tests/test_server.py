"""The two listeners: started, stopped and renewed as one, against real sockets and handshakes."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import ssl
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from cryptography import x509

from trunkline.certificates import Certificate, Certificates, ensure
from trunkline.errors import ConfigurationError
from trunkline.server import Limits, Server, bind, server_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class App:
    """An application that says what it was asked, and waits, streams or resists where the path says so."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        """Answer one request."""
        path = scope["path"]
        self.entered.set()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append("disconnect")
                return
            body += message["body"]
            more = message["more_body"]
        if path == "/wait":
            await self.may_answer.wait()
        while path == "/stubborn":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.seen.append("cancelled")
        size = int(path.removeprefix("/bytes/")) if path.startswith("/bytes/") else None
        text = f"{scope['scheme']} {scope['method']} {scope['raw_path'].decode()} {body.decode()}".encode()
        text = text if size is None else b"x" * size
        length = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for start in range(0, len(text), 65_536):
            more = start + 65_536 < len(text)
            await send({"type": "http.response.body", "body": text[start : start + 65_536], "more_body": more})
        self.seen.append("answered")


class House:
    """A running server, its application, its certificates and its two ports."""

    def __init__(self, folder: Path, host: str, **settings: Any) -> None:
        self.app = App()
        self.opened: list[Streams] = []
        self.certificates: Certificates = ensure(folder, [], datetime.now(UTC))
        http, https = bind(host, 0, "http"), bind(host, 0, "https")
        self.host = host
        self.http, self.https = http.getsockname()[1], https.getsockname()[1]
        self.server = Server(self.app, http=http, https=https, certificate=self.certificates.leaf, **settings)

    def trust(self) -> ssl.SSLContext:
        """Return a strict client's context."""
        context = ssl.create_default_context(cafile=str(self.certificates.ca_file))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    async def connect(self, *, tls: bool = False, name: str = "localhost", host: str = "") -> Streams:
        """Open a connection."""
        host = host or self.host
        if tls:
            context = self.trust()
            streams = await asyncio.open_connection(host, self.https, ssl=context, server_hostname=name)
        else:
            streams = await asyncio.open_connection(host, self.http)
        self.opened.append(streams)
        return streams

    async def close(self) -> None:
        """Stop, and drop every connection opened: the loop does not end well with one of them open."""
        await self.server.stop()
        for _, writer in self.opened:
            writer.transport.abort()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(folder: Path, host: str = "127.0.0.1", **settings: Any) -> AsyncIterator[House]:
    """Run a server around a test."""
    house = House(folder, host, **settings)
    await house.server.start()
    try:
        yield house
    finally:
        await house.close()


def run(journey: Coroutine[Any, Any, None]) -> None:
    """Run on the loop that serves in earnest, for at most 20 seconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(journey, 20))


def request(path: str, method: str = "GET", body: bytes = b"", *lines: str) -> bytes:
    """Return the bytes of a request."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


async def ask(streams: Streams, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send and read one answer; returns status, headers by lower-case name, and body."""
    reader, writer = streams
    writer.write(data)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


def has_ipv6() -> bool:
    """Tell whether the machine has ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


def test_both_listeners_serve_one_application(tmp_path: Path) -> None:
    """Plain and TLS requests meet the same application, with their scheme and the path as it was sent."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            for tls, scheme in ((False, "http"), (True, "https")):
                streams = await house.connect(tls=tls)
                for _ in range(2):
                    status, headers, body = await ask(streams, request("/a%2Fb%20c", "POST", b"hello"))
                    assert (status, body.decode()) == (200, f"{scheme} POST /a%2Fb%20c hello")
                    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} gmt", headers["date"])
                    assert "server" not in headers

    run(journey())


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        pytest.param("::1", "::1", marks=needs_ipv6),
        ("127.0.0.1", "demo.communication.localhost"),
    ],
)
def test_a_strict_client_is_served_under_every_name(tmp_path: Path, host: str, name: str) -> None:
    """Python's client with VERIFY_X509_STRICT gets its answer over TLS 1.3 under each standard name."""

    async def journey() -> None:
        async with serving(tmp_path, "::1" if host == "::1" else "127.0.0.1") as house:
            streams = await house.connect(tls=True, name=name, host=host)
            assert streams[1].get_extra_info("ssl_object").version() == "TLSv1.3"
            assert (await ask(streams, request("/")))[0] == 200

    run(journey())


def test_tls_before_1_2_is_refused(tmp_path: Path) -> None:
    """The context takes no older TLS."""
    leaf = ensure(tmp_path, [], datetime.now(UTC)).leaf
    assert server_context(leaf).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("tls", [False, True])
def test_a_request_in_flight_is_finished_at_the_stop(tmp_path: Path, tls: bool) -> None:
    """It is answered in full and told to close, while new connections are refused and the port is free."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            streams = await house.connect(tls=tls)
            answer = asyncio.create_task(ask(streams, request("/wait")))
            await house.app.entered.wait()
            stop = asyncio.create_task(house.server.stop())
            await asyncio.sleep(0.1)
            with pytest.raises(ConnectionRefusedError):
                await house.connect(tls=tls)
            bind("127.0.0.1", house.https if tls else house.http, "http").close()
            assert not stop.done()
            house.app.may_answer.set()
            status, headers, _ = await answer
            assert (status, headers["connection"]) == (200, "close")
            await stop

    run(journey())


@pytest.mark.parametrize("tls", [False, True])
def test_a_long_answer_is_finished_at_the_stop(tmp_path: Path, tls: bool) -> None:
    """A client that takes its time over an answer already begun gets all of it."""

    async def journey() -> None:
        async with serving(tmp_path, graceful_timeout_s=15) as house:
            streams = await house.connect(tls=tls)
            streams[1].write(request("/bytes/8000000"))
            await house.app.entered.wait()
            stop = asyncio.create_task(house.server.stop())
            received = 0
            while chunk := await streams[0].read(400_000):
                received += len(chunk)
                await asyncio.sleep(0.02)
            assert received > 8_000_000
            await stop
            assert house.app.seen == ["answered"]

    run(journey())


@pytest.mark.parametrize("tls", [False, True])
def test_idle_connections_do_not_hold_the_stop(tmp_path: Path, tls: bool) -> None:
    """Pools that keep a connection and never read from it cost the stop no more than a second or so."""

    async def journey() -> None:
        async with serving(tmp_path) as house:

            def keep_one() -> socket.socket:
                plain = socket.create_connection(("127.0.0.1", house.https if tls else house.http))
                kept = house.trust().wrap_socket(plain, server_hostname="localhost") if tls else plain
                kept.sendall(request("/"))
                assert kept.recv(1000).startswith(b"HTTP/1.1 200")
                return kept

            kept = await asyncio.to_thread(keep_one)
            house.http = house.https if tls else house.http
            await house.connect()  # never asks, or never begins its handshake
            with kept:
                began = time.perf_counter()
                await house.server.stop()
                assert time.perf_counter() - began < 5

    run(journey())


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_never_finishes_is_cut_off(tmp_path: Path, tls: bool) -> None:
    """A body that never ends and an answer nobody reads hold the stop for its timeout, no longer."""

    async def journey() -> None:
        async with serving(tmp_path, graceful_timeout_s=0.3) as house:
            sender, idler = await house.connect(tls=tls), await house.connect(tls=tls)
            sender[1].write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
            idler[1].write(request("/bytes/50000000"))
            idler[1].transport.pause_reading()  # type: ignore[attr-defined]  # every socket transport has it
            await asyncio.sleep(0.1)
            began = time.perf_counter()
            await house.server.stop()
            assert 0.3 <= time.perf_counter() - began < 5
            assert "disconnect" in house.app.seen
            with suppress(ConnectionError):
                assert await sender[0].read() == b""

    run(journey())


def test_a_stubborn_handler_does_not_hold_the_stop(tmp_path: Path) -> None:
    """A handler that ignores its cancellation is left behind after a second."""

    async def journey() -> None:
        house = House(tmp_path, "127.0.0.1", graceful_timeout_s=0.2)
        await house.server.start()
        streams = await house.connect()
        streams[1].write(request("/stubborn"))
        await house.app.entered.wait()
        began = time.perf_counter()
        await house.server.stop()
        assert time.perf_counter() - began < 5
        assert house.app.seen == ["cancelled"]
        for task in house.server._state.tasks:  # the test's own end must not wait for it either
            task.get_coro().close()
        await house.close()

    run(journey())


def test_a_cut_off_request_is_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The stop says how many it cut off, without a traceback for each."""

    async def journey() -> None:
        async with serving(tmp_path, graceful_timeout_s=0.1) as house:
            streams = await house.connect()
            streams[1].write(request("/wait"))
            await house.app.entered.wait()
            await house.server.stop()

    run(journey())
    assert [record.message for record in caplog.records] == [
        "1 requests were not finished within 0.1 s of the stop and are cut off"
    ]


def test_a_second_stop_and_one_without_a_start_do_nothing(tmp_path: Path) -> None:
    """Stopping is safe at any time, and always gives the ports back."""

    async def journey() -> None:
        house = House(tmp_path, "127.0.0.1")
        await house.server.stop()
        await house.server.stop()
        bind("127.0.0.1", house.http, "http").close()

    run(journey())


def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    """When one listener cannot start, the error is raised and the other's port is free again."""

    async def journey() -> None:
        leaf = ensure(tmp_path, [], datetime.now(UTC)).leaf
        http, https = bind("127.0.0.1", 0, "http"), bind("127.0.0.1", 0, "https")
        port = http.getsockname()[1]
        https.close()
        with pytest.raises(OSError, match="file descriptor"):
            await Server(App(), http=http, https=https, certificate=leaf).start()
        await asyncio.sleep(0)
        bind("127.0.0.1", port, "http").close()

    run(journey())


def test_signals_are_left_to_the_caller(tmp_path: Path) -> None:
    """No handler is installed for the signals that end a process."""

    async def journey() -> None:
        before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
        async with serving(tmp_path):
            assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before

    run(journey())


async def shown_serial(house: House) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    streams = await house.connect(tls=True)
    der = streams[1].get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).serial_number


def test_a_renewed_certificate_is_shown_to_new_connections(tmp_path: Path) -> None:
    """The next handshake shows the new leaf, and a connection already open goes on."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            streams = await house.connect(tls=True)
            assert await shown_serial(house) == house.certificates.leaf.serial
            renewed = ensure(tmp_path, ["phones.example"], datetime.now(UTC)).leaf
            assert renewed.serial != house.certificates.leaf.serial
            house.server.renew(renewed)
            assert await shown_serial(house) == renewed.serial
            assert (await ask(streams, request("/")))[0] == 200

    run(journey())


def test_a_renewal_that_fails_keeps_the_earlier_certificate(tmp_path: Path) -> None:
    """A pair that does not fit is refused with a sentence, and the listener goes on with the old one."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            leaf = house.certificates.leaf
            broken = Certificate(house.certificates.ca_file, leaf.key_file, 1, (), leaf.not_before, leaf.not_after)
            with pytest.raises(ConfigurationError, match=r"ca\.pem .*cannot be used for TLS"):
                house.server.renew(broken)
            assert await shown_serial(house) == leaf.serial

    run(journey())


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing."""


def test_https_needs_a_certificate() -> None:
    """An HTTPS socket without a certificate is refused before anything starts."""
    with bind("127.0.0.1", 0, "https") as https, pytest.raises(ConfigurationError, match="certificate"):
        Server(_nobody, http=None, https=https)


@pytest.mark.parametrize("length", [70_000, 400_000])
def test_a_head_too_large_is_refused(tmp_path: Path, length: int) -> None:
    """More than 64 KiB of headers is answered with 431, whether they end or not."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            for end in ("\r\n\r\n", ""):
                streams = await house.connect()
                streams[1].write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 100)
                await asyncio.sleep(0.02)
                streams[1].write(b"x" * length + end.encode())
                line = await streams[0].readline()
                assert line == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            assert not house.app.entered.is_set()
            streams = await house.connect()
            status, _, _ = await ask(streams, request("/", "GET", b"", "X-Long: " + "x" * 60_000))
            assert status == 200

    run(journey())


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_a_head_that_takes_too_long_is_given_up(tmp_path: Path, sent: bytes) -> None:
    """A connection that asks nothing, or never finishes its headers, is closed; drops do not prolong it."""

    async def journey() -> None:
        async with serving(tmp_path, limits=Limits(head_timeout_s=1.0)) as house:
            reader, writer = await house.connect()
            writer.write(sent)
            await asyncio.sleep(0.7)
            if sent:
                writer.write(b"x")
            began = time.perf_counter()
            assert await reader.read() == b""
            assert time.perf_counter() - began < 0.9

    run(journey())


def test_a_slow_handler_and_a_slow_body_are_no_slow_head(tmp_path: Path) -> None:
    """The bound on the head does not count the body, the answer, or the silence between requests."""

    async def journey() -> None:
        async with serving(tmp_path, limits=Limits(head_timeout_s=0.3)) as house:
            streams = await house.connect()
            streams[1].write(b"POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe")
            await asyncio.sleep(0.5)
            house.app.may_answer.set()
            assert (await ask(streams, b"llo"))[2] == b"http POST /wait hello"
            await asyncio.sleep(0.5)
            assert (await ask(streams, request("/again")))[0] == 200

    run(journey())


@pytest.mark.parametrize("pause_s", [0, 0.02])
def test_an_offer_to_upgrade_is_declined_and_the_body_read(tmp_path: Path, pause_s: float) -> None:
    """Java's client and `curl --http2` offer h2c with a body: it arrives whole, and so does what follows."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")

    async def journey() -> None:
        async with serving(tmp_path) as house:
            streams = await house.connect()
            data = request("/one", "POST", b"hello there", *offer) + request("/two", "GET", b"", *offer)
            data += (
                request("/three", "POST", b"", *offer, "Transfer-Encoding: chunked")
                .replace(b"Content-Length: 0\r\n", b"")
                .replace(b"\r\n\r\n", b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            )
            data += request("/four", "PUT", b"end")
            step = 7 if pause_s else len(data)
            for start in range(0, len(data), step):
                streams[1].write(data[start : start + step])
                await asyncio.sleep(pause_s / 10)
            told = [(await ask(streams, b""))[2].decode() for _ in range(4)]
            assert told == [
                "http POST /one hello there",
                "http GET /two ",
                "http POST /three abc",
                "http PUT /four end",
            ]

    run(journey())


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [("1.1", 1, 200), ("1.1", 0, 400), ("1.1", 2, 400), ("1.0", 0, 200), ("1.0", 2, 400)],
)
def test_a_request_names_one_host(tmp_path: Path, version: str, hosts: int, status: int) -> None:
    """RFC 9112, 3.2: none (but from HTTP/1.0) or two is a bad request, and the end of the connection."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            streams = await house.connect()
            data = f"GET / HTTP/{version}\r\n".encode() + b"Host: localhost\r\n" * hosts + b"\r\n"
            assert (await ask(streams, data))[0] == status
            if status == 400:
                assert await streams[0].read() == b""
                assert not house.app.entered.is_set()

    run(journey())


def test_an_answer_that_closes_ends_the_connection_although_the_body_never_came(tmp_path: Path) -> None:
    """So a 408 leaves nobody waiting for the rest."""

    async def refuse(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 408, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def journey() -> None:
        async with serving(tmp_path) as house:
            house.server._app = refuse
            streams = await house.connect()
            assert (await ask(streams, request("/", "POST", b"abc").replace(b": 3", b": 9")))[0] == 408
            assert await streams[0].read() == b""

    run(journey())


def test_nonsense_is_answered_with_400(tmp_path: Path) -> None:
    """What is no HTTP gets a 400 and the end of the connection."""

    async def journey() -> None:
        async with serving(tmp_path) as house:
            streams = await house.connect()
            assert (await ask(streams, b"HELLO\r\n\r\n"))[0] == 400
            assert await streams[0].read() == b""

    run(journey())


def test_port_0_picks_a_free_one() -> None:
    """Two sockets bound to port 0 get ports of their own, and listen."""
    with bind("127.0.0.1", 0, "http") as one, bind("127.0.0.1", 0, "http") as two:
        assert one.getsockname()[1] != two.getsockname()[1]
        socket.create_connection(one.getsockname()).close()


def test_a_taken_port_is_told_with_its_remedy() -> None:
    """The error names the port and the flag that helps."""
    with bind("127.0.0.1", 0, "https") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Port {port} .*--https-port, or --https-port 0"):
            bind("127.0.0.1", port, "https")


def test_a_privileged_port_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the port and the flag that helps."""

    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refuse)
    with pytest.raises(ConfigurationError, match=r"Port 80 .*needs rights.*--http-port 0"):
        bind("127.0.0.1", 80, "http")


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("no such host", 0, "'no such host' is not known here"),
        ("192.0.2.1", 0, "192.0.2.1 is none of this machine's: change --host"),
        ("127.0.0.1", 70_000, "70000 is not a port: give --http-port"),
    ],
)
def test_an_address_that_cannot_be_is_told(host: str, port: int, said: str) -> None:
    """An unknown host, a foreign address and a number beyond the ports each get their sentence."""
    with pytest.raises(ConfigurationError, match=said):
        bind(host, port, "http")


@needs_ipv6
def test_every_address_is_taken_by_two_colons() -> None:
    """Host `::` listens for IPv4 as well; `[::1]` is read as the address within."""
    with bind("::", 0, "http") as both, bind("[::1]", 0, "http") as one:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, both.getsockname()[1])).close()
        assert one.getsockname()[0] == "::1"
