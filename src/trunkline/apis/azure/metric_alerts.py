"""Metric alerts: alert rules of communication resources under their resource group."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.azure.alert_forms import TYPE, AlertForm, render, rule_of
from trunkline.apis.azure.auth import Callers
from trunkline.apis.azure.metrics import Metrics
from trunkline.apis.azure.spans import moment_text
from trunkline.catalogue.azure.ids import resource_id
from trunkline.errors import InvalidError, NotFoundError, UnservedError
from trunkline.insight.alerts import AlertRule, AlertRules
from trunkline.insight.incidents import ALERT, Incidents
from trunkline.services.resources import Resources


class MetricAlertHandlers:
    """The operations of metric alerts; a rule stands in the group of the one resource that it is about."""

    def __init__(
        self, metrics: Metrics, rules: AlertRules, incidents: Incidents, resources: Resources, callers: Callers
    ) -> None:
        self._metrics = metrics
        self._rules = rules
        self._incidents = incidents
        self._resources = resources
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "MetricAlerts_CreateOrUpdate": self.create_or_update,
            "MetricAlerts_Get": self.get,
            "MetricAlerts_Delete": self.delete,
            "MetricAlerts_ListByResourceGroup": self.list_rules,
            "MetricAlerts_ListBySubscription": self.list_rules,
            "MetricAlertsStatus_List": self.list_status,
        }

    async def create_or_update(self, exchange: Exchange) -> Response:
        """Make a rule, or replace the one of that name; with another scope it moves to that resource."""
        seen = {one.name for one in self._callers.seen(exchange)}
        body = exchange.json(AlertForm)
        if len(body.properties.scopes) != 1:
            raise UnservedError("An alert rule here has one scope: one communication resource.")
        resource = self._callers.resource_of(exchange, body.properties.scopes[0])
        if resource.name not in seen:
            raise InvalidError("The scope is a resource of the path's subscription and group.", target="scopes")
        exchange.resource = resource
        rule = rule_of(body, exchange.params["rule"], resource.name, self._metrics)
        made, _ = await self._rules.put(rule)
        for one in await self._named(exchange):
            if one.resource != resource.name:
                await self._rules.remove(one.resource, one.name)
        return json_response(self._shown(made))

    async def get(self, exchange: Exchange) -> Response:
        """Return one rule."""
        return json_response(self._shown(await self._one(exchange)))

    async def delete(self, exchange: Exchange) -> Response:
        """Delete a rule; 204 when there was none."""
        found = await self._named(exchange)
        for one in found:
            await self._rules.remove(one.resource, one.name)
        return Response(status_code=200 if found else 204)

    async def list_rules(self, exchange: Exchange) -> Response:
        """List the rules of the group or the subscription that the caller sees."""
        return json_response({"value": [self._shown(one) for one in await self._seen(exchange)]})

    async def list_status(self, exchange: Exchange) -> Response:
        """Tell whether a rule is met: Unhealthy while its incident is open."""
        rule = await self._one(exchange)
        those = await self._incidents.since(exchange.at, [rule.resource])
        is_met = any(
            one.kind == ALERT and one.closed_at is None and one.rule.lower() == rule.name.lower() for one in those
        )
        status = {
            "name": "0",
            "id": f"{self._id(rule)}/status/0",
            "type": f"{TYPE}/status",
            "properties": {
                "dimensions": {},
                "status": "Unhealthy" if is_met else "Healthy",
                "timestamp": moment_text(exchange.at),
            },
        }
        return json_response({"value": [status]})

    # --- inside ---

    async def _seen(self, exchange: Exchange) -> list[AlertRule]:
        """List the rules of the path's subscription, and group if it names one, that the caller sees."""
        seen = {one.name for one in self._callers.seen(exchange)}
        return [one for one in await self._rules.all() if one.resource in seen]

    async def _named(self, exchange: Exchange) -> list[AlertRule]:
        wanted = exchange.params["rule"].lower()
        return [one for one in await self._seen(exchange) if one.name.lower() == wanted]

    async def _one(self, exchange: Exchange) -> AlertRule:
        """Return the rule that the path names; raises NotFoundError."""
        found = await self._named(exchange)
        if not found:
            raise NotFoundError(
                f"The Resource '{TYPE}/{exchange.params['rule'][:60]}' under resource group "
                f"'{exchange.params['group'][:60]}' was not found."
            )
        return found[0]

    def _shown(self, rule: AlertRule) -> dict[str, Any]:
        resource = self._resources.get(rule.resource)
        scope = resource_id(resource.subscription_id, resource.resource_group, resource.name)
        return render(rule, scope, self._id(rule))

    def _id(self, rule: AlertRule) -> str:
        resource = self._resources.get(rule.resource)
        group = f"/subscriptions/{resource.subscription_id}/resourceGroups/{resource.resource_group}"
        return f"{group}/providers/{TYPE}/{rule.name}"
