"""Questions over what was measured: the neutral question as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.clock import rfc3339
from trunkline.errors import InvalidError
from trunkline.telemetry.questions import Condition, Series
from trunkline.telemetry.recorder import Recorder

MOST_STEPS = 10_000
MOST_NAMES = 20
USUAL_SPAN = timedelta(hours=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class AskRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: measures over [start, end), which is the last hour unless given; see `Series`."""

    measures: tuple[str, ...]
    start: datetime | None = None
    end: datetime | None = None
    step_s: int | None = None
    by: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()


class AskHandlers:
    """The operation that answers questions."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"Ask": self.ask}

    async def ask(self, exchange: Exchange) -> Response:
        """Answer a question; who is confined to a resource sees that one only."""
        body = exchange.json(AskRequest)
        end = _utc(body.end, "end") or exchange.at + timedelta(microseconds=1)
        start = _utc(body.start, "start") or max(end, _EARLIEST + USUAL_SPAN) - USUAL_SPAN
        _check(body, end - start)
        where = body.where
        if exchange.principal.resource:
            where = (*where, Condition(column="resource", values=(exchange.principal.resource,)))
        points = await self._recorder.ask(
            Series(measures=body.measures, start=start, end=end, step_s=body.step_s, by=body.by, where=where)
        )
        answer: dict[str, Any] = {
            "start": rfc3339(start, 6),
            "end": rfc3339(end, 6),
            "measures": body.measures,
            "by": body.by,
            "points": [{"at": rfc3339(point.at), "split": point.split, "values": point.values} for point in points],
        }
        return json_response(answer)


def _check(body: AskRequest, span: timedelta) -> None:
    if span <= timedelta():
        raise InvalidError("The end must be after the start.", target="end")
    if len(body.measures) > MOST_NAMES or len(body.by) > MOST_NAMES or len(body.where) > MOST_NAMES:
        raise InvalidError(f"At most {MOST_NAMES} measures, columns and conditions are taken.", target="measures")
    if body.step_s is not None and not 0 < body.step_s <= span.total_seconds() * 2:
        raise InvalidError("step_s is a number of seconds within the span.", target="step_s")
    if body.step_s is not None and span.total_seconds() / body.step_s > MOST_STEPS:
        raise InvalidError(f"The span has more than {MOST_STEPS} steps; ask for longer ones.", target="step_s")


def _utc(moment: datetime | None, name: str) -> datetime | None:
    """Return a moment in UTC, which it is when it names no zone; raises InvalidError beyond the calendar's ends."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidError(f"{name} must be a moment of the years 1 to 9999.", target=name) from error
