"""Reads the catalogue's tables and checks them against each other, before a port opens."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import msgspec

from trunkline.catalogue.facts import KINDS
from trunkline.catalogue.rows import Catalogue, EventType, Happening, Measure, OtherMetric, Service
from trunkline.errors import ConfigurationError

T = TypeVar("T")
VENDORS = ("acs", "azure", "trunkline")
_ALWAYS_CARRIED = {"id", "at", "cause", "resource", "recipient_id"}
_NOT_SERVICES = {"event_types.toml", "other_metrics.toml"}


@cache
def load() -> Catalogue:
    """Read and check every table; raises ConfigurationError naming the row that is wrong."""
    root = files("trunkline.catalogue")
    catalogue = Catalogue(
        services=dict(_services(root)),
        other_metrics=_table(root / "acs" / "other_metrics.toml", OtherMetric),
        measures=_table(root / "measures.toml", Measure),
        happenings=_table(root / "events.toml", Happening),
        event_types={
            name: msgspec.structs.replace(row, name=name)
            for name, row in _table(root / "acs" / "event_types.toml", EventType).items()
        },
    )
    for wrong in problems(catalogue):
        raise ConfigurationError(f"The catalogue is wrong: {wrong}.")
    return catalogue


def _services(root: Traversable) -> Iterator[tuple[str, Service]]:
    for vendor in VENDORS:
        for file in sorted((root / vendor).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".toml") and file.name not in _NOT_SERVICES:
                name = file.name.removesuffix(".toml")
                service = _convert(_read(file), Service, file.name)
                operations = {
                    key: msgspec.structs.replace(row, name=key, service=name)
                    for key, row in service.operations.items()
                }
                yield name, msgspec.structs.replace(service, name=name, vendor=vendor, operations=operations)


def _read(file: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file.name} is not valid TOML: {error}.") from error


def _convert(value: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {error}.") from error


def _table(file: Traversable, kind: type[T]) -> dict[str, T]:
    return {name: _convert(row, kind, f"{file.name} {name}") for name, row in _read(file).items()}


def problems(catalogue: Catalogue) -> Iterator[str]:
    """Yield a sentence for each reference to something that does not exist, missing brief or collision."""
    yield from _service_problems(catalogue)
    yield from _measure_problems(catalogue)
    yield from _event_problems(catalogue)


def _service_problems(catalogue: Catalogue) -> Iterator[str]:
    routes: dict[str, str] = {}
    columns = {field for kind in KINDS for field in kind.__struct_fields__}
    for service in catalogue.services.values():
        for name, row in service.operations.items():
            here = f"{service.name}.toml {name}"
            if not row.brief:
                yield f"{here} has no brief"
            if sum(map(bool, (row.route, row.counted_on, row.counted_as))) != 1:
                yield f"{here} needs exactly one of route, counted_on and counted_as"
            shape = re.sub(r"{[^}]*}", "{}", row.route)
            if row.route and routes.setdefault(shape, here) != here:
                yield f"{here} has the route of {routes[shape]}"
            for happening in row.emits:
                if happening not in catalogue.happenings:
                    yield f"{here} emits {happening}, which events.toml does not know"
            as_operation = row.counted_as.get("operation")
            if as_operation and as_operation not in service.operations:
                yield f"{here} is counted as {as_operation}, which is no operation"
        for name in service.unserved:
            if name not in service.operations:
                yield f"{service.name}.toml gives a reason for {name}, which is no operation"
        for column in (service.metric.dimensions.values() if service.metric else ()):
            if column.partition(".")[0] not in columns:
                yield f"{service.name}.toml has a dimension over {column}, which is no column"


def _measure_problems(catalogue: Catalogue) -> Iterator[str]:
    columns = {kind.table: set(kind.__struct_fields__) for kind in KINDS}
    for name, measure in catalogue.measures.items():
        if measure.ratio:
            if len(measure.ratio) != 2 or any(part not in catalogue.measures for part in measure.ratio):
                yield f"measure {name} is a ratio of something unknown"
            continue
        known = columns.get(measure.source)
        if known is None or not measure.agg:
            yield f"measure {name} needs a fact and an aggregate"
            continue
        for column in {*measure.where, measure.column} - {""}:
            if column not in known:
                yield f"measure {name} names the column {column}, which {measure.source} has not"
        if bool(measure.column) == (measure.agg == "count"):
            yield f"measure {name} must name a column unless it counts"


def _event_problems(catalogue: Catalogue) -> Iterator[str]:
    for name, row in catalogue.event_types.items():
        happening = catalogue.happenings.get(row.on)
        if happening is None:
            yield f"event type {name} is told on {row.on}, which events.toml does not know"
            continue
        carried = {*happening.carries, *_ALWAYS_CARRIED}
        wanted = {field for _, field, _, _ in string.Formatter().parse(row.subject) if field}
        wanted |= {source.partition("|")[0].strip() for source in row.data.values()}
        for missing in sorted(wanted - carried):
            yield f"event type {name} tells {missing}, which {row.on} does not carry"
        if row.preview_of and row.preview_of not in catalogue.event_types:
            yield f"event type {name} is the preview of {row.preview_of}, which does not exist"
