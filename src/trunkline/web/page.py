"""The pages: what this server is and where to go on, and how it is; nothing secret on them, and no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from trunkline.api.door import Door, Handler, retry_header, status_of
from trunkline.api.exchange import Exchange
from trunkline.catalogue.rows import Service
from trunkline.errors import TrunklineError
from trunkline.web.status import StatusPage

POLICY = (
    "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class PageDoor(Door):
    """Serves the pages to whoever asks; nobody has to say who he is."""

    def __init__(self, services: Iterable[Service], version: str, status: StatusPage) -> None:
        super().__init__(services, self._handlers())
        text = (files("trunkline.web") / "page.html").read_text(encoding="utf-8")
        self._page = text.replace("{version}", version)
        self._policy = POLICY.format(digest=style_digest(text))
        self._status = status
        self._status_policy = POLICY.format(digest=style_digest(status.template.replace("{{", "{").replace("}}", "}")))

    def _handlers(self) -> dict[str, Handler]:
        return {"GetPage": self.get, "GetStatus": self.get_status, "GetClientLogs": self.get_client_logs}

    async def identify(self, exchange: Exchange) -> None:
        """Let everyone in."""

    async def get(self, _exchange: Exchange) -> Response:
        """Give the page."""
        return HTMLResponse(self._page)

    async def get_status(self, _exchange: Exchange) -> Response:
        """Give the status page."""
        return HTMLResponse(await self._status.page(), headers={"Content-Security-Policy": self._status_policy})

    async def get_client_logs(self, _exchange: Exchange) -> Response:
        """Give the module that sends a client's logs; a page of any other server may load it."""
        text = (files("trunkline.web") / "client-logs.mjs").read_bytes()
        return Response(text, media_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:  # noqa: ARG002 - the same for all
        """Say in plain words what is wrong."""
        headers = retry_header(error)
        if "allowed" in error.facts:
            headers["Allow"] = ", ".join(error.facts["allowed"])
        return PlainTextResponse(error.message, status_of(error), headers)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add what keeps a page safe."""
        headers = response.headers
        headers["MS-CV"] = exchange.ms_cv
        headers.setdefault("Content-Security-Policy", self._policy)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cache-Control"] = "no-cache"


def style_digest(text: str) -> str:
    """Return the digest by which the policy admits the page's own style, and no other."""
    style = text.partition("<style>")[2].partition("</style>")[0]
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
