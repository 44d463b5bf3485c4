"""Questions over what was measured: the neutral questions as JSON, answered as JSON, CSV or Arrow."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline import tabled
from trunkline.clock import parse_rfc3339, rfc3339
from trunkline.errors import InvalidError
from trunkline.telemetry import calendar
from trunkline.telemetry.questions import Calendar, Condition, Rows, Series, Top
from trunkline.telemetry.recorder import Recorder

MOST_STEPS = 10_000
MOST_NAMES = 20
MOST_POINTS = 100_000
MOST_ROWS = 1000
MOST_SKIPPED = 1_000_000
USUAL_SPAN = timedelta(hours=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_AGE = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Span(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every question has: a span, by moments or by words, and conditions. It is the last hour unless given."""

    start: datetime | None = None
    end: datetime | None = None
    since: str = ""
    until: str = ""
    zone: str = "UTC"
    where: tuple[Condition, ...] = ()
    format: Literal["", "json", "csv", "arrow"] = ""


class AskRequest(Span, kw_only=True, forbid_unknown_fields=True):
    """The body: measures over [start, end); see `Series`. `explain` gives how it would be answered instead."""

    measures: tuple[str, ...]
    step_s: int | None = None
    step: Calendar = ""
    by: tuple[str, ...] = ()
    top: Top | None = None
    limit: int = MOST_POINTS
    explain: bool = False


class RowsRequest(Span, kw_only=True, forbid_unknown_fields=True):
    """The body: the facts of a table themselves; see `Rows`."""

    fact: str
    id: str = ""
    newest_first: bool = False
    limit: int = 100
    skip: int = 0


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
        start, end = _span(exchange, body)
        _check(body, start, end)
        question = Series(
            measures=body.measures,
            start=start,
            end=end,
            step_s=body.step_s,
            by=body.by,
            where=_seen(exchange, body.where),
            step=body.step,
            zone=body.zone,
            top=body.top,
            limit=body.limit + 1,
        )
        if body.explain:
            plan = self._recorder.explain(question)
            return json_response({"sql": plan.sql, "bound": [str(value) for value in plan.bound]})
        points = await self._recorder.ask(question)
        is_cut = len(points) > body.limit
        points = points[: body.limit]
        form = tabled.form_of(body.format, exchange.headers.get("accept", ""))
        if form != "json":
            columns = ["at", *body.by, *body.measures]
            rows = [(point.at, *(point.split or ()), *point.values) for point in points]
            return tabled.response(form, columns, rows, texts={*body.by}, is_cut=is_cut)
        answer: dict[str, Any] = {
            "start": rfc3339(start, 6),
            "end": rfc3339(end, 6),
            "measures": body.measures,
            "by": body.by,
            "points": [
                {"at": rfc3339(point.at), "split": point.split, "values": point.values}
                | ({"others": True} if point.others else {})
                for point in points
            ],
        }
        return json_response(answer | ({"cut": True} if is_cut else {}))

    async def rows(self, exchange: Exchange) -> Response:
        """List facts in order of time, a page at a time; `next_skip` stands in an answer that is not the last."""
        body = exchange.json(RowsRequest)
        start, end = _span(exchange, body)
        if not 0 < body.limit <= MOST_ROWS or not 0 <= body.skip <= MOST_SKIPPED:
            raise InvalidError(f"limit is from 1 to {MOST_ROWS}, skip from 0 to {MOST_SKIPPED}.", target="limit")
        _check_names(body.where)
        found = await self._recorder.rows(
            Rows(
                fact=body.fact,
                start=start,
                end=end,
                id=body.id,
                where=_seen(exchange, body.where),
                newest_first=body.newest_first,
                limit=body.limit + 1,
                skip=body.skip,
            )
        )
        is_cut = len(found) > body.limit
        found = found[: body.limit]
        form = tabled.form_of(body.format, exchange.headers.get("accept", ""))
        if form != "json":
            columns = list(found[0]) if found else []
            rows = [tuple(row.values()) for row in found]
            return tabled.response(form, columns, rows, texts=set(), is_cut=is_cut)
        answer: dict[str, Any] = {"fact": body.fact, "rows": [_shown(row) for row in found]}
        return json_response(answer | ({"next_skip": body.skip + body.limit} if is_cut else {}))


def _seen(exchange: Exchange, where: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Add the condition that confines a caller to one resource and those below it."""
    if exchange.principal.resource:
        return (*where, Condition(column="resource", values=exchange.principal.family))
    return where


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a fact as JSON shows it: without what is not known."""
    return {
        name: rfc3339(value, 6) if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None and value not in ("", {})
    }


# --- spans ---


def _span(exchange: Exchange, body: Span) -> tuple[datetime, datetime]:
    """Return the span of a question; raises InvalidError."""
    if (body.since and body.start) or (body.until and body.end):
        raise InvalidError("Give a moment or words, not both.", target="since" if body.since else "until")
    given = _worded(exchange, body.until, body.zone, "until") if body.until else _utc(body.end, "end")
    end = given or exchange.at + timedelta(microseconds=1)
    begun = _worded(exchange, body.since, body.zone, "since") if body.since else _utc(body.start, "start")
    start = begun or max(end, _EARLIEST + USUAL_SPAN) - USUAL_SPAN
    if end <= start:
        raise InvalidError("The end must be after the start.", target="end")
    return start, end


def _worded(exchange: Exchange, text: str, zone: str, name: str) -> datetime:
    """Read a moment in words: an age (15m, 2h, 7d, 2w), now, today, yesterday, or RFC 3339."""
    text = text.strip().lower()
    try:
        if found := _AGE.fullmatch(text):
            return exchange.at - timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
        if text == "now":
            return exchange.at + timedelta(microseconds=1)
        if text in {"today", "yesterday"}:
            place = calendar.zone(zone)
            date = exchange.at.astimezone(place).date() - timedelta(days=text == "yesterday")
            return datetime(date.year, date.month, date.day, tzinfo=place).astimezone(UTC)
        return parse_rfc3339(text.upper())
    except (ValueError, OverflowError) as error:
        raise InvalidError(
            f"{name} is an RFC 3339 moment, an age (15m, 2h, 7d, 2w), now, today or yesterday.", target=name
        ) from error


def _check(body: AskRequest, start: datetime, end: datetime) -> None:
    span_s = (end - start).total_seconds()
    if len(body.measures) > MOST_NAMES or len(body.by) > MOST_NAMES:
        raise InvalidError(f"At most {MOST_NAMES} measures and columns are taken.", target="measures")
    _check_names(body.where)
    if body.step and body.step_s is not None:
        raise InvalidError("Give step or step_s, not both.", target="step")
    if body.step_s is not None and not 0 < body.step_s <= span_s * 2:
        raise InvalidError("step_s is a number of seconds within the span.", target="step_s")
    step_s = calendar.STEPS[body.step].seconds if body.step else body.step_s
    if step_s is not None and span_s / step_s > MOST_STEPS:
        raise InvalidError(f"The span has more than {MOST_STEPS} steps; ask for longer ones.", target="step_s")
    if not 0 < body.limit <= MOST_POINTS:
        raise InvalidError(f"limit is from 1 to {MOST_POINTS}.", target="limit")


def _check_names(where: tuple[Condition, ...]) -> None:
    if len(where) > MOST_NAMES:
        raise InvalidError(f"At most {MOST_NAMES} conditions are taken.", target="where")


def _utc(moment: datetime | None, name: str) -> datetime | None:
    """Return a moment in UTC, which it is when it names no zone; raises InvalidError beyond the calendar's ends."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidError(f"{name} must be a moment of the years 1 to 9999.", target=name) from error
