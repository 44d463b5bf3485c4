"""The catalogue's tables, given back and searched."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.catalogue.rows import Catalogue
from trunkline.catalogue.search import tables


class CatalogueHandlers:
    """The catalogue's operation."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"GetCatalogue": self.get}

    async def get(self, exchange: Exchange) -> Response:
        """Give the tables, or the rows in which every word of `q` stands."""
        return json_response(tables(self._catalogue, exchange.query.get("q", "")))
