"""Support files: what clients hand over about a call."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.clock import rfc3339
from trunkline.services.support_files import SupportFile, SupportFiles, pieces_of

_HARMLESS = "default-src 'none'; sandbox"
"""What stands in a file is its sender's: no browser runs any of it in this server's name."""


class SupportFileHandlers:
    """The operations of support files; who is confined to an account has to do with its and those below it."""

    def __init__(self, files: SupportFiles, callers: Callers) -> None:
        self._files = files
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "AddSupportFile": self.add,
            "ListSupportFiles": self.list,
            "GetSupportFile": self.get,
            "GetSupportFileContent": self.content,
            "DeleteSupportFile": self.delete,
        }

    async def add(self, exchange: Exchange) -> Response:
        """Keep a file: 201, or 200 when the call has it already."""
        query = exchange.query
        length = exchange.headers.get("content-length", "")
        about = SupportFile(
            id="",
            resource=self._callers.resource_of(exchange, query.get("account", "")).name,
            call_id=query.get("call_id", "").strip(),
            user_id=query.get("user_id", "").strip(),
            name=query.get("name", ""),
            content_type=exchange.headers.get("content-type", ""),
            size=0,
            sha256="",
            kept_at=exchange.at,
        )
        announced = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
        kept, is_new = await self._files.add(about, exchange.pieces(), announced)
        return json_response(shown(kept), 201 if is_new else 200)

    async def list(self, exchange: Exchange) -> Response:
        """List the files of an account and those below it, of one call if it is named."""
        named = exchange.query.get("account", "")
        family = self._callers.family_of(exchange, named) if named else _seen(exchange)
        found = await self._files.of(family, exchange.query.get("call_id", "").strip())
        return json_response({"support_files": [shown(one) for one in found]})

    async def get(self, exchange: Exchange) -> Response:
        """Tell of a file."""
        return json_response(shown(await self._found(exchange)))

    async def content(self, exchange: Exchange) -> Response:
        """Give a file's bytes, to be saved under its name."""
        one = await self._found(exchange)
        headers = {
            "Content-Length": str(one.size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(one.name, safe='')}",
            "Content-Security-Policy": _HARMLESS,
        }
        return StreamingResponse(
            pieces_of(await self._files.bytes_of(one)), headers=headers, media_type=one.content_type
        )

    async def delete(self, exchange: Exchange) -> Response:
        """Delete a file."""
        await self._files.remove(await self._found(exchange))
        return Response(status_code=204)

    async def _found(self, exchange: Exchange) -> SupportFile:
        return await self._files.get(exchange.params["id"], _seen(exchange))


def _seen(exchange: Exchange) -> tuple[str, ...]:
    """Return the accounts that the caller has to do with; () is all."""
    family: tuple[str, ...] = exchange.principal.family if exchange.principal.resource else ()
    return family


def shown(one: SupportFile) -> dict[str, Any]:
    """Return what is told of a file."""
    return {
        "id": one.id,
        "account": one.resource,
        "call_id": one.call_id,
        "user_id": one.user_id,
        "name": one.name,
        "content_type": one.content_type,
        "size": one.size,
        "sha256": one.sha256,
        "kept_at": rfc3339(one.kept_at, 6),
    }
