"""Call metrics: the readings of a call's media at an edge, page by page, also while the call runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.blocks import Shape, moment
from trunkline.apis.twilio.calls import Calls, Leg
from trunkline.apis.twilio.edges import conditions, wanted_edge
from trunkline.apis.twilio.errors import bad
from trunkline.apis.twilio.pages import paged, read_paging
from trunkline.apis.twilio.totals import SCORED, score_of
from trunkline.catalogue.twilio.words import turned, words
from trunkline.telemetry.questions import Condition, Either, Rows

SDK, _UNKNOWN = "sdk", "unknown"
_KNOWN = ("edge", "direction", "extra")


class MetricHandlers:
    """The operation of call metrics."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        found = words()
        self._edges = turned(found.edges)
        gateway = found.metric["gateway"]
        self._gateways = {stream: Shape(gateway, found.metric.get(stream, {})) for stream in found.streams.values()}
        self._sdk = Shape(found.metric[SDK], found.sensor)
        shapes = (*self._gateways.values(), self._sdk)
        self._columns = tuple(sorted({*_KNOWN, *SCORED}.union(*(shape.columns for shape in shapes))))
        self._blank = dict.fromkeys(name for name, known in found.edges.items() if known != "unknown")

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListMetric": self.list}

    async def list(self, exchange: Exchange) -> Response:
        """List a page of readings, the oldest first."""
        paging = read_paging(exchange)
        edge, streams = wanted_edge(exchange), _streams(exchange)
        leg = await self._calls.of(exchange, "direction")

        def question(leg: Leg) -> Rows:
            return paging.question("samples", (*conditions(leg, edge), *streams), self._columns)

        rows = await self._calls.rows(leg, question)
        return json_response(paged(exchange, paging, "metrics", [self._shown(leg, row) for row in rows]))

    def _shown(self, leg: Leg, row: Mapping[str, Any]) -> dict[str, Any]:
        edge = row["edge"]
        shown = {
            "timestamp": moment(row["happened_at"]),
            "call_sid": leg.sid,
            "account_sid": leg.account.sid,
            "edge": self._edges[edge],
            "direction": "both" if edge == SDK and row["direction"] == _UNKNOWN else row["direction"],
            **self._blank,
        }
        if edge == SDK:
            block = self._sdk.fill(row)
            _score(block, row)
            shown[self._edges[edge]] = block
        elif edge != _UNKNOWN:
            shown[self._edges[edge]] = self._gateways[row["direction"]].fill(row)
        return shown


def _score(block: dict[str, Any], row: Mapping[str, Any]) -> None:
    """Work out the opinion score that a reading of an application lacks."""
    score = score_of(row) if row["mos"] is None else None
    if score is not None:
        block.setdefault("interval", {})["mos"] = {"value": score}


def _streams(exchange: Exchange) -> tuple[Condition | Either, ...]:
    """Read which direction is asked for, as it is shown; raises InvalidError."""
    text = exchange.query.get("direction")
    if text is None:
        return ()
    stream = words().streams.get(text)
    if stream is None:
        raise bad("Direction", f"it is one of {', '.join(words().streams)}.")
    named = Condition(column="direction", values=(stream,))
    if stream == "both":
        nameless = Condition(column="direction", values=(_UNKNOWN,))
        return (Either(of=((named,), (nameless, Condition(column="edge", values=(SDK,))))),)
    return (named, Condition(column="edge", values=(SDK,), op="is not")) if stream == _UNKNOWN else (named,)
