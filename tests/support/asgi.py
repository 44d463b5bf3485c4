"""A client of an ASGI application within the process: one request in, one answer out, no socket between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp


@dataclass(frozen=True)
class Answer:
    """What came back; header names are lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The error code in the body that the communication SDKs read, or ""."""
        try:
            return str(self.json["error"]["code"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return ""


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    scheme: str = "https",
    client: str = "127.0.0.1",
) -> Answer:
    """Send one request as a listener hands it over: raw path and query apart, header names in lower case."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in {"content-length": str(len(body)), **(headers or {})}.items()
        ],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 8443),
    }
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if not incoming:
            await asyncio.Event().wait()  # this client stays until it is answered
        return incoming.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))
