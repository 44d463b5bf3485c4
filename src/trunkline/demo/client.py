"""A client of the public API: signs with an access key, speaks for users with their tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from collections import Counter
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from trunkline import __version__
from trunkline.clock import Clock
from trunkline.errors import UnavailableError

VERSION = "2024-03-07"
PATIENCE = aiohttp.ClientTimeout(total=20)
_SIGNED = "x-ms-date;host;x-ms-content-sha256"


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status, and the body read as JSON (None when it has none)."""

    status: int
    body: Any = None


class Client:
    """Requests of one account; `host` is the name sent to whatever address `url` has.

    `key` is an access key of the account, `api_key` its key for Trunkline's own API. `statuses` counts the answers.
    Use it as an asynchronous context.
    """

    def __init__(
        self, url: str, host: str, key: str, clock: Clock, *, api_key: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        self._host = f"{host}:{parts.port}" if host and parts.port else host or parts.netloc
        self._key = key
        self._api_key = api_key
        self._clock = clock
        self._tls = tls
        self.statuses: Counter[int] = Counter()

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=8)
        self._session = aiohttp.ClientSession(connector=connector, timeout=PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def signed(self, method: str, path: str, body: Any = None, key: str = "") -> Answer:
        """Make a request signed with the account's key, or with another one. Raises UnavailableError."""
        target, content = _target(path), _content(body)
        date = format_datetime(self._clock.now(), usegmt=True)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        text = f"{method}\n{target}\n{date};{self._host};{digest}".encode()
        signature = base64.b64encode(hmac.digest(base64.b64decode(key or self._key), text, "sha256")).decode()
        headers = {
            "x-ms-date": date,
            "x-ms-content-sha256": digest,
            "Authorization": f"HMAC-SHA256 SignedHeaders={_SIGNED}&Signature={signature}",
        }
        return await self._send(method, target, content, headers)

    async def spoken(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        """Make a request for the user who holds a token. Raises UnavailableError."""
        return await self._send(method, _target(path), _content(body), {"Authorization": f"Bearer {token}"})

    async def carried(self, body: Any) -> Answer:
        """Bring a text message to a number of the account, as a carrier does. Raises UnavailableError."""
        headers = {"Authorization": f"Bearer {self._api_key}"}
        return await self._send("POST", "/api/v1/inbox/sms", _content(body), headers)

    async def owned(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a request to Trunkline's own API. Raises UnavailableError."""
        return await self._send(method, path, content, {"Authorization": f"Bearer {self._api_key}", **(headers or {})})

    async def _send(self, method: str, target: str, content: bytes, headers: dict[str, str]) -> Answer:
        headers |= {"Host": self._host, "User-Agent": f"trunkline-demo/{__version__}"}
        if content and "Content-Type" not in headers:
            merges = method == "PATCH"
            headers["Content-Type"] = "application/merge-patch+json" if merges else "application/json"
        try:
            url = URL(self._url + target, encoded=True)
            async with self._session.request(method, url, data=content or None, headers=headers) as answer:
                read = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(f"Nobody answers at {self._url} ({error}).") from error
        self.statuses[answer.status] += 1
        return Answer(answer.status, _json(read))


def _target(path: str) -> str:
    return f"{path}?api-version={VERSION}"


def _content(body: Any) -> bytes:
    return b"" if body is None else msgspec.json.encode(body)


def _json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else None
    except msgspec.DecodeError:
        return None
