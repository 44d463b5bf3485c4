"""Health, signed in: how each service is, what was wrong, and what is announced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers, check_unconfined
from trunkline.clock import parse_rfc3339, rfc3339
from trunkline.errors import InvalidError
from trunkline.insight.incidents import Incident, Incidents
from trunkline.insight.standing import Standing, Standings
from trunkline.services.notices import KINDS, LONGEST_TEXT, Notice, Notices

MOST_DAYS = 3660
USUAL_DAYS = 90


class NoticeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: what is announced of a service ("" is all), `from` when (now) and `until` when (further notice)."""

    kind: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(KINDS)})]
    text: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": LONGEST_TEXT})]
    service: str = ""
    begins: str = msgspec.field(default="", name="from")
    until: str = ""


class HealthView:
    """The operations of health; who is confined to an account sees that one, those below it, and the whole server."""

    def __init__(self, standings: Standings, incidents: Incidents, notices: Notices, callers: Callers) -> None:
        self._standings = standings
        self._incidents = incidents
        self._notices = notices
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "GetServiceHealth": self.get,
            "ListIncidents": self.list_incidents,
            "GetIncident": self.get_incident,
            "CreateNotice": self.create_notice,
            "ListNotices": self.list_notices,
            "EndNotice": self.end_notice,
        }

    async def get(self, exchange: Exchange) -> Response:
        """Tell how things stand now."""
        found = await self._standings.now(self._seen(exchange))
        return json_response(
            {
                "at": rfc3339(found.at),
                "services": [_standing(one) for one in found.services],
                "accounts": [{"account": one.resource, **_standing(one)} for one in found.resources],
                "incidents": [shown(one) for one in found.incidents],
                "notices": [shown_notice(one, found.at) for one in found.notices],
            }
        )

    async def list_incidents(self, exchange: Exchange) -> Response:
        """List the incidents of the last days, the newest first."""
        found = await self._incidents.since(_since(exchange), self._seen(exchange))
        return json_response({"incidents": [shown(one) for one in found]})

    async def get_incident(self, exchange: Exchange) -> Response:
        """Get one incident."""
        return json_response(shown(await self._incidents.get(exchange.params["id"], self._seen(exchange))))

    async def create_notice(self, exchange: Exchange) -> Response:
        """Announce something; it concerns everybody, so that who is confined to an account cannot."""
        check_unconfined(exchange)
        body = exchange.json(NoticeRequest)
        made = await self._notices.add(
            body.kind,
            body.text,
            service=body.service,
            begins_at=_moment(body.begins, "from"),
            ends_at=_moment(body.until, "until"),
        )
        return json_response(shown_notice(made, made.made_at), 201)

    async def list_notices(self, exchange: Exchange) -> Response:
        """List the notices of the last days and those to come."""
        found = await self._notices.since(_since(exchange))
        return json_response({"notices": [shown_notice(one, exchange.at) for one in found]})

    async def end_notice(self, exchange: Exchange) -> Response:
        """Declare a notice over."""
        check_unconfined(exchange)
        ended = await self._notices.end(exchange.params["id"])
        return json_response(shown_notice(ended, ended.ended_at or exchange.at))

    def _seen(self, exchange: Exchange) -> Sequence[str] | None:
        """Return the resources that a caller sees, None for all; of one account if one is named."""
        name = exchange.query.get("account", "")
        if name:
            return (self._callers.resource_of(exchange, name).name,)
        return exchange.principal.family if exchange.principal.resource else None


def shown(one: Incident) -> dict[str, Any]:
    """Return an incident as JSON shows it."""
    return {
        "id": one.id,
        "kind": one.kind,
        "rule": one.rule,
        "service": one.service,
        "account": one.resource,
        "within": one.within,
        "title": one.title,
        "level": one.level,
        "state": "open" if one.closed_at is None else "closed",
        "began_at": rfc3339(one.began_at),
        "opened_at": rfc3339(one.opened_at),
        "last_at": rfc3339(one.last_at),
        "closed_at": rfc3339(one.closed_at) if one.closed_at else None,
        "value": one.value,
        "peak": one.peak,
        "threshold": one.threshold,
        "share": one.share,
        "requests": one.requests,
        "failures": one.failures,
        "samples": one.samples,
        "question": one.question,
    }


def shown_notice(one: Notice, now: datetime) -> dict[str, Any]:
    """Return a notice as JSON shows it."""
    return {
        "id": one.id,
        "kind": one.kind,
        "service": one.service,
        "text": one.text,
        "state": one.state(now),
        "from": rfc3339(one.begins_at),
        "until": rfc3339(one.ends_at) if one.ends_at else None,
        "ended_at": rfc3339(one.ended_at) if one.ended_at else None,
    }


def _standing(one: Standing) -> dict[str, Any]:
    return {
        "service": one.service,
        "title": one.title,
        "state": one.state,
        "requests": one.requests,
        "failures": one.failures,
        "share": one.share,
    }


def _since(exchange: Exchange) -> datetime:
    return exchange.at - timedelta(days=exchange.number("days", default=USUAL_DAYS, least=1, most=MOST_DAYS))


def _moment(text: str, name: str) -> datetime | None:
    """Read a moment; raises InvalidError."""
    try:
        return parse_rfc3339(text.upper()) if text.strip() else None
    except ValueError as error:
        raise InvalidError(f"{name} is an RFC 3339 moment, such as 2026-12-01T22:00Z.", target=name) from error
