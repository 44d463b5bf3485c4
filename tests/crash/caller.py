"""A caller: puts requests to one life of the server over keep-alive connections, as a client's code would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
import msgspec
from yarl import URL

from tests.support.signing import signed
from trunkline.connection import Connection

VERSION = "2024-03-07"
_PATIENCE = aiohttp.ClientTimeout(total=30)


class UnansweredError(Exception):
    """The request was on its way, and no answer came: nobody knows what became of it."""


class UnsentError(Exception):
    """Nobody listened, so the request was never sent."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: status, headers (lower case) and the body read as JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class Caller:
    """Requests to the default account of a server; use it as an asynchronous context.

    Every request raises UnansweredError or UnsentError when the server is gone.
    """

    def __init__(self, connection: Connection) -> None:
        self.url = connection.http
        self._connection = connection

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def signed(self, method: str, path: str, body: Any = None, version: str = VERSION) -> Answer:
        """Make a request signed with the access key."""
        target, content = _versioned(path, version), _content(body)
        key, host = self._connection.access_keys[0], self.url.removeprefix("http://")
        return await self._put(method, target, content, signed(method, target, host, content, key, datetime.now(UTC)))

    async def spoken(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        """Make a request as the user who holds a token."""
        return await self._put(method, _versioned(path, VERSION), _content(body), {"authorization": f"Bearer {token}"})

    async def own(self, method: str, target: str, body: Any = None) -> Answer:
        """Make a request to Trunkline's own API."""
        return await self._put(method, target, _content(body), {"x-api-key": self._connection.api_key})

    async def post(self, target: str, content: bytes, headers: dict[str, str]) -> Answer:
        """Post lines of facts to Trunkline's own API."""
        return await self._put("POST", target, content, {"x-api-key": self._connection.api_key} | headers)

    async def page(self, name: str) -> float:
        """Read one figure of the server's own state page, summed over its labels."""
        async with self._session.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        named = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        assert named, f"the page says nothing of {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in named)

    async def _put(self, method: str, target: str, content: bytes, headers: dict[str, str]) -> Answer:
        url = URL(self.url + target, encoded=True)
        more = {"content-type": "application/json"} if content else {}
        try:
            async with self._session.request(method, url, data=content or None, headers=headers | more) as answer:
                read = await answer.read()
        except aiohttp.ClientConnectorError as error:
            raise UnsentError from error
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise UnansweredError from error
        return Answer(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=msgspec.json.decode(read) if read else None,
        )


def _versioned(path: str, version: str) -> str:
    return path if "api-version=" in path else f"{path}{'&' if '?' in path else '?'}api-version={version}"


def _content(body: Any) -> bytes:
    return b"" if body is None else msgspec.json.encode(body)
