"""Reads the catalogue's tables and checks them against each other, before a port opens."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from trunkline.catalogue.codes.table import read as read_codes
from trunkline.catalogue.columns import Column, columns, tables
from trunkline.catalogue.exports import read as read_exports
from trunkline.catalogue.facts import Request
from trunkline.catalogue.log_tables import read as read_log_tables
from trunkline.catalogue.reading import converted, read_toml, table
from trunkline.catalogue.rows import (
    OF_QUESTIONS,
    RULED_VALUES,
    Catalogue,
    DeliveryOutcome,
    DimensionWord,
    EventType,
    Happening,
    IdForm,
    Measure,
    Operation,
    OtherMetric,
    QualityRule,
    Service,
    ServicePlan,
    SimulatedNumber,
    Words,
)
from trunkline.errors import ConfigurationError

VENDORS = ("acs", "azure", "graph", "infobip", "twilio", "trunkline")
VENDORS_OF_WORDS = ("infobip",)
_ALWAYS_CARRIED = {"id", "at", "cause", "resource"}
_IDS = "ids.toml"
_NOT_SERVICES = {
    "delivery_outcomes.toml",
    "event_types.toml",
    _IDS,
    "insights_words.toml",
    "other_metrics.toml",
    "service_plans.toml",
    "untold_event_types.toml",
}


@cache
def load() -> Catalogue:
    """Read and check every table; raises ConfigurationError naming the row that is wrong."""
    root = files("trunkline.catalogue")
    read_codes()  # kept by its own module, and checked together with the rest
    read_log_tables()  # the same
    read_exports()  # the same
    catalogue = Catalogue(
        services=dict(_services(root)),
        other_metrics=table(root / "acs" / "other_metrics.toml", OtherMetric),
        measures=table(root / "measures.toml", Measure),
        happenings=table(root / "events.toml", Happening),
        event_types={
            name: msgspec.structs.replace(row, name=name)
            for vendor in ("acs", "trunkline")
            for name, row in table(root / vendor / "event_types.toml", EventType).items()
        },
        untold_event_types=table(root / "acs" / "untold_event_types.toml", str),
        delivery_outcomes=table(root / "acs" / "delivery_outcomes.toml", DeliveryOutcome),
        simulated_numbers=table(root / "simulated_numbers.toml", SimulatedNumber),
        quality=table(root / "quality.toml", QualityRule),
        words={
            vendor: converted(read_toml(root / f"{vendor}.toml"), Words, f"{vendor}.toml")
            for vendor in VENDORS_OF_WORDS
        },
        ids={name: msgspec.structs.replace(form, name=name) for name, form in _ids(root)},
        service_plans=table(root / "graph" / "service_plans.toml", ServicePlan),
    )
    for wrong in problems(catalogue):
        raise ConfigurationError(f"The catalogue is wrong: {wrong}.")
    return catalogue


def _ids(root: Traversable) -> Iterator[tuple[str, IdForm]]:
    """Yield the forms of ids: those of nobody's own, and each vendor's."""
    for folder in (root, *(root / vendor for vendor in VENDORS)):
        if (folder / _IDS).is_file():
            yield from table(folder / _IDS, IdForm).items()


def _services(root: Traversable) -> Iterator[tuple[str, Service]]:
    for vendor in VENDORS:
        for file in sorted((root / vendor).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".toml") and file.name not in _NOT_SERVICES:
                name = file.name.removesuffix(".toml")
                service = converted(read_toml(file), Service, file.name)
                operations = {
                    key: msgspec.structs.replace(row, name=key, service=name) for key, row in service.operations.items()
                }
                yield name, msgspec.structs.replace(service, name=name, vendor=vendor, operations=operations)


def problems(catalogue: Catalogue) -> Iterator[str]:
    """Yield a sentence for each reference to something that does not exist, missing brief or collision."""
    yield from _service_problems(catalogue)
    yield from _operation_problems(catalogue)
    yield from _measure_problems(catalogue)
    yield from _word_problems(catalogue)
    yield from _event_problems(catalogue)
    yield from _delivery_problems(catalogue)
    yield from _quality_problems(catalogue)
    yield from _id_problems(catalogue)
    yield from _plan_problems(catalogue)


def _id_problems(catalogue: Catalogue) -> Iterator[str]:
    for form in catalogue.ids.values():
        try:
            re.compile(form.pattern)
        except re.error as error:
            yield f"the form of id {form.name} has a pattern that is none: {error}"


def _service_problems(catalogue: Catalogue) -> Iterator[str]:
    metrics: dict[str, str] = dict.fromkeys(catalogue.other_metrics, "other_metrics.toml")
    for service in catalogue.services.values():
        if not service.title or not service.prefixes:
            yield f"{service.name}.toml needs a title and a prefix"
        for name in service.unserved:
            if name not in service.operations:
                yield f"{service.name}.toml gives a reason for {name}, which is no operation"
        if service.metric is None:
            continue
        if not service.metric.brief:
            yield f"the metric of {service.name}.toml has no brief"
        if metrics.setdefault(service.metric.name, service.name) != service.name:
            yield f"{service.name}.toml and {metrics[service.metric.name]} have the same metric"
        for column in service.metric.dimensions.values():
            if not _is_dimension(column):
                yield f"{service.name}.toml has a dimension over {column}, which is no column of a request"
    for name, row in catalogue.other_metrics.items():
        if not row.brief:
            yield f"the metric {name} has no brief"


def _is_dimension(column: str) -> bool:
    """Tell whether a request has such a column: a plain one, or an entry of a map."""
    name, _, key = column.partition(".")
    known = columns(Request).get(name)
    return known is not None and known.is_map is bool(key)


def _operation_problems(catalogue: Catalogue) -> Iterator[str]:
    routes: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    for service in catalogue.services.values():
        for name, row in service.operations.items():
            here = f"{service.name}.toml {name}"
            if not row.brief:
                yield f"{here} has no brief"
            if sum(map(bool, (row.route, row.counted_on, row.counted_as))) != 1:
                yield f"{here} needs exactly one of route, counted_on and counted_as"
            # a vendor's handlers are found by the operation's name alone
            if names.setdefault((service.vendor, name), here) != here:
                yield f"{here} has the name of {names[service.vendor, name]}"
            yield from _route_problems(service, row, here)
            shape = re.sub(r"{[^}]*}", "{}", row.route).lower()
            if row.route and routes.setdefault(shape, here) != here:
                yield f"{here} has the route of {routes[shape]}"
            told = [*row.emits, *([row.counted_on] if row.counted_on and service.built else [])]
            for happening in told:
                if happening not in catalogue.happenings:
                    yield f"{here} names {happening}, which events.toml does not know"
            if row.counted_as and row.counted_as.get("operation") not in service.operations:
                yield f"{here} is counted as {row.counted_as.get('operation')}, which is no operation"


_ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)")
_SEGMENT = re.compile(r"[^{}]*|{[a-z_]+\*?}(?::[A-Za-z]+)?")


def _route_problems(service: Service, row: Operation, here: str) -> Iterator[str]:
    if not row.route:
        return
    found = _ROUTE.fullmatch(row.route)
    segments = row.path.strip("/").split("/")
    if not found or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        yield f"{here} has a route that is not METHOD /literal/{{parameter}}:suffix"
        return
    if any("*" in segment for segment in segments[1:]):
        yield f"{here} has a {{scope*}} elsewhere than at the start"
    path = row.path.lower()
    under = (path.removeprefix(prefix.lower()) for prefix in service.prefixes if path.startswith(prefix.lower()))
    if "*" not in segments[0] and not any(rest[:1] in {"", "/", ":"} for rest in under):
        yield f"{here} has a route under none of its service's prefixes"


def _measure_problems(catalogue: Catalogue) -> Iterator[str]:
    for name, measure in catalogue.measures.items():
        if not measure.brief:
            yield f"measure {name} has no brief"
        if measure.ratio:
            yield from _ratio_problems(catalogue, name, measure)
            continue
        known = tables().get(measure.source)
        if known is None or not measure.agg:
            yield f"measure {name} needs a fact and an aggregate"
            continue
        for column in sorted({*measure.where, *measure.unless, measure.column} - {""} - known.keys()):
            yield f"measure {name} names the column {column}, which {measure.source} has not"
        if bool(measure.column) == (measure.agg == "count"):
            yield f"measure {name} must name a column unless it counts"
        elif measure.column in known and measure.agg != "distinct" and not known[measure.column].is_number:
            yield f"measure {name} computes with {measure.column}, which is no number"
        yield from _condition_problems(name, measure, known)
        for column in measure.within_s:
            if column not in known or known[column].of is not datetime:
                yield f"measure {name} counts what came soon by {column}, which is no moment of {measure.source}"


def _condition_problems(name: str, measure: Measure, known: Mapping[str, Column]) -> Iterator[str]:
    for column, wanted in (*measure.where.items(), *measure.unless.items()):
        values = wanted if isinstance(wanted, list) else [wanted]
        of = known.get(column)
        if of is None:
            continue
        if not values or any(type(value) is not of.of for value in values):
            yield f"measure {name} compares {column} with a value of another kind"
        elif of.values and not {*values} <= {"", *of.values}:
            yield f"measure {name} compares {column} with a value that it never has"
        if column in measure.unless and of.is_optional:
            yield f"measure {name} leaves out by {column}, which may be nothing at all"


def _ratio_problems(catalogue: Catalogue, name: str, measure: Measure) -> Iterator[str]:
    parts = [catalogue.measures.get(part) for part in measure.ratio]
    if len(parts) != 2 or any(part is None or part.ratio for part in parts):
        yield f"measure {name} must be a ratio of two measures that are no ratios"
    elif len({part.source for part in parts if part}) > 1:
        yield f"measure {name} is a ratio over two different facts"
    if measure.source or measure.agg or measure.column or measure.where or measure.unless:
        yield f"measure {name} is a ratio and something else"


def _word_problems(catalogue: Catalogue) -> Iterator[str]:
    taken = dict.fromkeys(catalogue.measures, "measures.toml")
    taken |= {service.metric.name: f"{service.name}.toml" for service in catalogue.services.values() if service.metric}
    for vendor, words in catalogue.words.items():
        here = f"{vendor}.toml"
        for name, metric in words.metrics.items():
            for means in (metric.means, *metric.otherwise.values()):
                if bool(means) is bool(metric.lacks) or (means and means not in catalogue.measures):
                    yield f"{here} {name} is {means or 'nothing'}, which is no measure"
            if not metric.label or not metric.group:
                yield f"{here} {name} needs a label and a group"
            if (metric.factor == 1) is bool(metric.unit):
                yield f"{here} {name} needs a unit where there is a factor, and only there"
            if taken.setdefault(name, here) != here:
                yield f"{here} {name} stands in {taken[name]}, too"
        for name, dimension in words.dimensions.items():
            yield from _dimension_problems(f"{here} {name}", dimension)
        for name, dimension_name in words.filters.items():
            if dimension_name not in words.dimensions and dimension_name not in OF_QUESTIONS:
                yield f"{here} filters {name} by {dimension_name}, which is no dimension"


def _dimension_problems(here: str, row: DimensionWord) -> Iterator[str]:
    if sum(map(bool, (row.column, row.step, row.lacks))) != 1:
        yield f"{here} needs a column or a step, and not both"
        return
    known = [those[row.column] for those in tables().values() if row.column in those]
    if row.column and not known:
        yield f"{here} is the column {row.column}, which no fact has"
    measured = row.column.endswith("_ms") or any(of.of is datetime for of in known)
    if row.ranges_s and (list(row.ranges_s) != sorted({*row.ranges_s}) or not measured):
        yield f"{here} needs rising ranges of a column in milliseconds"
    for word, value in row.values.items():
        if any(of.values and value not in of.values for of in known):
            yield f"{here} says {word} for {value}, which {row.column} never has"


_EACH = {
    "recipient": ("recipients", {"recipient_id"}),
    "participant": ("participants", {"participant", "participant_id"}),
}


def _event_problems(catalogue: Catalogue) -> Iterator[str]:
    for name, happening in catalogue.happenings.items():
        if not happening.brief:
            yield f"the happening {name} has no brief"
        for fact in sorted(happening.example.keys() - set(happening.carries)):
            yield f"the happening {name} has an example of {fact}, which it does not carry"
    for name in sorted(catalogue.event_types.keys() & catalogue.untold_event_types):
        yield f"event type {name} is told, and stands among those that are not"
    for name, row in catalogue.event_types.items():
        if not row.brief:
            yield f"event type {name} has no brief"
        if row.preview_of and row.preview_of not in catalogue.event_types:
            yield f"event type {name} is the preview of {row.preview_of}, which does not exist"
        known = catalogue.happenings.get(row.on)
        if known is None:
            yield f"event type {name} is told on {row.on}, which events.toml does not know"
            continue
        carried = {*known.carries, *_ALWAYS_CARRIED}
        if row.each:
            those, own = _EACH[row.each]
            if those not in carried:
                yield f"event type {name} is told for each {row.each}, but {row.on} carries no {those}"
            carried |= own
        wanted = {field for _, field, _, _ in string.Formatter().parse(row.subject) if field}
        wanted |= {source.partition("|")[0].strip() for source in (*row.data.values(), *row.camel.values())}
        wanted |= {row.id} - {""}
        for missing in sorted(wanted - carried):
            yield f"event type {name} tells {missing}, which {row.on} does not carry"


def _delivery_problems(catalogue: Catalogue) -> Iterator[str]:
    codes: dict[int, str] = {}
    for name, row in catalogue.delivery_outcomes.items():
        if codes.setdefault(row.code, name) != name:
            yield f"the outcomes {name} and {codes[row.code]} have the same code"
        if not row.text or not row.advice:
            yield f"the outcome {name} needs a text and an advice"
    for number, simulated in catalogue.simulated_numbers.items():
        if simulated.outcome and simulated.outcome not in catalogue.delivery_outcomes:
            yield f"the simulated number {number} has the outcome {simulated.outcome}, which does not exist"
        if not simulated.brief:
            yield f"the simulated number {number} has no brief"


def _quality_problems(catalogue: Catalogue) -> Iterator[str]:
    samples, calls = tables()["samples"], tables()["calls"]
    for name, rule in catalogue.quality.items():
        if not rule.brief or not rule.source:
            yield f"the rule {name} needs a brief and a source"
        if not {*rule.edges} <= {*samples["edge"].allowed} or not {*rule.directions} <= {*samples["direction"].allowed}:
            yield f"the rule {name} is about an edge or a direction that there is not"
        if not {*rule.media} <= {*samples["media"].allowed}:
            yield f"the rule {name} is about media that there are not"
        if not {*rule.capabilities} <= {*calls["capability"].allowed}:
            yield f"the rule {name} is about a capability that there is not"
        if bool(rule.names) is not (rule.of == "events"):
            yield f"the rule {name} needs names of events if it is about events, and only then"
        if not rule.any or not all(rule.any):
            yield f"the rule {name} compares nothing"
        for one in (one for group in rule.any for one in group):
            known = RULED_VALUES[rule.of]
            if one.value not in known or (isinstance(one.above, str) and one.above not in known):
                yield f"the rule {name} compares {one.value}, which {rule.of} have not, or with what they have not"
            if sum(limit is not None for limit in (one.least, one.most, one.above, one.below)) != 1:
                yield f"the rule {name} needs exactly one limit for {one.value}"


def _plan_problems(catalogue: Catalogue) -> Iterator[str]:
    ids: dict[str, str] = {}
    for name, row in catalogue.service_plans.items():
        if not row.brief:
            yield f"the service plan {name} has no brief"
        if name != name.upper() or " " in name:
            yield f"the service plan {name} is not written in capitals"
        if ids.setdefault(row.id, name) != name:
            yield f"the service plans {name} and {ids[row.id]} have the same id"
