"""The sender: one HTTP request to where the guard lets us, with everything about the answer bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import aiohttp

from trunkline.config import Settings
from trunkline.delivery.guard import Guard, Lookup, RefusedError, connector
from trunkline.delivery.parcel import Answer, Outcome
from trunkline.delivery.retry import outcome_of
from trunkline.errors import ConfigurationError, InvalidError

TIMEOUT_S = 30.0
LARGEST_ANSWER = 64 * 1024
_LONGEST_LINE = 16 * 1024


class Sender:
    """Posts over HTTP; follows no redirect, keeps no cookie, believes no proxy of the environment."""

    def __init__(
        self, settings: Settings, *, timeout_s: float = TIMEOUT_S, lookup: Lookup = socket.getaddrinfo
    ) -> None:
        self.guard = Guard(settings)
        self._settings = settings
        self._timeout_s = timeout_s
        self._lookup = lookup
        self._checked = lru_cache(maxsize=1024)(self.guard.check_url)  # the same few addresses, again and again
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Open the session; call it on the event loop. Raises ConfigurationError for a wrong CA file."""
        self._session = aiohttp.ClientSession(
            connector=connector(
                self.guard, self._lookup, ssl=_trust(self._settings.webhook_ca_file), limit=0, ttl_dns_cache=10
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a small answer must not unfold into a large one
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def stop(self) -> None:
        """Close every connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def send(
        self, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> Answer:
        """Make one request and return what came back; nothing is raised, the outcome tells what happened."""
        if self._session is None:
            raise RuntimeError("The sender is not started.")
        try:
            target = self._checked(url)
            async with self._session.request(
                method, target, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                return Answer(
                    outcome=outcome_of(response.status),
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=await _drained(response),
                )
        except (InvalidError, aiohttp.InvalidURL):
            return Answer(outcome=Outcome.REFUSED)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(outcome=_outcome_of(error))


async def _drained(response: aiohttp.ClientResponse) -> bytes:
    """Read the answer up to a bound; its status counts even when the rest never comes."""
    pieces = []
    left = LARGEST_ANSWER
    try:
        while left and (piece := await response.content.read(left)):
            pieces.append(piece)
            left -= len(piece)
        if not left:
            response.close()  # the rest is not worth a connection
    except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
        response.close()
    return b"".join(pieces)


def _outcome_of(error: BaseException) -> Outcome:
    causes = list(_causes(error))
    for kinds, outcome in _OUTCOMES:
        if any(isinstance(cause, kinds) for cause in causes):
            return outcome
    return Outcome.UNREACHABLE


_OUTCOMES: tuple[tuple[tuple[type[BaseException], ...], Outcome], ...] = (
    ((RefusedError,), Outcome.REFUSED),
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), Outcome.UNRESOLVED),
    ((aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError), Outcome.UNTRUSTED),
    ((TimeoutError, asyncio.TimeoutError), Outcome.TIMED_OUT),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, also where aiohttp keeps it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "os_error", None)]
        waiting += getattr(one, "exceptions", ())


def _trust(ca_file: str) -> ssl.SSLContext:
    """Trust the system's roots and those of a file."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=Path(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"webhook_ca_file {ca_file} cannot be read: name a PEM file of certificates that this user may read."
            ) from error
    return context
