"""Holds the description that the tests use for a vendor's API against a copy of the vendor's own.

`python -m tools.specs tests/specs/infobip.json COPY` names every operation, property, type and value in which the two
differ, but for those that we have beyond the original, which are listed here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

BEYOND = frozenset(
    {
        "get /metrics/1/requests/{requestId}/result: only ours",
        "QueryAggregateDataRequest.callbackUrl: required in theirs alone",
        "AggregateDataRequest.timeZone: only ours",
        # named in the text of the vendor's description, and missing among its values
        "MetricType: TOTAL_DROPPED_COUNT only in ours",
        "MetricType: TOTAL_DROPPED_RATE only in ours",
        "TrafficAggregate: SENDER_DOMAIN only in ours",
        "TrafficAggregate: RECIPIENT_DOMAIN only in ours",
        # theirs calls any cell of a row an object, and shows texts and numbers
        "AggregateDataResponse.rows: array of array of object, ours array of array of any",
    }
)
_VERBS = ("get", "post", "put", "patch", "delete")
Json = dict[str, Any]


def differences(ours: Json, theirs: Json) -> Iterator[str]:
    """Yield each difference between two descriptions."""
    yield from _of_names(_operations(ours), _operations(theirs))
    mine, other = _schemas(ours), _schemas(theirs)
    yield from _of_names(set(mine), set(other))
    for name in sorted(mine.keys() & other.keys()):
        yield from _of_schema(name, mine[name], other[name])


def _of_names(ours: set[str], theirs: set[str]) -> Iterator[str]:
    for name in sorted(ours ^ theirs):
        yield f"{name}: only {'ours' if name in ours else 'theirs'}"


def _operations(document: Json) -> set[str]:
    found = {f"{verb} {path}" for path, item in document["paths"].items() for verb in item if verb in _VERBS}
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            if verb in _VERBS:
                found |= {f"{verb} {path} {status}" for status in operation["responses"]}
    found = {name for name in found if not name.startswith("get /metrics/1/requests/{requestId}/result ")}
    return found | {f"webhook {name}" for name in document.get("webhooks", {})}


def _schemas(document: Json) -> dict[str, Json]:
    """Return the shapes by the last part of their names."""
    return {name.rpartition(".")[2]: shape for name, shape in document["components"]["schemas"].items()}


def _of_schema(name: str, ours: Json, theirs: Json) -> Iterator[str]:
    for value in sorted({*ours.get("enum", ())} ^ {*theirs.get("enum", ())}):
        yield f"{name}: {value} only in {'ours' if value in ours.get('enum', ()) else 'theirs'}"
    mine, other = ours.get("properties", {}), theirs.get("properties", {})
    for part in sorted(mine.keys() | other.keys()):
        here = f"{name}.{part}"
        if (part in mine) is not (part in other):
            yield f"{here}: only {'ours' if part in mine else 'theirs'}"
            continue
        needed = [part in shape.get("required", ()) for shape in (ours, theirs)]
        if needed[0] is not needed[1]:
            yield f"{here}: required in {'ours' if needed[0] else 'theirs'} alone"
        if _kind(mine[part]) != _kind(other[part]):
            yield f"{here}: {_kind(other[part])}, ours {_kind(mine[part])}"


def _kind(shape: Json) -> str:
    """Return what a property holds, in words."""
    if "$ref" in shape:
        return str(shape["$ref"]).rpartition("/")[2].rpartition(".")[2]
    if "allOf" in shape:
        return _kind(shape["allOf"][0])
    kind = shape.get("type", "any")
    if kind == "array":
        return f"array of {_kind(shape['items'])}"
    return "any" if isinstance(kind, list) else str(kind)


def main(arguments: list[str]) -> int:
    """Name the differences that nobody expects; returns how many there are, at most 1."""
    ours, theirs = (msgspec.json.decode(Path(name).read_bytes()) for name in arguments[:2])
    found = list(differences(ours, theirs))
    unexpected = [one for one in found if one not in BEYOND]
    stale = sorted(BEYOND - set(found))
    for one in unexpected:
        print(one)
    for one in stale:
        print(f"no longer beyond the original: {one}")
    print(f"{len(found)} differences, {len(found) - len(unexpected)} of them expected.")
    return 1 if unexpected or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
