"""The support bundle of an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from trunkline.api.door import Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.errors import InvalidError, OverloadedError
from trunkline.insight.bundle import LONGEST_USE_CASE, Bundles, Wish
from trunkline.insight.story import LONGEST

MEDIA_TYPE = "application/zip"
PARTS = ("texts", "numbers")
MOST_AT_ONCE = 2
"""To search and pack a bundle takes a processor as long as it is made."""


class _Archive(StreamingResponse):
    """An archive on its way; `ended` is called when it is there, or its reader has gone."""

    def __init__(self, pieces: Iterator[bytes], headers: Mapping[str, str], ended: Callable[[], None]) -> None:
        super().__init__(pieces, headers=headers, media_type=MEDIA_TYPE)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


class BundleHandlers:
    """The operation that makes a bundle; who is confined to an account gets that one's and those' below it only."""

    def __init__(self, bundles: Bundles, callers: Callers) -> None:
        self._bundles = bundles
        self._callers = callers
        self._making = 0

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"GetBundle": self.get}

    async def get(self, exchange: Exchange) -> Response:
        """Give an archive, as it is made; the settings stand in it for those who may see the whole server."""
        query = exchange.query
        wanted, use_case = query.get("q", "").strip(), query.get("use_case", "")
        if not wanted or len(wanted) > LONGEST or "\0" in wanted:
            raise InvalidError(f"q is the id that it is about, of at most {LONGEST} characters.", target="q")
        if len(use_case) > LONGEST_USE_CASE:
            raise InvalidError(f"A use case has at most {LONGEST_USE_CASE} characters.", target="use_case")
        without = {part.strip() for part in query.get("without", "").split(",")} - {""}
        if without - {*PARTS}:
            raise InvalidError(f"A bundle can be made without {' and '.join(PARTS)}.", target="without")
        named = query.get("account", "")
        confined = exchange.principal.family if exchange.principal.resource else ()
        wish = Wish(
            id=wanted,
            family=self._callers.family_of(exchange, named) if named else confined,
            use_case=use_case,
            with_settings=not exchange.principal.resource,
            without_texts="texts" in without,
            without_numbers="numbers" in without,
        )
        if self._making >= MOST_AT_ONCE:
            raise OverloadedError(f"{MOST_AT_ONCE} bundles are being made.", retry_after_s=5)
        self._making += 1
        try:
            pieces = await self._bundles.make(wish)
        except BaseException:
            self._end()
            raise
        headers = {"Content-Disposition": 'attachment; filename="trunkline-bundle.zip"'}
        return _Archive(pieces, headers, self._end)

    def _end(self) -> None:
        self._making -= 1
