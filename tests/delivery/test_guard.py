"""The guard: where nothing is ever posted to, however the address is spelled."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.rig import a_parcel, receiving, rigged
from trunkline.config import Settings
from trunkline.delivery.guard import Guard, GuardedResolver, RefusedError
from trunkline.errors import InvalidError

NEVER = (
    "169.254.169.254",
    "169.254.0.1",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",  # noqa: S104 - the address is refused here
    "[::]",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "①⑥⑨.254.169.254",
    "169。254。169。254",
)
PRIVATE = (
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[::1]",
    "[fd12::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::1]",
)
OPEN = Guard(Settings(private_webhooks="allow"))
CLOSED = Guard(Settings(private_webhooks="refuse"))


@pytest.mark.parametrize("host", NEVER)
def test_link_local_and_metadata_addresses_are_refused_always(host: str) -> None:
    """Even where private addresses are allowed, in every spelling."""
    with pytest.raises(InvalidError):
        OPEN.check_url(f"http://{host}/latest")


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_refused_unless_they_are_allowed(host: str) -> None:
    """The setting decides."""
    OPEN.check_url(f"http://{host}:8080/")
    with pytest.raises(InvalidError):
        CLOSED.check_url(f"http://{host}:8080/")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "1.1.1"])
def test_odd_spellings_of_an_address_are_refused_even_when_it_is_allowed(host: str) -> None:
    """Nobody writes an address like that by accident."""
    with pytest.raises(InvalidError, match="usual way"):
        OPEN.check_url(f"http://{host}/")


@pytest.mark.parametrize("host", ["203.0.114.1", "[2606:4700::1111]", "hooks.example", "1.1.1.1.example", "10.example"])
def test_public_addresses_and_names_pass(host: str) -> None:
    """A name is judged later, by what it leads to."""
    CLOSED.check_url(f"https://{host}/hook?code=x")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example/",
        "//hooks.example/",
        "hooks.example",
        "",
        "http://",
        "http:///path",
        "http://user:secret@hooks.example/",
        "http://user@hooks.example/",
        "http://hooks.example:0/",
        "http://hooks.example:99999/",
        "http://hooks.example/a b",
        "http://hooks.example/\r\nHost: other",
        "http://[::1/",
        "https://hooks.example/" + "x" * 2048,
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    """Other schemes, credentials, blanks and broken addresses."""
    with pytest.raises(InvalidError):
        OPEN.check_url(url)


def test_plain_http_is_refused_where_the_setting_says_so() -> None:
    """Only https is left then."""
    guard = Guard(Settings(plain_webhooks=False))
    guard.check_url("https://hooks.example/")
    with pytest.raises(InvalidError, match="https://"):
        guard.check_url("http://hooks.example/")


def leading_to(*addresses: str) -> Any:
    """Resolve every name to these addresses; counts its calls."""
    calls: list[str] = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        calls.append(host)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    lookup.calls = calls  # type: ignore[attr-defined]
    return lookup


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%lo", "fd00:ec2::254"])
def test_a_name_that_leads_to_a_metadata_address_is_refused_after_dns(address: str, tmp_path: Path) -> None:
    """The name looks harmless, what it resolves to is not."""

    async def run() -> None:
        async with rigged(tmp_path, lookup=leading_to(address)) as rig:
            await rig.put(a_parcel(rig.clock, "http://hooks.example/"))
            kept = await rig.until_attempts(1)
            assert (kept.last_outcome, kept.last_status, kept.state) == ("refused", 0, "waiting")

    asyncio.run(run())


def test_a_name_that_leads_to_loopback_is_refused_unless_private_addresses_are_allowed(tmp_path: Path) -> None:
    """The receiver is there, but hears nothing."""

    async def run() -> None:
        async with receiving() as receiver:
            port = receiver.url.split(":")[2].split("/")[0]
            url = f"http://hooks.example:{port}/hook"
            async with rigged(tmp_path / "a", lookup=leading_to("127.0.0.1"), private_webhooks="refuse") as rig:
                answer = await rig.courier.send(url)
                assert (answer.outcome, receiver.heard) == ("refused", [])
            async with rigged(tmp_path / "b", lookup=leading_to("127.0.0.1"), private_webhooks="allow") as rig:
                answer = await rig.courier.send(url)
                assert answer.status == 200
                assert receiver.heard[0].headers["host"] == f"hooks.example:{port}"

    asyncio.run(run())


def test_only_checked_addresses_of_a_name_are_connected_to(tmp_path: Path) -> None:
    """Of a forbidden and an allowed address, only the allowed one is used; the name is resolved once."""

    async def run() -> None:
        lookup = leading_to("169.254.169.254", "127.0.0.1")
        async with receiving() as receiver, rigged(tmp_path, lookup=lookup) as rig:
            port = receiver.url.split(":")[2].split("/")[0]
            answer = await rig.courier.send(f"http://hooks.example:{port}/")
            assert (answer.status, len(receiver.heard), lookup.calls) == (200, 1, ["hooks.example"])

    asyncio.run(run())


def test_the_resolver_gives_back_only_allowed_addresses() -> None:
    """A name that leads nowhere else is refused."""

    async def run() -> None:
        resolver = GuardedResolver(OPEN, leading_to("169.254.169.254", "203.0.114.7", "fe80::1"))
        assert [one["host"] for one in await resolver.resolve("hooks.example", 443)] == ["203.0.114.7"]
        await resolver.close()
        resolver = GuardedResolver(CLOSED, leading_to("10.0.0.1", "::1"))
        with pytest.raises(RefusedError):
            await resolver.resolve("hooks.example", 443)
        await resolver.close()

    asyncio.run(run())


def test_the_socket_itself_is_the_last_check() -> None:
    """Whatever address reaches the connector is looked at again."""
    place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))
    with pytest.raises(OSError, match="not connected to"):
        OPEN.make_socket(place)


def test_the_proxy_of_the_environment_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names where the guard cannot see."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            assert (await rig.courier.send(receiver.url)).status == 200

    asyncio.run(run())
