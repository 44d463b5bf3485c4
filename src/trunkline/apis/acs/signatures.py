"""Access-key signatures (HMAC-SHA256), checked against every form that an SDK really signs.

The SDKs disagree on the path and the host they sign: raw, percent-decoded or re-encoded paths; form-encoded
queries; the host with its port, with a slash at its end, or without the port. Measured with the Python
(sync and async) and JavaScript SDKs; .NET and Java as their code says.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote, quote_plus, unquote

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.errors import UnauthenticatedError
from trunkline.services.resources import Resource

_HEADER = re.compile(r"HMAC-SHA256 SignedHeaders=([\w;-]+)&Signature=([A-Za-z0-9+/=]+)\Z", re.IGNORECASE)
_SIGNED = {"x-ms-date;host;x-ms-content-sha256": "x-ms-date", "date;host;x-ms-content-sha256": "date"}

_AT_ONCE = 300


def denied(message: str) -> UnauthenticatedError:
    """Return the error of a signature that is refused."""
    return UnauthenticatedError(message, code="Denied")


def is_signed(exchange: Exchange) -> bool:
    """Tell whether a request carries a signature rather than a bearer."""
    return exchange.headers.get("authorization", "")[:11].upper() == "HMAC-SHA256"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What the Authorization header says: the signature, and the date that it covers."""

    value: bytes
    date: str


def read(exchange: Exchange) -> Signature:
    """Read the Authorization header; raises UnauthenticatedError."""
    found = _HEADER.match(exchange.headers.get("authorization", ""))
    if not found:
        raise denied(
            "The Authorization header must be "
            "'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=<base64>'."
        )
    header = _SIGNED.get(found[1].lower())
    if header is None:
        raise denied("The signed headers must be x-ms-date;host;x-ms-content-sha256.")
    try:
        value = base64.b64decode(found[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise denied("The signature is not base64.") from error
    return Signature(value=value, date=exchange.headers.get(header, ""))


def check_envelope(exchange: Exchange, signature: Signature, now: datetime, skew_s: int) -> None:
    """Check the signed date and the body's hash; raises UnauthenticatedError."""
    date = _moment(signature.date)
    if abs((now - date).total_seconds()) > skew_s:
        raise denied(f"The request's date is more than {skew_s} seconds from the server's clock.")
    hashed = base64.b64encode(hashlib.sha256(exchange.body).digest()).decode()
    if not hmac.compare_digest(hashed.encode(), exchange.headers.get("x-ms-content-sha256", "").encode()):
        raise denied("Request 'x-ms-content-sha256' differs from generated content hash.")


async def signer(
    exchange: Exchange, signature: Signature, resources: list[Resource], extra_host: str
) -> tuple[Resource, str] | None:
    """Return the resource and the key (key1 or key2) that signed a request, or None.

    A signature that fits nothing is held against every form with every key: others get their turns meanwhile.
    """
    content = exchange.headers.get("x-ms-content-sha256", "")
    keys = [
        (resource, name, base64.b64decode(key))
        for resource in resources
        for name, key in zip(("key1", "key2"), resource.keys, strict=True)
    ]
    tried = 0
    for path, host in _forms(exchange, extra_host):
        message = f"{exchange.method}\n{path}\n{signature.date};{host};{content}".encode()
        for resource, name, key in keys:
            if hmac.compare_digest(hmac.digest(key, message, "sha256"), signature.value):
                return resource, name
            tried += 1
            if tried % _AT_ONCE == 0:
                await asyncio.sleep(0)
    return None


def _forms(exchange: Exchange, extra_host: str) -> Iterator[tuple[str, str]]:
    """Yield the forms of path and host that may have been signed, the usual one first."""
    seen = set()
    hosts = _hosts(exchange, extra_host)
    for path in _paths(exchange):
        for host in hosts:
            if (path, host) not in seen:
                seen.add((path, host))
                yield path, host


def _hosts(exchange: Exchange, extra_host: str) -> list[str]:
    """List the forms of the host: clients drop the scheme's own port from the Host header, but sign it."""
    host = exchange.host
    bare = host.rpartition(":")[0] if re.search(r":\d+\Z", host) else host
    usual = f"{bare}:{80 if exchange.scheme == 'http' else 443}"
    names = [name for name in (host, bare, usual, extra_host) if name]
    return [*names, *(f"{name}/" for name in names)]


def _paths(exchange: Exchange) -> Iterator[str]:
    query = exchange.query_string
    path = exchange.raw_path
    yield f"{path}?{query}" if query else path
    queries = [query, unquote(query), _form(query)]
    for one in (path, unquote(path), _reencoded(exchange)):
        for two in queries:
            yield f"{one}?{two}" if two else one


def _form(query: str) -> str:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return query
    # as browsers and Node write forms: * stays, ~ does not
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")


def _reencoded(exchange: Exchange) -> str:
    """Return the path with each parameter encoded anew, everything but letters and digits escaped."""
    if exchange.operation is None:
        return exchange.raw_path
    path = exchange.operation.path
    for name, value in exchange.params.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def _moment(text: str) -> datetime:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError) as error:
        raise denied("The header x-ms-date is missing or not an HTTP date.") from error
    return date if date.tzinfo else date.replace(tzinfo=UTC)
