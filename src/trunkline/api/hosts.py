"""Hosts: which names this server answers to, whose resource a name means, which proxies are believed."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from trunkline.api.exchange import Exchange
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, MisdirectedError
from trunkline.services.resources import Resources

SUFFIX = ".communication.localhost"
_LONGEST_HOST = 300  # a name has at most 253 characters


class Hosts:
    """Checks the Host of each request, so that no foreign web page can reach the server by a name of its own."""

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self._resources = resources
        self._names = set(names(settings))
        self._proxies = [_network(text) for text in settings.trusted_proxies]

    def admit(self, exchange: Exchange, scope: Scope) -> None:
        """Check the Host, and find the resource that it names; raises MisdirectedError."""
        name = _name_of(exchange.host)
        if name.endswith(SUFFIX):
            resource = name.removesuffix(SUFFIX)
            exchange.named = self._resources.find(resource)
            if exchange.named is None:
                raise MisdirectedError(
                    f"There is no resource {resource!r}; `trunkline connection` shows the one there is."
                )
            return
        if not name or (name not in self._names and name != _arrived_at(scope)):
            raise MisdirectedError(
                f"{exchange.host[:300]!r} is not a name of this server; add it with the setting host_names or "
                "public_url."
            )

    def unwrap(self, exchange: Exchange) -> None:
        """Take scheme, Host and client from the headers that a trusted proxy added; from nobody else."""
        if not self._proxies or not self._trusted(exchange.client_ip):
            return
        headers = exchange.headers
        exchange.host = headers.get("x-forwarded-host", exchange.host).split(",")[0].strip()
        scheme = headers.get("x-forwarded-proto", exchange.scheme).split(",")[0].strip().lower()
        if scheme in {"http", "https"}:
            exchange.scheme = scheme
        # each proxy adds whom it heard from at the end: the last who is no proxy of ours is who really calls
        for part in reversed(",".join(headers.every("x-forwarded-for")).split(",")):
            address = _address(part)
            if not address:
                return  # whatever stands before this, no proxy of ours can vouch for
            exchange.client_ip = address
            if not self._trusted(address):
                return

    def _trusted(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped  # how a listener on [::] shows a client of IPv4
        return any(address in network for network in self._proxies)


def names(settings: Settings) -> list[str]:
    """List the names and addresses that the server answers to, but for the resources' own."""
    own = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *settings.host_names]
    if settings.public_url:
        own.append(urlsplit(settings.public_url).hostname or "")
    if settings.host.strip("[]") not in {"0.0.0.0", "::", ""}:  # noqa: S104 - recognised, not bound
        own.append(settings.host)
    return _unique(_normal(name.strip().strip("[]")) for name in own)


def _unique(found: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(found) if name]


_HOST = re.compile(r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/?#@\s]+))(?::\d{1,5})?", re.ASCII)


def _name_of(host: str) -> str:
    """Return a Host header's name without port and brackets, as `_normal` writes it; "" if it is none."""
    return _read_name(host) if len(host) <= _LONGEST_HOST else ""


@lru_cache(256)
def _read_name(host: str) -> str:
    found = _HOST.fullmatch(host)
    return _normal(found["ip"] or found["name"]) if found else ""


def _normal(name: str) -> str:
    """Write a name or address in the one way that names are compared: lower case, no dot at the end."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().removesuffix(".")


def _address(text: str) -> str:
    """Return the address in an element of X-Forwarded-For, which may have a port; "" when it holds none."""
    text = text.strip()
    bare = text.partition(":")[0] if text.count(":") == 1 else text.partition("]")[0].removeprefix("[")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return ""


def _arrived_at(scope: Scope) -> str:
    """Return the address that the connection came in on; a name that a foreign page chose is never one."""
    server = scope.get("server")
    return _normal(str(server[0])) if server else ""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigurationError(f"trusted_proxies names {text!r}, which is no address or network.") from error
