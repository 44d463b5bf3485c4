"""Questions over what was measured: the neutral questions as JSON, answered as JSON or as tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline import asked, tabled
from trunkline.apis.trunkline.asked import MOST_ROWS, MOST_SKIPPED, AskRequest, RowsRequest
from trunkline.clock import rfc3339
from trunkline.errors import InvalidError
from trunkline.telemetry.questions import Condition
from trunkline.telemetry.recorder import Recorder


class AskHandlers:
    """The operations that answer questions; who is confined to a resource sees that one and those below it only."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"Ask": self.ask, "ListFacts": self.rows}

    async def ask(self, exchange: Exchange) -> Response:
        """Answer a question; what is cut by the limit says so."""
        body = exchange.json(AskRequest)
        wanted = asked.series(body, exchange.at, _seen(exchange))
        question = wanted.question
        if body.explain:
            return json_response(asked.explained(self._recorder, wanted))
        form = tabled.form_of(body.format, exchange.headers.get("accept", ""))
        if form != "json":
            return tabled.response(form, await tabled.points(self._recorder, wanted))
        points = await self._recorder.ask(question)
        answer: dict[str, Any] = {
            "start": rfc3339(question.start, 6),
            "end": rfc3339(question.end, 6),
            "measures": wanted.measures,
            "by": wanted.by,
            "points": [
                {"at": rfc3339(point.at), "split": point.split, "values": point.values}
                | ({"others": True} if point.others else {})
                for point in points[: body.limit]
            ],
        }
        return json_response(answer | ({"cut": True} if len(points) > body.limit else {}))

    async def rows(self, exchange: Exchange) -> Response:
        """List facts in order of time, a page at a time; `next_skip` stands in an answer that is not the last."""
        body = exchange.json(RowsRequest)
        if body.limit > MOST_ROWS:
            raise InvalidError(f"limit is from 1 to {MOST_ROWS}, skip from 0 to {MOST_SKIPPED}.", target="limit")
        question = asked.rows(body, exchange.at, _seen(exchange))
        form = tabled.form_of(body.format, exchange.headers.get("accept", ""))
        if form != "json":
            return tabled.response(form, await tabled.facts(self._recorder, question))
        found = await self._recorder.rows(question)
        answer: dict[str, Any] = {"fact": body.fact, "rows": [shown(row) for row in found[: body.limit]]}
        return json_response(answer | ({"next_skip": body.skip + body.limit} if len(found) > body.limit else {}))


def _seen(exchange: Exchange) -> tuple[Condition, ...]:
    """Return the condition that confines a caller to one resource and those below it."""
    if exchange.principal.resource:
        return (Condition(column="resource", values=exchange.principal.family),)
    return ()


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a fact as JSON shows it: without what is not known."""
    return {
        name: rfc3339(value, 6) if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None and value not in ("", {})
    }
