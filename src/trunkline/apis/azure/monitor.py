"""Azure Monitor's metrics API: metric values, definitions and namespaces of a resource, and values in batches."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.azure.auth import Callers
from trunkline.apis.azure.metric_answers import MetricAnswers, render
from trunkline.apis.azure.metric_query import Wanted, read_query
from trunkline.apis.azure.metrics import REGION, Metrics, check_namespace, namespace_item
from trunkline.apis.azure.spans import moment_text
from trunkline.catalogue.azure.ids import NAMESPACE
from trunkline.errors import InvalidError
from trunkline.services.resources import Resource

MOST_RESOURCES = 50


class BatchRequest(msgspec.Struct, kw_only=True):
    """The body of a batch: the ids of the resources."""

    resourceids: list[str]


class MonitorHandlers:
    """The operations of Azure Monitor."""

    def __init__(self, metrics: Metrics, answers: MetricAnswers, callers: Callers) -> None:
        self._metrics = metrics
        self._answers = answers
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "Metrics_List": self.list_metrics,
            "MetricDefinitions_List": self.list_definitions,
            "MetricNamespaces_List": self.list_namespaces,
            "Metrics_Batch": self.batch,
        }

    async def list_metrics(self, exchange: Exchange) -> Response:
        """Answer metric values of one resource."""
        wanted = read_query(exchange.query, self._metrics, exchange.at, exchange.request_id)
        resource = _resource(exchange)
        lines = await self._answers.lines(wanted, [resource.name])
        value = await render(
            wanted,
            exchange.params["scope"],
            {metric.name: lines[resource.name, metric.name] for metric in wanted.metrics},
        )
        answer: dict[str, Any] = {"timespan": str(wanted.span), "value": value}
        if not wanted.metadata:
            answer["interval"] = wanted.interval
            answer["cost"] = sum(map(len, lines.values())) * wanted.span.buckets(wanted.grain)
        return json_response({**answer, "namespace": NAMESPACE, "resourceregion": REGION})

    async def list_definitions(self, exchange: Exchange) -> Response:
        """List the metrics, their dimensions and grains."""
        check_namespace(exchange.query.get("metricnamespace", ""))
        scope = exchange.params["scope"]
        return json_response({"value": [metric.definition(scope) for metric in self._metrics.all]})

    async def list_namespaces(self, exchange: Exchange) -> Response:
        """List the one namespace."""
        return json_response({"value": [namespace_item(exchange.params["scope"])]})

    async def batch(self, exchange: Exchange) -> Response:
        """Answer metric values of several resources of one subscription."""
        ids = exchange.json(BatchRequest).resourceids
        resources = self._of_batch(exchange, ids)
        wanted = read_query(exchange.query, self._metrics, exchange.at, exchange.request_id, batch=True)
        lines = await self._answers.lines(wanted, [resource.name for resource in resources])
        found = []
        for resource_id, resource in zip(ids, resources, strict=True):
            own = {metric.name: lines[resource.name, metric.name] for metric in wanted.metrics}
            found.append({**_frame(wanted, resource_id), "value": await render(wanted, resource_id, own)})
        return json_response({"values": found})

    def _of_batch(self, exchange: Exchange, ids: list[str]) -> list[Resource]:
        """Find the resources of a batch. Raises InvalidError, ForbiddenError, NotFoundError."""
        if not 0 < len(ids) <= MOST_RESOURCES:
            raise InvalidError(
                f"resourceids has {len(ids)} ids; from 1 to {MOST_RESOURCES} are taken.", target="resourceids"
            )
        if len({resource_id.strip("/").lower() for resource_id in ids}) < len(ids):
            raise InvalidError("resourceids names a resource twice.", target="resourceids")
        subscription = exchange.params["subscription_id"].lower()
        resources = [self._callers.resource_of(exchange, resource_id) for resource_id in ids]
        if any(resource.subscription_id.lower() != subscription for resource in resources):
            raise InvalidError("All resources must belong to the subscription of the path.", target="resourceids")
        exchange.resource = resources[0]
        return resources


def _frame(wanted: Wanted, resource_id: str) -> dict[str, str]:
    """Return what stands around the metrics of one resource in a batch."""
    frame = {
        "starttime": moment_text(wanted.span.start),
        "endtime": moment_text(wanted.span.end),
        "namespace": NAMESPACE,
        "resourceregion": REGION,
        "resourceid": resource_id,
    }
    return frame if wanted.metadata else {**frame, "interval": wanted.interval}


def _resource(exchange: Exchange) -> Resource:
    assert exchange.resource is not None  # noqa: S101 - identify() has set it
    return exchange.resource
