"""What a code or a name means, told by the catalogue."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.catalogue.explaining import explanation
from trunkline.catalogue.rows import Catalogue
from trunkline.errors import InvalidError

LONGEST = 200


class ExplainHandlers:
    """The operation that explains."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"Explain": self.explain}

    async def explain(self, exchange: Exchange) -> Response:
        """Tell what is known of `q`; what nobody knows is answered with what comes near."""
        asked = exchange.query.get("q", "").strip()
        if not asked:
            raise InvalidError("Give the code or the name to be explained, as in ?q=487/540487.", target="q")
        if len(asked) > LONGEST:
            raise InvalidError(f"No code and no name is longer than {LONGEST} characters.", target="q")
        return json_response(explanation(self._catalogue, asked))
