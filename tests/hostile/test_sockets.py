"""Bytes that no client sends, over real sockets: refused, given up or let go, and the server goes on."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.strategies import effort
from trunkline.api import exchange
from trunkline.library.served import Server, serve

LARGEST = 4096
PATIENCE_S = 20.0
PROMPT_S = 4.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server that takes small bodies and waits for none of them for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "BODY_PATIENCE_S", 0.3)
        with serve(tmp_path_factory.mktemp("sockets"), max_body_bytes=LARGEST) as running:
            yield running


@pytest.fixture(autouse=True)
def _it_stands(server: Server) -> Iterator[None]:
    """Check after each test that a good request is served, and that nothing unforeseen happened or still goes on."""
    yield
    application = server.house.application
    assert ask(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")[0] == 200
    for _ in range(100):
        if not application.in_flight:
            break
        time.sleep(0.02)
    assert (application.errors, application.in_flight) == (0, 0)


def connect(server: Server, *, tls: bool = False) -> socket.socket:
    """Open a connection, to the port for TLS without a handshake if told so."""
    port = urlsplit(server.url if tls else server.connection.http).port
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def heard(connection: socket.socket) -> bytes:
    """Read until the server ends the connection; a server that says nothing and does not end it fails the test."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return found


def ask(server: Server, *parts: bytes, half_close: bool = False) -> tuple[int, bytes]:
    """Send bytes and return status and body of the first answer; (0, b"") when there is none."""
    with closing(connect(server)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it was refused before it was all sent
        return read(heard(connection))


def read(data: bytes) -> tuple[int, bytes]:
    """Read status and body of an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    return (int(head.split(b" ")[1]), body) if head else (0, b"")


def post(*lines: str, body: bytes = b"", path: str = "/identities?api-version=1") -> bytes:
    """Return the bytes of a POST that ends its connection."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1 and more\r\nHost: localhost\r\n\r\n",
        b"BREW /identities HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX\x00: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        b"\0" * 1_000,
        b"\xff" * 1_000,
        post("Content-Length: -1"),
        post("Content-Length: 1x", body=b"{}"),
        post("Content-Length: 2", "Content-Length: 3", body=b"{}"),
        post("Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post("Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"f" * 40 + b"\r\n{}"),
        post("Transfer-Encoding: chunked", body=b"2\r\n{}and no end\r\n0\r\n\r\n"),
    ],
)
def test_what_is_no_http_is_a_bad_request_and_ends_the_connection(server: Server, data: bytes) -> None:
    """400 at once (or nothing, where not even an answer would be understood), never a hang."""
    began = time.perf_counter()
    assert ask(server, data, half_close=True)[0] in {0, 400}
    assert time.perf_counter() - began < PROMPT_S


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (post("Content-Length: 4097"), 413, "RequestEntityTooLarge"),
        (post(f"Content-Length: {'9' * 18}"), 413, "RequestEntityTooLarge"),
        (
            post("Transfer-Encoding: chunked", body=b"1001\r\n" + b"x" * 4097 + b"\r\n0\r\n\r\n"),
            413,
            "RequestEntityTooLarge",
        ),
        (post("Transfer-Encoding: chunked", body=b"1\r\nx\r\n" * 4097), 413, "RequestEntityTooLarge"),
        (post("Content-Length: 50", body=b"{"), 408, "RequestTimeout"),
        (post("Transfer-Encoding: chunked", body=b"32\r\n{"), 408, "RequestTimeout"),
        (post("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"), 408, "RequestTimeout"),
        (post("Content-Length: 2", body=b"{} and more than that"), 401, "Unauthorized"),
        (post("Content-Length: 0", path="/%ff%fe/%00"), 404, "NotFound"),
        (post("Content-Length: 0", "Authorization: Bearer \xff\xfe"), 401, "Unauthorized"),
        (post("Content-Length: 0", "Authorization: Bearer a", "Authorization: Bearer b"), 401, "Unauthorized"),
        (post("Content-Length: 0", "x-ms-date: a", "x-ms-date: b", "Authorization: HMAC-SHA256 x"), 401, "Denied"),
        (post("Content-Length: 0", "Expect: 100-continue"), 401, "Unauthorized"),
    ],
)
def test_a_body_that_is_not_what_its_head_says_gets_the_vendors_error(
    server: Server, data: bytes, status: int, code: str
) -> None:
    """Too large however it is framed, never complete, with more behind it; headers twice or not in ASCII."""
    if status == 401 and code == "Unauthorized":
        data = data.replace(b"/identities?", b"/chat/threads?")  # where no stand-in for a token is taken
    began = time.perf_counter()
    found, body = ask(server, data)
    if body.startswith(b"HTTP/1.1"):  # after 100 Continue
        found, body = read(body)
    assert found == status, body
    assert msgspec.json.decode(body)["error"]["code"] == code
    assert time.perf_counter() - began < PROMPT_S


def test_a_client_that_leaves_in_mid_body_leaves_nothing_behind(server: Server) -> None:
    """Half closed, or gone altogether; there may be nobody left to answer."""
    for data in (post("Content-Length: 50", body=b"{"), post("Transfer-Encoding: chunked", body=b"32\r\n{")):
        assert ask(server, data, half_close=True)[0] in {0, 400, 408}
        with closing(connect(server)) as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end


def test_a_body_by_drops_is_given_up(server: Server) -> None:
    """A byte now and then does not keep a request alive."""
    with closing(connect(server)) as connection:
        connection.sendall(post("Content-Length: 4000", body=b"{"))
        began = time.perf_counter()
        try:
            while time.perf_counter() - began < 1:
                connection.sendall(b" ")
                time.sleep(0.05)
        except ConnectionError:
            pass
        else:
            pytest.fail("it is still listened to")


def test_garbage_on_the_port_for_tls_is_let_go(server: Server) -> None:
    """Plain HTTP, nonsense and half a handshake there; nonsense within TLS is a bad request as without."""
    for data in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\0" * 500, b"\x16\x03\x01\xff\xff" + b"\1" * 200):
        with closing(connect(server, tls=True)) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert not heard(connection).startswith(b"HTTP")
    context = ssl.create_default_context(cafile=server.connection.ca_file)
    with closing(context.wrap_socket(connect(server, tls=True), server_hostname="localhost")) as secure:
        secure.sendall(b"nonsense\r\n\r\n")
        assert heard(secure).startswith(b"HTTP/1.1 400")


def test_no_bytes_whatever_break_the_server(server: Server) -> None:
    """A good request with bytes put in, taken out, changed or cut off anywhere."""
    good = post(
        "Content-Type: application/json",
        "Content-Length: 20",
        body=b'{"topic": "abcdefg"}',
        path="/chat/threads?api-version=1",
    )

    @effort(150)
    @given(st.integers(0, len(good) - 1), st.integers(0, 12), st.binary(max_size=12), st.booleans())
    def each(at: int, gone: int, new: bytes, is_cut: bool) -> None:
        data = good[:at] + new + (b"" if is_cut else good[at + gone :])
        status, body = ask(server, data, half_close=True)
        assert status == 0 or 400 <= status < 500, (data, status, body)

    each()
