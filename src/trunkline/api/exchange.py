"""One request and what becomes of it: what came in, who calls, which operation it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from starlette.types import Receive, Scope

from trunkline.catalogue.rows import Operation, Service
from trunkline.clock import monotonic
from trunkline.errors import InvalidError, StalledError, TooLargeError
from trunkline.services.actor import Actor
from trunkline.services.resources import Resource

T = TypeVar("T")
BODY_PATIENCE_S = 30.0
STREAM_PATIENCE_S = 600.0
"""A body that its handler reads may take so long, if it does not stand still."""
WHOLE_BODY = "trunkline.whole_body"
"""The ASGI extension by which the listener says that the body is here already, so that nobody need keep time for it."""

_MOST_PARAMETERS = 200
_LONGEST_KEPT = 200


class Fields(dict[str, str]):
    """The headers of a request by their names in lower case; of a header given twice `get` finds the first one.

    One dict made once costs a third of what a look through the raw list costs at each of six questions (6 µs).
    """

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._all = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
        super().__init__(reversed(self._all))

    def every(self, name: str) -> list[str]:
        """Return all values of a header, in their order."""
        return [value for key, value in self._all if key == name]


class Exchange:
    """One request being answered; doors and handlers fill in what they find out."""

    def __init__(
        self, scope: Scope, receive: Receive, *, at: datetime, ms_cv: str, request_id: str, largest: int
    ) -> None:
        self._receive = receive
        self._largest = largest
        self.started = monotonic()
        self.at = at
        self.ms_cv = ms_cv
        self.request_id = request_id
        self.method: str = scope["method"]
        self.headers = Fields(scope["headers"])
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        self.raw_path = raw.decode("latin-1").partition("?")[0]
        self.query_string: str = scope["query_string"].decode("latin-1")
        self.scheme: str = scope["scheme"]
        self.host = self.headers.get("host", "")
        self.client_ip: str = scope["client"][0] if scope.get("client") else ""
        self.body = b""
        self.query = _query(self.query_string)
        self._is_whole = WHOLE_BODY in scope.get("extensions", ())
        self.query_is_cut = self.query_string.count("&") >= _MOST_PARAMETERS
        self.service: Service | None = None
        self.operation: Operation | None = None
        self.params: dict[str, str] = {}
        # the resource that the Host names, if it names one; set before anyone is identified
        self.named: Resource | None = None
        self.resource: Resource | None = None
        self.caller = ""
        self.application = ""
        self.principal: Any = None
        self.extra: dict[str, str] = {}
        self.counted_as = ""
        self.served = True

    async def read_body(self) -> None:
        """Read the whole body.

        Raises TooLargeError, StalledError when it does not come in time, InvalidError when it ends early.
        """
        if self.query_is_cut:
            raise InvalidError(f"The query has more than {_MOST_PARAMETERS} parameters.")
        length = self.headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._largest):
            raise TooLargeError(f"The body is larger than {self._largest} bytes.")
        if self._is_whole:
            self.body = await self._collect()  # a timeout that cannot come would cost 5 µs
            return
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                self.body = await self._collect()
        except TimeoutError as error:
            raise StalledError("The body did not arrive in time.", code="RequestTimeout") from error

    async def _collect(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise InvalidError("The body ended before it was complete.")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._largest:
                raise TooLargeError(f"The body is larger than {self._largest} bytes.")
            chunks.append(chunk)
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, for handlers that read it themselves and keep its size within bounds.

        Raises StalledError when the next piece, or all of it, does not come in time, InvalidError when it ends early.
        """
        ends_at, more = monotonic() + STREAM_PATIENCE_S, True
        while more:
            try:
                async with asyncio.timeout(min(BODY_PATIENCE_S, ends_at - monotonic())):
                    message = await self._receive()
            except TimeoutError as error:
                raise StalledError("The body did not arrive in time.", code="RequestTimeout") from error
            if message["type"] != "http.request":
                raise InvalidError("The body ended before it was complete.")
            if piece := message.get("body", b""):
                yield piece
            more = message.get("more_body", False)

    async def left(self) -> None:
        """Return when the client has gone away; for handlers that make it wait, once the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def json(self, kind: type[T]) -> T:
        """Read the body as JSON of a shape; raises InvalidError that names the place."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `")
            raise InvalidError(f"{what}.", target=where.rstrip("`").removeprefix("$.") or "body") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidError(f"The body is not valid JSON: {error}.", target="body") from error

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        """Read a whole number from the query; above `most` it is cut to it. Raises InvalidError."""
        text = self.query.get(name.lower())
        if text is None or text == "":
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < least:
            raise InvalidError(f"{name} must be a whole number from {least} on.", target=name)
        return min(int(text), most)

    @property
    def owner(self) -> Resource:
        """The resource that the request is for; known once the caller is identified."""
        assert self.resource is not None  # noqa: S101 - identify() has set it
        return self.resource

    @property
    def actor(self) -> Actor:
        """Who acts, as the services are told."""
        return Actor(resource=self.owner, user_id=self.caller, cause=self.ms_cv)

    @property
    def base_url(self) -> str:
        """The address under which the client reached the server, without a slash at the end."""
        return f"{self.scheme}://{self.host}"


def _query(text: str) -> Mapping[str, str]:
    """Read a query string; names are decoded and lower-cased, of a name given twice the first one counts.

    Names are decoded once more, because some clients send `%2524filter`. Short ones are mostly the same few.
    """
    return _read_query(text) if len(text) <= _LONGEST_KEPT else _read_query.__wrapped__(text)


@lru_cache(256)
def _read_query(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if text.count("&") >= _MOST_PARAMETERS:
        text = "&".join(text.split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS])
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        found.setdefault(unquote_plus(name).lower(), value)
    return MappingProxyType(found)
