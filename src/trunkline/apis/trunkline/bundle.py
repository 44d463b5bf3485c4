"""The support bundle of an id."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from trunkline.api.door import Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.errors import InvalidError
from trunkline.insight.bundle import LONGEST_USE_CASE, Bundles, Wish
from trunkline.insight.story import LONGEST

MEDIA_TYPE = "application/zip"
PARTS = ("texts", "numbers")


class BundleHandlers:
    """The operation that makes a bundle; who is confined to an account gets that one's and those' below it only."""

    def __init__(self, bundles: Bundles, callers: Callers) -> None:
        self._bundles = bundles
        self._callers = callers

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
        headers = {"Content-Disposition": 'attachment; filename="trunkline-bundle.zip"'}
        return StreamingResponse(await self._bundles.make(wish), headers=headers, media_type=MEDIA_TYPE)
