"""Hosts: which names this server answers to, whose resource a name means, which proxies are believed."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from trunkline.api.exchange import Exchange
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, MisdirectedError
from trunkline.services.resources import Resources

SUFFIX = ".communication.localhost"


class Hosts:
    """Checks the Host of each request, so that no foreign web page can reach the server by a name of its own."""

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self._resources = resources
        self._names = set(names(settings))
        self._proxies = [_network(text) for text in settings.trusted_proxies]

    def admit(self, exchange: Exchange, scope: Scope) -> None:
        """Believe a trusted proxy's headers, then check the Host; raises MisdirectedError."""
        if self._proxies and self._trusted(exchange.client_ip):
            self._unwrap(exchange)
        name = _name_of(exchange.host)
        if name.endswith(SUFFIX):
            exchange.named = self._resources.find(name.removesuffix(SUFFIX))
            if exchange.named is None:
                raise MisdirectedError(
                    f"There is no resource {name.removesuffix(SUFFIX)!r}; `trunkline connection` shows the one there is."
                )
            return
        if name not in self._names and name != _arrived_at(scope):
            raise MisdirectedError(
                f"{name!r} is not a name of this server; add it with the setting host_names or public_url."
            )

    def _trusted(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _unwrap(self, exchange: Exchange) -> None:
        headers = exchange.headers
        exchange.host = headers.get("x-forwarded-host", exchange.host).split(",")[0].strip()
        scheme = headers.get("x-forwarded-proto", exchange.scheme).split(",")[0].strip().lower()
        if scheme in {"http", "https"}:
            exchange.scheme = scheme
        # the last address that is not a proxy of ours is who really calls
        for part in reversed(headers.get("x-forwarded-for", "").split(",")):
            if part.strip() and not self._trusted(part.strip()):
                exchange.client_ip = part.strip()
                break


def names(settings: Settings) -> list[str]:
    """List the names and addresses that the server answers to, but for the resources' own."""
    own = ["localhost", "127.0.0.1", "::1", socket.gethostname().lower(), *settings.host_names]
    if settings.public_url:
        own.append(urlsplit(settings.public_url).hostname or "")
    if settings.host not in {"0.0.0.0", "::", ""}:  # noqa: S104 - recognised, not bound
        own.append(settings.host)
    return _unique(name.strip().lower() for name in own)


def _unique(found: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(found) if name]


def _name_of(host: str) -> str:
    """Return a Host header's name, lower-cased and without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _arrived_at(scope: Scope) -> str:
    server = scope.get("server")
    return str(server[0]) if server else ""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigurationError(f"trusted_proxies names {text!r}, which is no address or network.") from error
