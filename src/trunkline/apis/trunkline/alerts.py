"""Alert rules by Trunkline's own API: made, listed, removed."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers, check_unconfined
from trunkline.clock import rfc3339
from trunkline.insight.alerts import AlertRule, AlertRules, Criterion, When
from trunkline.telemetry.questions import Condition


class CriterionRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What must be so: a measure, or its share `of` another, is above (…) a value, or absent; see `Criterion`."""

    measure: str
    when: When
    value: Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)] = 0.0
    of: str = ""
    where: tuple[Condition, ...] = ()


class AlertRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: criteria that must all hold over a window; see `AlertRule`."""

    criteria: tuple[CriterionRequest, ...]
    window_minutes: int = 5
    every_minutes: int = 1
    description: str = ""
    severity: int = 3
    enabled: bool = True
    everywhere: bool = False


class AlertHandlers:
    """The operations of alert rules; each is about the caller's account, or the one `account` names."""

    def __init__(self, rules: AlertRules, callers: Callers) -> None:
        self._rules = rules
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListAlerts": self.list, "PutAlert": self.put, "GetAlert": self.get, "DeleteAlert": self.delete}

    async def list(self, exchange: Exchange) -> Response:
        """List the rules of the accounts that the caller sees; those of one account if one is named."""
        name = exchange.query.get("account", "")
        wanted = self._callers.resource_of(exchange, name).name if name else ""
        found = [
            _shown(one)
            for one in await self._rules.all()
            if wanted in {"", one.resource} and exchange.principal.covers(one.resource)
        ]
        return json_response({"alerts": found})

    async def put(self, exchange: Exchange) -> Response:
        """Make a rule, or replace the one of that name: 201 or 200."""
        body = exchange.json(AlertRequest)
        if body.everywhere:
            check_unconfined(exchange)
        given: dict[str, Any] = msgspec.structs.asdict(body)
        given["criteria"] = tuple(Criterion(**msgspec.structs.asdict(one)) for one in body.criteria)
        rule = AlertRule(name=exchange.params["name"], resource=self._resource(exchange), **given)
        made, is_new = await self._rules.put(rule)
        return json_response(_shown(made), 201 if is_new else 200)

    async def get(self, exchange: Exchange) -> Response:
        """Return one rule."""
        return json_response(_shown(await self._rules.get(self._resource(exchange), exchange.params["name"])))

    async def delete(self, exchange: Exchange) -> Response:
        """Remove one rule."""
        await self._rules.remove(self._resource(exchange), exchange.params["name"])
        return Response(status_code=204)

    def _resource(self, exchange: Exchange) -> str:
        return self._callers.resource_of(exchange, exchange.query.get("account", "")).name


def _shown(one: AlertRule) -> dict[str, Any]:
    return {
        "name": one.name,
        "account": one.resource,
        "meaning": str(one),
        "criteria": [
            {
                "measure": each.measure,
                "when": each.when,
                "value": each.value,
                "of": each.of,
                "where": msgspec.to_builtins(each.where),
            }
            for each in one.criteria
        ],
        "window_minutes": one.window_minutes,
        "every_minutes": one.every_minutes,
        "description": one.description,
        "severity": one.severity,
        "enabled": one.enabled,
        "everywhere": one.everywhere,
        "changed_at": rfc3339(one.changed_at) if one.changed_at else None,
    }
