"""Hosts: only names of this server are answered to, and only trusted proxies are believed."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.api.exchange import Exchange
from trunkline.api.hosts import Hosts, names
from trunkline.clock import TurnedClock
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, MisdirectedError

DEMO = SimpleNamespace(name="demo")
RESOURCES = SimpleNamespace(find=lambda name: {"demo": DEMO}.get(name.lower()))


def met(
    name: str | None,
    *,
    server: Any = ("127.0.0.1", 8443),
    client: str = "127.0.0.1",
    forwarded: list[tuple[str, str]] | None = None,
    **settings: Any,
) -> Exchange:
    """Let a request through the hosts, as the application does."""
    hosts = Hosts(Settings(**settings), RESOURCES)  # type: ignore[arg-type]
    headers = [("host", name)] if name is not None else []
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in [*headers, *(forwarded or [])]],
        "client": (client, 1),
        "server": server,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    exchange = Exchange(scope, receive, at=TurnedClock().now(), ms_cv="", request_id="", largest=1)
    hosts.unwrap(exchange)
    hosts.admit(exchange, scope)
    return exchange


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8443",
        "localhost.",
        "localhost.:80",
        "127.0.0.1:1",
        "[::1]:8443",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::0001]:5",
        socket.gethostname(),
        "demo.communication.localhost:8443",
        "Demo.Communication.Localhost",
        "demo.communication.localhost.",
    ],
)
def test_the_servers_own_names_are_answered_to(host: str) -> None:
    """In any case, with any port, with a dot at the end, and addresses however they are written."""
    assert met(host).host == host


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "169.254.169.254",
        "[::2]",
        "[::ffff:1.2.3.4]",
        "localhost:8443:8443",
        "localhost:evil",
        "localhost:",
        "localhost/x",
        "localhost#x",
        "user@localhost",
        "evil.example@localhost",
        "localhost evil",
        "localhost,evil",
        "[::1",
        "::1",
        "[::1]evil",
        "communication.localhost",
        ".communication.localhost",
        "other.communication.localhost",
        "x.demo.communication.localhost",
        "demo.communication.localhost.evil.example",
        "localhost..",
        f"{'0' * 300}localhost",
        "\xffocalhost",
    ],
)
def test_any_other_name_is_refused(host: str | None) -> None:
    """A page of a foreign origin cannot reach the server by a name of its own, nor smuggle one in beside ours."""
    with pytest.raises(MisdirectedError):
        met(host)


def test_the_name_of_a_resource_says_whose_the_request_is() -> None:
    """And an unknown one is named in the refusal."""
    assert met("DEMO.communication.localhost:8443").named is DEMO
    assert met("localhost").named is None
    with pytest.raises(MisdirectedError, match="no resource 'other'"):
        met("other.communication.localhost")


@pytest.mark.parametrize(
    "settings",
    [
        {"host_names": ("chat.example",)},
        {"host_names": (" Chat.Example. ",)},
        {"public_url": "https://Chat.Example:444"},
        {"host": "chat.example"},
    ],
)
def test_names_that_were_set_are_answered_to(settings: dict[str, Any]) -> None:
    """Listed, as the public address, or as what the listener is bound to."""
    assert met("chat.example:443", **settings).named is None
    with pytest.raises(MisdirectedError):
        met("chat.example")


def test_addresses_that_were_set_are_answered_to_however_they_are_written() -> None:
    """IPv6 in brackets or not, long or short."""
    for written in ("[2001:db8::7]", "2001:DB8:0:0:0:0:0:7"):
        assert met("[2001:db8::7]:8443", host_names=(written,))


def test_the_address_a_connection_came_in_on_is_a_name_of_the_server() -> None:
    """Bound to all addresses, it answers to each of them, but to no other; no name at all is none."""
    settings = {"host": "0.0.0.0"}  # noqa: S104 - recognised, not bound
    assert met("192.0.2.1:8443", server=("192.0.2.1", 8443), **settings)
    assert met("[fe80::1]", server=("fe80:0::1", 8443, 0, 0), host="::")
    with pytest.raises(MisdirectedError):
        met("192.0.2.2", server=("192.0.2.1", 8443), **settings)
    with pytest.raises(MisdirectedError):
        met("0.0.0.0", server=("192.0.2.1", 8443), **settings)  # noqa: S104 - the same
    for server in (None, ("", None)):
        with pytest.raises(MisdirectedError):
            met("", server=server)


def test_the_list_of_names_is_what_the_leaf_needs() -> None:
    """Without doubles, empties, brackets and wildcards."""
    found = names(Settings(host="::", host_names=("a", "", "A", "[::1]"), public_url="https://b:1"))
    assert found[:3] == ["localhost", "127.0.0.1", "::1"]
    assert found[-2:] == ["a", "b"]
    assert len(found) == len(set(found))


# --- proxies ---


def behind(*forwarded: tuple[str, str], client: str = "10.0.0.1", proxies: Any = ("10.0.0.0/8",)) -> Exchange:
    """Let a request through that carries headers of proxies."""
    return met("localhost", forwarded=[*forwarded], client=client, trusted_proxies=proxies)


def test_a_trusted_proxy_is_believed() -> None:
    """Scheme, Host and client are those that it saw."""
    exchange = behind(
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "demo.communication.localhost"),
        ("x-forwarded-proto", "https"),
    )
    assert (exchange.client_ip, exchange.scheme, exchange.named) == ("203.0.113.9", "https", DEMO)
    assert exchange.base_url == "https://demo.communication.localhost"


@pytest.mark.parametrize(
    ("client", "proxies"), [("192.0.2.1", ("10.0.0.0/8",)), ("10.0.0.1", ()), ("", ("10.0.0.0/8",)), ("x", ("::/0",))]
)
def test_nobody_else_is_believed(client: str, proxies: Any) -> None:
    """A client that sends the same headers itself changes nothing."""
    exchange = behind(
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        client=client,
        proxies=proxies,
    )
    assert (exchange.client_ip, exchange.scheme, exchange.host) == (client, "http", "localhost")


def test_a_forwarded_host_is_checked_like_any_other() -> None:
    """The proxy may be trusted, the name that a client gave it is not."""
    for host in ("evil.example", "", "localhost:x"):
        with pytest.raises(MisdirectedError):
            behind(("x-forwarded-host", host))


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:DB8:0::7"], "2001:db8::7"),
        (["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
        (["203.0.113.9, nonsense"], "10.0.0.1"),
        (["203.0.113.9, nonsense, 10.0.0.7"], "10.0.0.7"),
        ([""], "10.0.0.1"),
        (["<script>"], "10.0.0.1"),
        (["_hidden, unknown"], "10.0.0.1"),
    ],
)
def test_a_client_cannot_give_itself_an_address(lines: list[str], client: str) -> None:
    """What it claims stands before what our proxies added, be it in the same line or one of its own."""
    assert behind(*(("x-forwarded-for", line) for line in lines)).client_ip == client


def test_a_proxy_seen_over_a_listener_for_both_kinds_of_address_is_recognised() -> None:
    """Such a listener shows 10.0.0.1 as ::ffff:10.0.0.1."""
    assert behind(("x-forwarded-for", "203.0.113.9"), client="::ffff:10.0.0.1").client_ip == "203.0.113.9"


def test_a_proxy_that_is_no_address_is_refused_at_the_start() -> None:
    """With the text that is wrong."""
    with pytest.raises(ConfigurationError, match=r"trusted_proxies names '10\.0\.0\.0/99'"):
        met("localhost", trusted_proxies=("10.0.0.0/99",))
