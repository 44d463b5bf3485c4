"""Answers to metrics requests: one question for all resources and metrics of a shape, folded into time series."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from trunkline.apis.azure.metric_filter import ANY, Term
from trunkline.apis.azure.metric_query import Wanted
from trunkline.apis.azure.metrics import Metric, values
from trunkline.telemetry.questions import Condition, Series
from trunkline.telemetry.recorder import Recorder

_MEASURE = "requests.count"
_PUSHED = 200
Key = tuple[str, str]
"""A resource's name and a metric's."""


@dataclass
class Line:
    """One time series: the values of the dimensions it stands for, and its requests by bucket."""

    split: tuple[str, ...] = ()
    counts: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Count the requests of the whole span."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Shape:
    """Metrics that one question answers, because their filters come to the same columns and terms."""

    columns: tuple[str, ...]
    terms: tuple[tuple[str, tuple[Term, ...]], ...]
    metrics: list[Metric]

    @property
    def services(self) -> dict[str, Metric]:
        """Which metric counts the requests of each service."""
        return {service: metric for metric in self.metrics for service in metric.services}


class MetricAnswers:
    """Counts requests for metrics."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def lines(self, wanted: Wanted, resources: Sequence[str]) -> dict[Key, list[Line]]:
        """Return the time series of each resource and metric, ordered and cut to `top`.

        Unsplit there is always one, be it empty; split there are those with requests in the span. A metric that
        counts no requests has none. Raises InvalidError when the answer would be too large.
        """
        found: dict[Key, list[Line]] = {
            (resource, metric.name): [] for resource in resources for metric in wanted.metrics
        }
        if not wanted.metadata:
            wanted.check_points(1)  # the buckets are laid out also where no series has anything in them
        series = 0
        for shape in _shapes(wanted):
            keys = [(resource, metric.name) for resource in resources for metric in shape.metrics]
            chosen: dict[Key, list[Line]] = {key: [Line()] for key in keys}
            if shape.columns:
                whole = await self._count(wanted, shape, resources, None)
                chosen = {key: _cut(wanted, whole.get(key, {})) for key in keys}
            series += sum(map(len, chosen.values()))
            if not wanted.metadata:
                wanted.check_points(series)
                if wanted.grain is not None or not shape.columns:
                    chosen = await self._count_again(wanted, shape, resources, chosen)
            found.update(chosen)
        return found

    async def _count_again(
        self, wanted: Wanted, shape: Shape, resources: Sequence[str], chosen: Mapping[Key, list[Line]]
    ) -> dict[Key, list[Line]]:
        """Count the chosen series bucket by bucket."""
        parts = await self._count(wanted, shape, resources, wanted.grain, _narrowed(wanted, shape, chosen))
        return {key: [parts.get(key, {}).get(line.split, line) for line in lines] for key, lines in chosen.items()}

    async def _count(
        self,
        wanted: Wanted,
        shape: Shape,
        resources: Sequence[str],
        grain: timedelta | None,
        narrowed: Sequence[Condition] = (),
    ) -> dict[Key, dict[tuple[str, ...], Line]]:
        """Ask for the counts of a shape and fold them into series; rolled-up dimensions are merged here."""
        start = wanted.span.floored
        services = shape.services
        if not services:
            return {}
        question = Series(
            measures=(_MEASURE,),
            start=start,
            end=wanted.span.end,
            step_s=int(grain.total_seconds()) if grain else None,
            by=("resource", "service", *shape.columns),
            where=(
                Condition(column="resource", values=tuple(dict.fromkeys(resources))),
                Condition(column="service", values=tuple(services)),
                *_pushed(shape),
                *narrowed,
            ),
        )
        lines: dict[Key, dict[tuple[str, ...], Line]] = defaultdict(dict)
        for point in await self._recorder.ask(question):
            resource, service, *split = point.split
            metric = services[service]
            own = dict(zip(wanted.splits[metric.name], split, strict=True))
            if not all(group.holds(own[group.dimension]) for group in wanted.groups[metric.name]):
                continue
            kept = tuple(value for name, value in own.items() if name not in wanted.rolled[metric.name])
            line = lines[resource, metric.name].setdefault(kept, Line(kept))
            bucket = (point.at - start) // grain if grain else 0
            line.counts[bucket] = line.counts.get(bucket, 0) + int(point.values[0] or 0)
        return lines


