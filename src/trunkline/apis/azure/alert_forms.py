"""Metric alerts as their SDK writes them, read as alert rules; and alert rules as it reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from trunkline.apis.azure.metrics import REGION, Metrics
from trunkline.apis.azure.spans import duration, duration_text, moment_text
from trunkline.apis.azure.subscription_forms import Form
from trunkline.catalogue.azure.ids import NAMESPACE
from trunkline.errors import InvalidError, UnservedError
from trunkline.insight.alerts import AlertRule, Criterion, When
from trunkline.telemetry.questions import Condition

OWN_NAMESPACE = "Trunkline"
"""The namespace under which every measure of the catalogue is a metric, and every column of its fact a dimension."""

TYPE = "Microsoft.Insights/metricAlerts"
SINGLE = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"
MULTIPLE = "Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria"
_STATIC = "StaticThresholdCriterion"
_WHEN: dict[str, When] = {
    "equals": "equal",
    "greaterthan": "above",
    "greaterthanorequal": "at least",
    "lessthan": "below",
    "lessthanorequal": "at most",
}
_OPERATORS = {
    "equal": "Equals",
    "above": "GreaterThan",
    "at least": "GreaterThanOrEqual",
    "below": "LessThan",
    "at most": "LessThanOrEqual",
}
_WINDOWS = (1, 5, 15, 30, 60, 360, 720, 1440)
_EVERY = (1, 5, 15, 30, 60)
_COUNTED = {"count", "total"}


class DimensionForm(Form, kw_only=True, rename="camel"):
    """A condition on a dimension: include or exclude some values."""

    name: str
    operator: str
    values: list[str]


class CriterionForm(Form, kw_only=True, rename="camel"):
    """One criterion."""

    name: str = ""
    metric_name: str
    metric_namespace: str | None = None
    time_aggregation: str = "Total"
    operator: str = ""
    threshold: float | None = None
    dimensions: list[DimensionForm] | None = None
    criterion_type: str = _STATIC


class CriteriaForm(msgspec.Struct, kw_only=True):
    """The criteria, which must all hold."""

    kind: str = msgspec.field(name="odata.type", default=SINGLE)
    all_of: list[CriterionForm] = msgspec.field(name="allOf", default_factory=list)


class PropertiesForm(Form, kw_only=True, rename="camel"):
    """What a rule is."""

    severity: int
    enabled: bool
    scopes: list[str]
    criteria: CriteriaForm
    evaluation_frequency: str
    window_size: str
    description: str | None = None
    auto_mitigate: bool | None = None
    actions: list[dict[str, Any]] | None = None


class AlertForm(Form, kw_only=True, rename="camel"):
    """The body of a PUT."""

    properties: PropertiesForm
    location: str = ""
    tags: dict[str, str] | None = None


def rule_of(body: AlertForm, name: str, resource: str, metrics: Metrics) -> AlertRule:
    """Read a rule for a resource. Raises InvalidError, UnservedError."""
    given = body.properties
    if given.criteria.kind not in {SINGLE, MULTIPLE}:
        raise UnservedError(
            f"Alert rules here are about metrics; criteria of {given.criteria.kind[:100]} are not served."
        )
    if given.auto_mitigate is False:
        raise UnservedError("An alert is over as soon as its rule is not met; autoMitigate = false is not served.")
    criteria = tuple(criterion for form in given.criteria.all_of for criterion in _criteria(form, metrics))
    return AlertRule(
        name=name,
        resource=resource,
        criteria=criteria,
        window_minutes=_minutes(given.window_size, _WINDOWS, "windowSize"),
        every_minutes=_minutes(given.evaluation_frequency, _EVERY, "evaluationFrequency"),
        description=given.description or "",
        severity=given.severity,
        enabled=given.enabled,
        extra={
            "criteria": msgspec.to_builtins(given.criteria),
            "actions": given.actions or [],
            "tags": body.tags or {},
            "location": body.location or REGION,
        },
    )


def _criteria(form: CriterionForm, metrics: Metrics) -> Iterator[Criterion]:
    if form.criterion_type != _STATIC:
        raise UnservedError(f"Thresholds here are fixed; {form.criterion_type[:60]} is not served.")
    when = _WHEN.get(form.operator.lower())
    if when is None or form.threshold is None:
        raise InvalidError(f"A criterion has a threshold, and an operator: {', '.join(_OPERATORS.values())}.")
    namespace = (form.metric_namespace or NAMESPACE).strip().lower()
    if namespace == OWN_NAMESPACE.lower():
        where = tuple(_condition(one, one.name) for one in form.dimensions or ())
        yield Criterion(measure=form.metric_name, when=when, value=form.threshold, where=where)
        return
    if namespace != NAMESPACE.lower():
        raise InvalidError(
            f"There is no metric namespace {form.metric_namespace}; there are {NAMESPACE} and {OWN_NAMESPACE}.",
            target="metricNamespace",
        )
    name = form.metric_name.replace(",", " ").strip()
    if not name:  # where metrics are asked for, none named would be the first
        raise InvalidError("A criterion names a metric.", target="metricName")
    (metric,) = metrics.named(name)
    if not metric.services:
        raise UnservedError(f"The metric {metric.name} counts nothing yet.")
    if form.time_aggregation.lower() not in _COUNTED:
        raise UnservedError("Each request is one sample of value 1: a rule here compares Count or Total.")
    where = (Condition(column="service", values=metric.services),)
    for dimension in form.dimensions or ():
        own = metric.dimension(dimension.name)
        if own is None:
            raise InvalidError(
                f"{metric.name} has no dimension {dimension.name[:60]!r}; it has {', '.join(metric.dimensions)}.",
                target="dimensions",
            )
        where += (_condition(dimension, metric.dimensions[own]),)
    yield Criterion(measure="requests.count", when=when, value=form.threshold, where=where)


def _condition(form: DimensionForm, column: str) -> Condition:
    operator = form.operator.lower()
    if operator not in {"include", "exclude"} or not form.values:
        raise InvalidError("A dimension includes or excludes some values.", target="dimensions")
    if "*" in form.values:
        raise UnservedError("A rule here is one series; a value of '*', a rule for each value, is not served.")
    op: Any = "is" if operator == "include" else "is not"
    return Condition(column=column, values=tuple(form.values), op=op, fold=True)


def _minutes(text: str, allowed: Sequence[int], name: str) -> int:
    try:
        length = duration(text)
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"{name} is a length of time such as PT5M.", target=name) from error
    minutes = length // timedelta(minutes=1)
    if minutes not in allowed or length % timedelta(minutes=1):
        words = ", ".join(duration_text(timedelta(minutes=one)) for one in allowed)
        raise InvalidError(f"{name} is one of {words}.", target=name)
    return minutes


def render(rule: AlertRule, scope: str, rule_id: str) -> dict[str, Any]:
    """Return a rule as its SDK reads it; `scope` is the id of the resource that it is about."""
    properties = {
        "description": rule.description,
        "severity": rule.severity,
        "enabled": rule.enabled,
        "scopes": [scope],
        "evaluationFrequency": duration_text(timedelta(minutes=rule.every_minutes)),
        "windowSize": duration_text(timedelta(minutes=rule.window_minutes)),
        "targetResourceType": NAMESPACE,
        "criteria": rule.extra.get("criteria") or _shown_criteria(rule),
        "autoMitigate": True,
        "actions": rule.extra.get("actions", []),
    }
    if rule.changed_at is not None:
        properties["lastUpdatedTime"] = moment_text(rule.changed_at)
    return {
        "id": rule_id,
        "name": rule.name,
        "type": TYPE,
        "location": rule.extra.get("location", REGION),
        "tags": rule.extra.get("tags", {}),
        "properties": properties,
    }


def _shown_criteria(rule: AlertRule) -> dict[str, Any]:
    """Return the criteria of a rule that was not made by this API."""
    return {
        "odata.type": SINGLE,
        "allOf": [
            {
                "name": f"criterion{place}",
                "metricName": f"{one.measure} of {one.of}" if one.of else one.measure,
                "metricNamespace": OWN_NAMESPACE,
                "timeAggregation": "Total",
                "operator": _OPERATORS.get(one.when, "LessThanOrEqual"),
                "threshold": one.value,
                "criterionType": _STATIC,
                "dimensions": [
                    {
                        "name": each.column,
                        "operator": "Exclude" if each.op == "is not" else "Include",
                        "values": list(each.values),
                    }
                    for each in one.where
                ],
            }
            for place, one in enumerate(rule.criteria, 1)
        ],
    }
