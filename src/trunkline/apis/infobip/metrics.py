"""The operations of the Metrics API: a query is started, looked after, and its result fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.infobip import rendered
from trunkline.apis.infobip.answers import Answers
from trunkline.apis.infobip.query import Query, account_key
from trunkline.apis.infobip.reading import Reading
from trunkline.catalogue.rows import Words
from trunkline.errors import NotFoundError
from trunkline.insight.reports import RUNNING, Report, Reports
from trunkline.services.resources import Resources

KIND = "metrics query"
PATIENCE_S = 20.0
"""How long whoever fetches a result waits for it."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Query).decode
_LONGEST_SHOWN = 64


class QueryAnswerer:
    """Answers the queries that were kept, and writes what is posted to their callbacks."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def answer(self, report: Report) -> bytes:
        """Return the result of a query."""
        return rendered.result(await self._answers.answer(_decode(report.question), report.asked_at))

    def letter(self, report: Report) -> tuple[bytes, Mapping[str, str]]:
        """Return what is posted to the callback."""
        body = rendered.whole(report.id, report.state, report.failure, report.answer)
        return body, {"Content-Type": "application/json; charset=utf-8"}


class MetricsHandlers:
    """The operations; `check_url` raises InvalidError for an address that nothing is sent to."""

    def __init__(self, words: Words, reports: Reports, resources: Resources, check_url: Callable[[str], Any]) -> None:
        self._words = words
        self._reports = reports
        self._resources = resources
        self._check_url = check_url

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "QueryAggregateData": self.query,
            "GetAggregateRequestStatus": self.status,
            "GetAggregateRequestResult": self.result,
        }

    async def query(self, exchange: Exchange) -> Response:
        """Keep a query and begin to answer it."""
        own = exchange.owner.name
        reading = Reading(self._words, self._accounts(exchange), own, self._check_url)
        query, url = reading.read(exchange.body)
        report = await self._reports.ask(KIND, own, _encode(query), url)
        return json_response({"requestId": report.id}, 201)

    async def status(self, exchange: Exchange) -> Response:
        """Tell how far a query is."""
        report = await self._find(exchange, with_answer=False)
        return json_response(rendered.status(report.id, report.state, report.failure))

    async def result(self, exchange: Exchange) -> Response:
        """Give the result of a query, once it is there; 202 and how far it is if that takes long."""
        await self._reports.wait(exchange.params["request_id"].upper(), PATIENCE_S)
        report = await self._find(exchange, with_answer=True)
        if report.state == RUNNING:
            told = rendered.status(report.id, report.state, report.failure)
            return json_response(told, 202, {"Retry-After": "1"})
        form = rendered.form_of(exchange.headers.get("accept", "")) if report.answer else rendered.JSON
        if form == rendered.CSV:
            return Response(await asyncio.to_thread(rendered.sheet, report.answer), media_type=f"{form}; charset=utf-8")
        if form == rendered.ARROW:
            return Response(await asyncio.to_thread(rendered.stream, report.answer), media_type=form)
        body = rendered.whole(report.id, report.state, report.failure, report.answer)
        return Response(body, media_type="application/json; charset=utf-8")

    async def _find(self, exchange: Exchange, *, with_answer: bool) -> Report:
        wanted = exchange.params["request_id"]
        seen = tuple(one.name for one in self._resources.all() if exchange.principal.covers(one.name))
        try:
            return await self._reports.find(KIND, wanted.upper(), resources=seen, with_answer=with_answer)
        except NotFoundError as error:
            raise NotFoundError(f'Request with id "{wanted[:_LONGEST_SHOWN]}" not found', target="requestId") from error

    def _accounts(self, exchange: Exchange) -> dict[str, tuple[str, ...]]:
        """Return the accounts that the caller may ask for, by their keys and names, each with those below it."""
        found = {}
        for one in self._resources.all():
            if exchange.principal.covers(one.name):
                found[account_key(one)] = found[one.name] = self._resources.family(one.name)
        return found