async def render(wanted: Wanted, resource_id: str, lines: Mapping[str, list[Line]]) -> list[dict[str, Any]]:
    """Render the metrics of one resource, given their series by the metric's name.

    A large answer takes a while to write; it is written beside the event loop, which goes on meanwhile.
    """
    return await asyncio.to_thread(_render, wanted, resource_id, lines)


def _render(wanted: Wanted, resource_id: str, lines: Mapping[str, list[Line]]) -> list[dict[str, Any]]:
    stamps = _stamps(wanted)
    return [
        {
            "id": f"{resource_id}/providers/Microsoft.Insights/metrics/{metric.name}",
            "type": "Microsoft.Insights/metrics",
            "name": metric.name_field(),
            "displayDescription": metric.brief,
            "unit": "Count",
            "timeseries": [_series(wanted, metric, line, stamps) for line in lines[metric.name]],
            "errorCode": "Success",
        }
        for metric in wanted.metrics
    ]


def _series(wanted: Wanted, metric: Metric, line: Line, stamps: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    kept = (name for name in wanted.splits[metric.name] if name not in wanted.rolled[metric.name])
    series: dict[str, Any] = {
        "metadatavalues": [
            {"name": {"value": name.lower(), "localizedValue": name.lower()}, "value": value}
            for name, value in zip(kept, line.split, strict=True)
        ]
    }
    if not wanted.metadata:
        aggregations = wanted.aggregations or (metric.primary.lower(),)
        series["data"] = [
            {"timeStamp": stamp, **(values(line.counts.get(place, 0), aggregations) if begun else {})}
            for place, (stamp, begun) in enumerate(stamps)
        ]
    return series


def _stamps(wanted: Wanted) -> list[tuple[str, bool]]:
    """List the buckets' starts, and whether each has begun: of the future nothing is known, not even zero."""
    if wanted.metadata:
        return []
    start, step = wanted.span.floored.astimezone(UTC).replace(tzinfo=None), wanted.grain or timedelta()
    now = wanted.now.astimezone(UTC).replace(tzinfo=None)
    moments = (start + step * place for place in range(wanted.span.buckets(wanted.grain)))
    return [(moment.isoformat() + "Z", moment <= now) for moment in moments]


def _shapes(wanted: Wanted) -> list[Shape]:
    """Sort the metrics by the columns and terms of their filters; those that count nothing are left out."""
    shapes: dict[Any, Shape] = {}
    for metric in wanted.metrics:
        if not metric.services:
            continue
        columns = tuple(metric.dimensions[name] for name in wanted.splits[metric.name])
        terms = tuple((metric.dimensions[group.dimension], group.terms) for group in wanted.groups[metric.name])
        shapes.setdefault((columns, terms), Shape(columns, terms, [])).metrics.append(metric)
    return list(shapes.values())


def _pushed(shape: Shape) -> list[Condition]:
    """Return what of the filter the store can check; the rest is checked on what it answers."""
    found = []
    for column, terms in shape.terms:
        ops = {term.op for term in terms}
        if any(term.op == "eq" and term.value == ANY for term in terms) or len(ops) > 1:
            continue
        if ops == {"ne"} and len(terms) > 1:
            continue
        op = terms[0].op
        found.append(
            Condition(
                column=column,
                values=tuple(term.value for term in terms),
                op="is" if op == "eq" else "is not" if op == "ne" else "starts",
                fold=True,
            )
        )
    return found


def _narrowed(wanted: Wanted, shape: Shape, chosen: Mapping[Key, list[Line]]) -> list[Condition]:
    """Return conditions that keep the second question to the values of the chosen series."""
    if not shape.columns:
        return []
    seen: dict[str, set[str]] = defaultdict(set)
    for metric in shape.metrics:
        kept = [name for name in wanted.splits[metric.name] if name not in wanted.rolled[metric.name]]
        for (_, name), lines in chosen.items():
            if name == metric.name:
                for line in lines:
                    for dimension, value in zip(kept, line.split, strict=True):
                        seen[metric.dimensions[dimension]].add(value)
    return [
        Condition(column=column, values=tuple(sorted(found))) for column, found in seen.items() if len(found) <= _PUSHED
    ]


def _cut(wanted: Wanted, lines: Mapping[tuple[str, ...], Line]) -> list[Line]:
    """Order the series and keep the first `top`: the busiest ones unless another order is asked for."""
    by_name = sorted(lines.values(), key=lambda line: line.split)
    what, descending = wanted.order or ("count", True)
    ordered = sorted(by_name, key=lambda line: values(line.total, (what,))[what], reverse=descending)
    return ordered[: wanted.top]
