"""What a metrics request asks for, read from its query: which metrics, over which time, split and cut how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trunkline.apis.azure import metric_filter
from trunkline.apis.azure.metric_filter import Group
from trunkline.apis.azure.metrics import Metric, Metrics, check_namespace, read_aggregations, read_order
from trunkline.apis.azure.spans import Span, duration_text, read_grain, read_times, read_timespan
from trunkline.errors import InvalidError

MOST_POINTS = 500_000
USUAL_TOP = 10
_LARGEST_TOP = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One metrics request; the same for every resource of a batch.

    `splits` gives, for each metric by name, its own dimensions that were filtered or split by; `rolled` those of
    them that are merged again. `groups` are the filter's, under the metric's own names.
    """

    metrics: list[Metric]
    span: Span
    grain: timedelta | None
    aggregations: tuple[str, ...]
    groups: dict[str, tuple[Group, ...]]
    splits: dict[str, tuple[str, ...]]
    rolled: dict[str, frozenset[str]]
    top: int
    order: tuple[str, bool] | None
    metadata: bool
    now: datetime

    @property
    def interval(self) -> str:
        """The grain as it is told back; FULL comes back as the length of the span."""
        return duration_text(self.grain or self.span.end - self.span.start)

    def check_points(self, series: int) -> None:
        """Refuse an answer of more points than one request may ask for. Raises InvalidError."""
        points = series * self.span.buckets(self.grain)
        if points > MOST_POINTS:
            raise InvalidError(
                f"The answer would have {points} points; one request gives at most {MOST_POINTS}. Ask for a shorter "
                "timespan, a longer interval, or fewer series with top.",
                target="interval",
            )


def read_query(
    query: Mapping[str, str], metrics: Metrics, now: datetime, trace_id: str, *, batch: bool = False
) -> Wanted:
    """Read a request's query (names in lower case); a batch has `starttime` and `endtime`, others `timespan`.

    Raises InvalidError in the service's words.
    """
    check_namespace(query.get("metricnamespace", ""), needed=batch)
    if batch and not query.get("metricnames"):
        raise InvalidError("The query parameter metricnames is needed.", target="metricnames")
    found = metrics.named(query.get("metricnames", ""))
    span = (
        read_times(query.get("starttime", ""), query.get("endtime", ""), now)
        if batch
        else read_timespan(query.get("timespan", ""), now)
    )
    adjust = _truth(query, "autoadjusttimegrain", default=False)
    grain = read_grain(query.get("interval", ""), [metric.name for metric in found], trace_id, adjust=adjust)
    groups = metric_filter.parse(query.get("$filter") or query.get("filter", ""))
    rolled = [name.strip() for name in query.get("rollupby", "").split(",") if name.strip()]
    asked = [*(group.dimension for group in groups), *rolled]
    if _truth(query, "validatedimensions", default=True):
        for metric in found:
            _check_dimensions(metric, asked, trace_id)
    own = {metric.name: _own(metric, groups) for metric in found}
    return Wanted(
        metrics=found,
        span=span,
        grain=grain,
        aggregations=read_aggregations(query.get("aggregation", "")),
        groups=own,
        splits={name: tuple(dict.fromkeys(group.dimension for group in own[name])) for name in own},
        rolled={
            metric.name: frozenset(name for asked in rolled if (name := metric.dimension(asked))) for metric in found
        },
        top=_top(query.get("top", "")),
        order=read_order(query.get("orderby", "")),
        metadata=_metadata(query.get("resulttype", "")),
        now=now,
    )


def _own(metric: Metric, groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Return the filter's groups under the metric's own dimension names; those it has not are left out."""
    named = ((metric.dimension(group.dimension), group) for group in groups)
    return tuple(Group(name, group.terms) for name, group in named if name)


def _check_dimensions(metric: Metric, asked: list[str], trace_id: str) -> None:
    if all(metric.dimension(name) for name in asked):
        return
    wanted = ",".join(dict.fromkeys(name.lower() for name in asked))
    raise InvalidError(
        f"Metric: {metric.name} does not support requested dimension combination: {wanted}, supported ones are: "
        f"{','.join(metric.dimensions)}, TraceId: {trace_id}",
        target="$filter",
    )


def _top(text: str) -> int:
    text = text.strip()
    if not text:
        return USUAL_TOP
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or not 0 < int(text) <= _LARGEST_TOP:
        raise InvalidError(f"Detected invalid TopN value {text[:40]} should be Int value", target="top")
    return int(text)


def _truth(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = query.get(name, "").strip().lower()
    if text not in {"", "true", "false"}:
        raise InvalidError(f"{name} is true or false.", target=name)
    return text == "true" if text else default


def _metadata(text: str) -> bool:
    if text.strip().lower() not in {"", "data", "metadata"}:
        raise InvalidError("resultType is Data or Metadata.", target="resultType")
    return text.strip().lower() == "metadata"
