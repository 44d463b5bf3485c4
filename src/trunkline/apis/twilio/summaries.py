"""Call summaries: of one call, and of those that filters choose, newest first, page by page."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.auth import Callers
from trunkline.apis.twilio.calls import Calls, Leg
from trunkline.apis.twilio.errors import NOT_COMPLETE, bad, bad_query
from trunkline.apis.twilio.forms import account_sid
from trunkline.apis.twilio.pages import paged, read_paging
from trunkline.apis.twilio.summary import COMPLETE, Summaries
from trunkline.apis.twilio.summary_query import Wanted, read_query
from trunkline.apis.twilio.totals import Summing
from trunkline.catalogue.twilio.words import words
from trunkline.clock import EPOCH, from_microseconds, microseconds
from trunkline.errors import NotFoundError
from trunkline.services.annotations import Annotations
from trunkline.services.resources import Resource
from trunkline.telemetry.questions import EVER, Condition, Row, Rows
from trunkline.telemetry.recorder import Recorder

_LEGS_AT_ONCE = 2000
_LATER = timedelta(days=1)
"""So much later than it is known by now a call may have seemed to begin when something was said of it."""


class SummaryHandlers:
    """The operations of summaries."""

    def __init__(self, recorder: Recorder, calls: Calls, callers: Callers, annotations: Annotations) -> None:
        self._recorder = recorder
        self._calls = calls
        self._callers = callers
        self._annotations = annotations
        self._summing = Summing(recorder)
        self._summaries = Summaries()

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"FetchSummary": self.fetch, "ListCallSummaries": self.several}

    async def fetch(self, exchange: Exchange) -> Response:
        """Tell one call as a whole; while it runs only to who asks for what there is."""
        wanted = exchange.query.get("processingstate", COMPLETE)
        if wanted not in words().cases["processing_state"]:
            raise bad("ProcessingState", f"it is one of {', '.join(words().cases['processing_state'])}.")
        leg = await self._calls.of(exchange)
        if wanted == COMPLETE and leg.word("processing_state") != COMPLETE:
            raise NotFoundError(
                "Completed summary for this call wasn't found: it runs still, or nobody told of its end. "
                "ProcessingState=partial gives what there is.",
                code=NOT_COMPLETE,
            )
        said = await self._annotations.of(leg.account.name, leg.row["leg_id"])
        leg = await self._calls.with_ids(leg)
        (totals,) = await self._summing.of([leg], exchange.at)
        url = f"{exchange.base_url}/v1/Voice/{leg.sid}/Summary"
        return json_response(self._summaries.write(leg, totals, said, url))

    async def several(self, exchange: Exchange) -> Response:
        """List a page of the summaries of the account's calls, or of a subaccount's."""
        paging, wanted = read_paging(exchange), read_query(exchange)
        account = self._account(exchange)
        token = paging.token
        if token.end:  # later pages are about the time that the first one was about, whatever the clock shows by now
            wanted = msgspec.structs.replace(
                wanted, start=from_microseconds(token.start), end=from_microseconds(token.end)
            )
        elif wanted.start > wanted.end:
            raise bad_query("StartTime", "it is before EndTime.")
        rows = await self._chosen(account, wanted, paging.offset, paging.size + 1)
        legs = [self._calls.shown(row) for row in rows]
        token = msgspec.structs.replace(token, start=microseconds(wanted.start), end=microseconds(wanted.end))
        items = await self._written(exchange, account, legs[: paging.size])
        answer = paged(exchange, paging, "call_summaries", [*items, *legs[paging.size :]], token=token)
        return json_response(answer)

    async def _written(self, exchange: Exchange, account: Resource, legs: Sequence[Leg]) -> list[dict[str, Any]]:
        said = await self._annotations.of_several(account.name, [leg.row["leg_id"] for leg in legs])
        url = f"{exchange.base_url}/v1/Voice/Summaries"
        found = await self._summing.of(legs := await self._calls.with_kin(legs), exchange.at)
        return [
            self._summaries.write(leg, totals, said.get(leg.row["leg_id"]), url)
            for leg, totals in zip(legs, found, strict=True)
        ]

    def _account(self, exchange: Exchange) -> Resource:
        sid = exchange.query.get("subaccount")
        if sid is None:
            return exchange.owner
        return self._callers.subaccount(exchange, "Subaccount", account_sid("Subaccount", sid))

    async def _chosen(self, account: Resource, wanted: Wanted, skip: int, many: int) -> list[Row]:
        """Return the calls of a page in their order."""
        question = Rows(
            fact="calls",
            start=wanted.start,
            end=wanted.end,
            where=(Condition(column="resource", values=(account.name,)), *wanted.where),
            newest_first=True,
            order=wanted.order,
            limit=many,
            skip=skip,
        )
        if not wanted.said:
            return await self._recorder.rows(question)
        # what people said is kept elsewhere: of those of whom it was said the best of each part, and the best of these
        latest = wanted.end + min(_LATER, EVER[1] - wanted.end)
        said = await self._annotations.within(account.name, wanted.start, latest)
        legs = [one.leg_id for one in said if all(holds(one) for holds in wanted.said)]
        best: list[Row] = []
        for place in range(0, len(legs), _LEGS_AT_ONCE):
            those = Condition(column="leg_id", values=tuple(legs[place : place + _LEGS_AT_ONCE]))
            part = msgspec.structs.replace(question, where=(*question.where, those), skip=0, limit=skip + many)
            best = heapq.nlargest(skip + many, [*best, *await self._recorder.rows(part)], key=_rank(wanted.order))
        return best[skip:]


def _rank(order: str) -> Callable[[Row], tuple[datetime, str, str]]:
    """Return by what rows are ordered, as the planner does: the moment, then the ids."""
    return lambda row: (row[order] or EPOCH, row["leg_id"], row["call_id"])
