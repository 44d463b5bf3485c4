"""The metrics that Azure Monitor shows of a communication resource: their names, dimensions and definitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trunkline.apis.azure.spans import GRAINS, RETENTION, duration_text
from trunkline.catalogue.azure.ids import NAMESPACE, PROVIDER, TYPE
from trunkline.catalogue.rows import Catalogue
from trunkline.errors import InvalidError

AGGREGATIONS = {
    "average": "average",
    "avg": "average",
    "count": "count",
    "maximum": "maximum",
    "max": "maximum",
    "minimum": "minimum",
    "min": "minimum",
    "total": "total",
    "sum": "total",
}
"""What clients ask for, in lower case, and the key of a point that answers it."""
REGION = "global"
MOST_METRICS = 20
# the names under which the three dimensions of every request metric go, in one metric or another
_ALIASES = {
    "operation": {"operation", "operationname"},
    "status": {"statuscode"},
    "status_class": {"statuscodeclass", "statussubclass", "statuscodesubclass"},
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. `dimensions` maps its own names to columns of the request fact, "" when nothing counts it yet.

    `services` are those whose requests it counts; a metric of something else has none and answers no series.
    """

    name: str
    display: str
    brief: str
    primary: str
    dimensions: dict[str, str]
    services: tuple[str, ...] = ()
    _known: dict[str, str] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for own, column in self.dimensions.items():
            self._known.update(dict.fromkeys({_plain(own), *_ALIASES.get(column, ())}, own))

    def dimension(self, asked: str) -> str | None:
        """Return the metric's own name of a dimension, in whatever case or of another metric it was asked for."""
        return self._known.get(_plain(asked))

    def name_field(self) -> dict[str, str]:
        """Return the name as Azure Monitor writes names."""
        return {"value": self.name, "localizedValue": self.display}

    def definition(self, resource_id: str) -> dict[str, Any]:
        """Return the metric's definition at a resource."""
        return {
            "id": f"{resource_id}/providers/microsoft.insights/metricdefinitions/{self.name}",
            "resourceId": resource_id,
            "namespace": NAMESPACE,
            "category": "Traffic",
            "name": self.name_field(),
            "displayDescription": self.brief,
            "isDimensionRequired": False,
            "unit": "Count",
            "primaryAggregationType": self.primary,
            "supportedAggregationTypes": ["None", "Average", "Minimum", "Maximum", "Total", "Count"],
            "metricAvailabilities": [{"timeGrain": grain, "retention": duration_text(RETENTION)} for grain in GRAINS],
            "dimensions": [{"value": name, "localizedValue": name} for name in self.dimensions],
        }


class Metrics:
    """Every metric of the catalogue, those of requests first."""

    def __init__(self, catalogue: Catalogue) -> None:
        found: dict[str, Metric] = {}
        for service in catalogue.services.values():
            row = service.metric
            if row is None:
                continue
            beside = found[row.name].services if row.name in found else ()
            found[row.name] = Metric(
                name=row.name,
                display=row.display,
                brief=row.brief,
                primary=row.primary,
                dimensions=row.dimensions,
                services=(*beside, service.name),
            )
        requests = sorted(found.values(), key=lambda metric: metric.name.lower())
        others = [
            Metric(
                name=name,
                display=other.display,
                brief=other.brief,
                primary=other.primary,
                dimensions=dict.fromkeys(other.dimensions, ""),
            )
            for name, other in sorted(catalogue.other_metrics.items(), key=lambda item: item[0].lower())
        ]
        self.all = [*requests, *others]
        self._by_name = {metric.name.lower(): metric for metric in self.all}

    def named(self, text: str) -> list[Metric]:
        """Find the metrics of a list with commas, in any case; none named means the first metric.

        Raises InvalidError with the names there are.
        """
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            return self.all[:1]
        found: dict[str, Metric] = {}
        for name in names:
            metric = self._by_name.get(name.lower())
            if metric is None:
                raise InvalidError(
                    f"Failed to find metric configuration for provider: {PROVIDER}, resource Type: {TYPE}, "
                    f"metric: {name}, Valid metrics: {','.join(metric.name for metric in self.all)}",
                    target="metricnames",
                )
            found[metric.name] = metric
        if len(found) > MOST_METRICS:
            raise InvalidError(f"At most {MOST_METRICS} metrics can be asked for at once.", target="metricnames")
        return list(found.values())


def check_namespace(text: str, *, needed: bool = False) -> None:
    """Check `metricnamespace`; any case is fine. Raises InvalidError."""
    if not text and needed:
        raise InvalidError("The query parameter metricnamespace is needed.", target="metricnamespace")
    if text and text.strip().lower() != NAMESPACE.lower():
        raise InvalidError(
            f"There is no metric namespace {text}; the metrics here are in {NAMESPACE}.", target="metricnamespace"
        )


def namespace_item(resource_id: str) -> dict[str, Any]:
    """Return the one namespace as the list of namespaces shows it."""
    name = NAMESPACE.replace("/", "-")
    return {
        "id": f"{resource_id}/providers/microsoft.insights/metricNamespaces/{name}",
        "name": name,
        "type": "Microsoft.Insights/metricNamespaces",
        "classification": "Platform",
        "properties": {"metricNamespaceName": NAMESPACE},
    }


def read_aggregations(text: str) -> tuple[str, ...]:
    """Read a list of aggregations with commas; empty when none is named. Raises InvalidError."""
    found: dict[str, None] = {}
    for word in (part.strip() for part in text.split(",")):
        if word and word.lower() != "none":
            found[_aggregation(word)] = None
    return tuple(found)


def read_order(text: str) -> tuple[str, bool] | None:
    """Read `orderby`: an aggregation and `asc` or `desc`; returns it and whether it descends. Raises InvalidError."""
    words = text.split()
    if not words:
        return None
    if len(words) > 2 or (len(words) == 2 and words[1].lower() not in {"asc", "desc"}):
        raise InvalidError(f"orderby is one aggregation and asc or desc, not {text!r}.", target="orderby")
    return _aggregation(words[0]), words[-1].lower() == "desc"


def _aggregation(word: str) -> str:
    if word.lower() not in AGGREGATIONS:
        raise InvalidError(
            f"Invalid aggregation type: {word}, supported ones are: Average,Count,Minimum,Maximum,Total",
            target="aggregation",
        )
    return AGGREGATIONS[word.lower()]


def values(n: int, aggregations: Iterable[str]) -> dict[str, float]:
    """Return what a bucket of n requests answers: each request is one sample of value 1.

    Count and Total are n, zero among them; Average, Minimum and Maximum are 1, and left out when there is no sample
    (azure-monitor: metrics aggregation explained).
    """
    return {
        name: float(n) if name in {"count", "total"} else 1.0
        for name in aggregations
        if n or name in {"count", "total"}
    }


def _plain(name: str) -> str:
    return name.replace(" ", "").lower()
