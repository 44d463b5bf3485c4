"""The guard: addresses we never post to, checked in the URL, after DNS, and again where a socket is made.

Link-local and metadata addresses are refused always; private ones unless the settings allow them. A name is
resolved here, and only addresses that were checked are connected to, so that no second answer of a name
server can lead elsewhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from trunkline.config import Settings
from trunkline.errors import InvalidError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[..., list[Any]]
RESOLVERS = 16
LONGEST_URL = 2048

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this host"
        "169.254.0.0/16",  # link-local, and the metadata address of most clouds
        "100.100.100.200/32",  # metadata (Alibaba)
        "168.63.129.16/32",  # metadata of another large cloud, on a public address
        "192.0.0.192/32",  # metadata (Oracle)
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::/32",  # metadata (Amazon)
        "fd20:ce::/32",  # metadata (Google)
    )
)
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.ip_network("::/96")
_ODD_ADDRESS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}\.?\Z", re.IGNORECASE)


class RefusedError(OSError):
    """The guard does not let us go there."""


class Guard:
    """Decides where parcels may go, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._private_allowed = settings.private_webhooks_allowed
        self._plain_allowed = settings.plain_webhooks

    def check_url(self, text: str) -> URL:
        """Return the URL to post to; raises InvalidError with a sentence when we never would."""
        try:
            if len(text) > LONGEST_URL or any(sign <= " " or sign == "\x7f" for sign in text):
                raise ValueError  # noqa: TRY301 - one message for whatever is no address
            url = URL(text, encoded=text.isascii())
            host, port = url.raw_host, url.port
        except ValueError as error:
            raise InvalidError("The webhook's URL is not a valid address.", target="endpointUrl") from error
        schemes = ("http", "https") if self._plain_allowed else ("https",)
        if url.scheme not in schemes or not host or port == 0:
            raise InvalidError(
                f"The webhook's URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}.",
                target="endpointUrl",
            )
        if url.raw_user is not None or url.raw_password is not None:
            raise InvalidError("The webhook's URL must not hold credentials.", target="endpointUrl")
        address = _literal(host)
        if address is not None and not self.allows(address):
            raise InvalidError(
                f"Events are not sent to {address}: it is a link-local, metadata or private address.",
                target="endpointUrl",
            )
        return url

    def allows(self, address: Address) -> bool:
        """Tell whether we connect to an address, whatever addresses are wrapped into it."""
        return all(self._allows_plainly(one) for one in _unwrapped(address))

    def _allows_plainly(self, address: Address) -> bool:
        if any(address.version == never.version and address in never for never in _NEVER):
            return False
        return self._private_allowed or address.is_global

    def make_socket(self, place: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one resolved place: the last check before a connection."""
        family, kind, protocol, _, where = place
        address = ipaddress.ip_address(where[0])
        if not self.allows(address):
            raise RefusedError(f"{address} is not connected to.")
        return socket.socket(family=family, type=kind, proto=protocol)


class GuardedResolver(AbstractResolver):
    """Resolves names in threads of its own and gives back only addresses that the guard allows."""

    def __init__(self, guard: Guard, lookup: Lookup = socket.getaddrinfo) -> None:
        self._guard = guard
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the allowed addresses of a host; raises RefusedError when it has others only."""

        def look_up() -> list[Any]:
            return self._lookup(host, port, family=family, type=socket.SOCK_STREAM)

        places = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        allowed = [
            ResolveResult(
                hostname=host,
                host=where[0],
                port=where[1],
                family=found,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, _, protocol, _, where in places
            # an address with a zone ("fe80::1%eth0") is link-local and refused like any of those
            if self._guard.allows(ipaddress.ip_address(where[0]))
        ]
        if places and not allowed:
            raise RefusedError(f"{host} leads to addresses that are not connected to.")
        return allowed

    async def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def connector(guard: Guard, lookup: Lookup, **options: Any) -> aiohttp.TCPConnector:
    """Make a connector that only ever connects where the guard lets it."""
    return aiohttp.TCPConnector(resolver=GuardedResolver(guard, lookup), socket_factory=guard.make_socket, **options)


def _literal(host: str) -> Address | None:
    """Return the address that a host spells; raises InvalidError for spellings that hide one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if _ODD_ADDRESS.match(host):
        raise InvalidError(
            "The webhook's URL must spell an address in the usual way, as in 192.0.2.1.", target="endpointUrl"
        )
    return None


def _unwrapped(address: Address) -> Iterator[Address]:
    """Yield an address and every IPv4 address that it carries inside."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        yield inner
    elif address.teredo is not None:
        yield from address.teredo
    elif address in _COMPATIBLE and int(address) > 1:
        yield ipaddress.IPv4Address(int(address))
    elif any(address in network for network in _TRANSLATED):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is None:  # a mapped address is its IPv4 address and nothing else
        yield address
