"""Calls: found by their SIDs, and whose they are. One leg is one call here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.auth import Callers
from trunkline.apis.twilio.errors import bad, no_access, not_found
from trunkline.catalogue.twilio.sids import call_sid, derived, is_call
from trunkline.catalogue.twilio.words import words
from trunkline.services.resources import Resource
from trunkline.telemetry.questions import Rows
from trunkline.telemetry.recorder import Recorder

EVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_MOST_LEGS = 100
_LONGEST = 200


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it is shown: its fact, SID, account, and the ids that its readings and events may bear."""

    row: Mapping[str, Any]
    sid: str
    account: Resource
    ids: tuple[str, ...]

    def word(self, kind: str) -> str | None:
        """Return Twilio's word of a kind for the call, such as its type or state."""
        return words().word(kind, self.row)

    @property
    def usual_edge(self) -> str:
        """The edge that is shown unless another one is asked for."""
        usual = words().usual_edges[self.word("call_type") or "carrier"]
        return usual.inbound if usual.inbound and self.row["direction"] == "inbound" else usual.edge


class Calls:
    """Finds calls that the caller may see."""

    def __init__(self, recorder: Recorder, callers: Callers) -> None:
        self._recorder = recorder
        self._callers = callers

    async def of(self, exchange: Exchange) -> Leg:
        """Return the call that the path names: by its SID, or beyond the original by the id that it was posted with.

        Raises InvalidError for what can be no SID, NotFoundError, ForbiddenError for another account's call.
        """
        wanted = exchange.params["sid"]
        legs = await self.legs(wanted) if 0 < len(wanted) <= _LONGEST else []
        family = self._callers.family(exchange)
        for name in family:
            for leg in legs:
                if leg["resource"] == name and _is_named(leg, wanted):
                    return self.shown(leg, legs)
        if not is_call(wanted):
            raise bad("CallSid", "it is CA and 32 hexadecimal digits.")
        if any(_is_named(leg, wanted) for leg in legs):
            raise no_access("the call is another account's, which is not below yours.")
        raise not_found(exchange.raw_path)

    async def legs(self, wanted: str) -> list[dict[str, Any]]:
        """Return the legs of every account that bear an id, and the other legs of their calls."""
        start, end = EVER
        ids = [wanted[2:].lower(), wanted] if is_call(wanted) else [wanted]
        for one in ids:
            found = await self._recorder.rows(Rows(fact="calls", start=start, end=end, id=one, limit=_MOST_LEGS))
            if any(_is_named(leg, wanted) for leg in found):
                return found
        return []

    def shown(self, leg: Mapping[str, Any], legs: Sequence[Mapping[str, Any]]) -> Leg:
        """Return a leg as a call; `legs` are those of the same call."""
        others = {
            one
            for other in legs
            if other["resource"] == leg["resource"] and other["leg_id"] != leg["leg_id"]
            for one in (other["leg_id"], *other["foreign_ids"].values())
        }
        # what only says which call it belongs to is shown at each leg, but for what is another leg's own
        ids = {leg["leg_id"], *leg["foreign_ids"].values(), *({leg["call_id"]} - others)} - {""}
        return Leg(row=leg, sid=sid_of(leg), account=self._callers.account(leg["resource"]), ids=tuple(sorted(ids)))


def sid_of(leg: Mapping[str, Any]) -> str:
    """Return the SID of a leg."""
    return call_sid(leg["leg_id"], leg["foreign_ids"].values())


def _is_named(leg: Mapping[str, Any], wanted: str) -> bool:
    return wanted in {leg["leg_id"], *leg["foreign_ids"].values()} or wanted.lower() == derived(leg["leg_id"]).lower()
