"""Search: what an id is, and its story."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.ask import shown
from trunkline.apis.trunkline.auth import Callers
from trunkline.catalogue.rows import IdForm
from trunkline.catalogue.search import forms
from trunkline.clock import rfc3339
from trunkline.errors import InvalidError
from trunkline.insight.sentences import Entry
from trunkline.insight.story import LONGEST, Stories


class SearchHandlers:
    """The operation that searches; who is confined to an account finds that one's and those below it only."""

    def __init__(self, stories: Stories, callers: Callers, ids: Mapping[str, IdForm]) -> None:
        self._stories = stories
        self._callers = callers
        self._ids = ids

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"Search": self.search}

    async def search(self, exchange: Exchange) -> Response:
        """Tell what an id is, what it may be where that is not known, and the story, the oldest first."""
        wanted = exchange.query.get("q", "").strip()
        if not wanted or len(wanted) > LONGEST or "\0" in wanted:
            raise InvalidError(f"q is the id to search for, of at most {LONGEST} characters.", target="q")
        named = exchange.query.get("account", "")
        confined = exchange.principal.family if exchange.principal.resource else ()
        family = self._callers.family_of(exchange, named) if named else confined
        story = await self._stories.of(wanted, family)
        may_be = [] if story.meanings else forms(self._ids, wanted)
        answer: dict[str, Any] = {
            "q": wanted,
            "found": [msgspec.structs.asdict(meaning) for meaning in story.meanings],
            "may_be": [{"kind": form.name, "what": form.may_be, "where": form.where} for form in may_be],
            "ids": story.ids,
            "story": [_entry(entry) for entry in story.entries],
        }
        return json_response(answer | ({"cut": True} if story.is_cut else {}))


def _entry(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {
        "at": rfc3339(entry.at, 6),
        "level": entry.level,
        "text": entry.text,
        "account": entry.account,
    }
    if entry.advice:
        told["advice"] = entry.advice
    if entry.fact:
        told["fact"] = entry.fact
    if entry.row:
        told["row"] = shown(dict(entry.row))
    return told
