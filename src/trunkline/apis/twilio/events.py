"""Call events: what happened within a call, page by page, also while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.blocks import Shape, moment
from trunkline.apis.twilio.calls import Calls, Leg
from trunkline.apis.twilio.edges import conditions, wanted_edge
from trunkline.apis.twilio.pages import paged, read_paging
from trunkline.catalogue.twilio.words import turned, words
from trunkline.telemetry.questions import Rows

_SDK, _UNKNOWN = "sdk", "unknown"
_WITH_EDGE = ("carrier_edge", "sip_edge", "sdk_edge", "client_edge")


class EventHandlers:
    """The operation of call events."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        found = words()
        self._edges, self._levels, self._groups = map(turned, (found.edges, found.levels, found.event_groups))
        self._edgeless = turned(found.edgeless)
        self._gateway, self._sdk = Shape(found.event["gateway"]), Shape(found.event[_SDK], found.sensor)

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListEvent": self.list}

    async def list(self, exchange: Exchange) -> Response:
        """List a page of events, the oldest first; those of no edge stand beside those of the usual one."""
        paging, edge = read_paging(exchange), wanted_edge(exchange)
        leg = await self._calls.of(exchange, "direction")

        def question(leg: Leg) -> Rows:
            return paging.question("call_events", conditions(leg, edge, _UNKNOWN))

        rows = await self._calls.rows(leg, question)
        return json_response(paged(exchange, paging, "events", [self._shown(leg, row) for row in rows]))

    def _shown(self, leg: Leg, row: Mapping[str, Any]) -> dict[str, Any]:
        edge, topic, level = row["edge"], row["topic"], row["level"]
        shown: dict[str, Any] = {
            "timestamp": moment(row["happened_at"]),
            "call_sid": leg.sid,
            "account_sid": leg.account.sid,
            "edge": self._edges[edge],
            "group": self._groups.get(topic) or _dashed(topic),
            "level": self._levels.get(level, "UNKNOWN"),
            "name": _dashed(row["name"]),
            **dict.fromkeys(_WITH_EDGE),
        }
        if topic in self._edgeless:
            shown |= {"name": row["name"].replace(" ", "_"), "edge": None}
            return shown if level == "error" else {**shown, "level": None}
        if edge == _SDK:
            shown[self._edges[edge]] = self._sdk.fill(row)
        elif edge != _UNKNOWN:
            shown[self._edges[edge]] = self._gateway.fill(row)
        return shown


def _dashed(text: str) -> str | None:
    return text.replace(" ", "-") or None
