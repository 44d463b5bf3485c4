"""The log tables by Trunkline's own API: which there are, and their rows."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.asked import Span, span_of
from trunkline.apis.trunkline.auth import Callers
from trunkline.catalogue.log_tables import MOST_ROWS, LogTable
from trunkline.insight.logs.reader import LogQuestion, LogReader
from trunkline.insight.logs.values import known_columns

_ASKED = {"since", "until", "limit", "next", "account"}


class LogTableHandlers:
    """The operations of log tables; who is confined to an account sees that one and those below it only."""

    def __init__(self, reader: LogReader, callers: Callers) -> None:
        self._reader = reader
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListLogTables": self.list, "ListLogRows": self.rows}

    async def list(self, exchange: Exchange) -> Response:  # noqa: ARG002 - they are the same for everybody
        """List the tables with their columns."""
        return json_response({"tables": [_shown(one) for one in self._reader.known.tables.values()]})

    async def rows(self, exchange: Exchange) -> Response:
        """List rows of a table, the oldest first; every other word of the query names a column and what it is."""
        table = self._reader.known.named(exchange.params["table"])
        query = exchange.query
        start, end = span_of(Span(since=query.get("since", ""), until=query.get("until", "")), exchange.at)
        named = query.get("account", "")
        confined = exchange.principal.family if exchange.principal.resource else ()
        question = LogQuestion(
            table=table,
            start=start,
            end=end,
            accounts=self._callers.family_of(exchange, named) if named else confined,
            where={name: value for name, value in query.items() if name not in _ASKED},
            limit=exchange.number("limit", default=100, least=1, most=MOST_ROWS),
            next=query.get("next", ""),
        )
        page = await self._reader.page(question)
        answer: dict[str, Any] = {"table": table.name, "rows": [one.columns for one in page.entries]}
        return json_response(answer | ({"next": page.next} if page.next else {}))


def _shown(one: LogTable) -> dict[str, Any]:
    known = {*known_columns(one)}
    return {
        "name": one.name,
        "category": one.category,
        "brief": one.brief,
        "columns": [
            {"name": name, "type": column.type, "known": name in known} for name, column in one.columns.items()
        ],
    }
