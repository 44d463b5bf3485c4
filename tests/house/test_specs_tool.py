"""The tool that holds our description of a vendor's API against the vendor's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools.specs import BEYOND, differences, main

OURS = msgspec.json.decode((Path(__file__).parents[1] / "specs" / "infobip.json").read_bytes())
Change = Callable[[dict[str, Any]], object]


def theirs() -> dict[str, Any]:
    """Return a description as the vendor's is: without what is ours alone, and with its long names."""
    found = copy.deepcopy(OURS)
    del found["paths"]["/metrics/1/requests/{requestId}/result"]
    schemas = found["components"]["schemas"]
    schemas["QueryAggregateDataRequest"]["required"] = ["callbackUrl", "request"]
    del schemas["AggregateDataRequest"]["properties"]["timeZone"]
    schemas["AggregateDataResponse"]["properties"]["rows"]["items"]["items"] = {"type": "object"}
    for name, value in (
        ("MetricType", "TOTAL_DROPPED_COUNT"),
        ("MetricType", "TOTAL_DROPPED_RATE"),
        ("TrafficAggregate", "SENDER_DOMAIN"),
        ("TrafficAggregate", "RECIPIENT_DOMAIN"),
    ):
        schemas[name]["enum"].remove(value)
    found["components"]["schemas"] = {f"0123abcd.{name}": shape for name, shape in schemas.items()}
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a shape of the vendor's."""
    found: dict[str, Any] = document["components"]["schemas"][f"0123abcd.{name}"]
    return found


def test_what_is_beyond_the_original_is_expected() -> None:
    """And nothing else differs."""
    assert set(differences(OURS, theirs())) == BEYOND


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda it: it["paths"].pop("/metrics/1/requests/{requestId}"),
            "get /metrics/1/requests/{requestId}: only ours",
        ),
        (lambda it: it["paths"].update({"/x": {"get": {"responses": {}}}}), "get /x: only theirs"),
        (lambda it: schema(it, "Direction")["enum"].append("BOTH"), "Direction: BOTH only in theirs"),
        (lambda it: schema(it, "MetricType")["enum"].remove("BUSY_RATE"), "MetricType: BUSY_RATE only in ours"),
        (lambda it: schema(it, "Platform")["properties"].pop("entityId"), "Platform.entityId: only ours"),
        (
            lambda it: schema(it, "RequestInfo")["required"].remove("status"),
            "RequestInfo.status: required in ours alone",
        ),
        (
            lambda it: schema(it, "ApiError")["properties"]["action"].update(type="integer"),
            "ApiError.action: integer, ours string",
        ),
        (lambda it: it["components"]["schemas"].pop("0123abcd.TimeSpan"), "TimeSpan: only ours"),
    ],
)
def test_every_other_difference_is_named(change: Change, told: str, tmp_path: Path) -> None:
    """And the tool fails."""
    other = theirs()
    change(other)
    assert told in set(differences(OURS, other)) - BEYOND
    files = [tmp_path / "ours.json", tmp_path / "theirs.json"]
    for file, document in zip(files, (OURS, other), strict=True):
        file.write_bytes(msgspec.json.encode(document))
    assert main(list(map(str, files))) == 1
    files[1].write_bytes(msgspec.json.encode(theirs()))
    assert main(list(map(str, files))) == 0


def test_an_expectation_that_no_longer_holds_is_named(tmp_path: Path) -> None:
    """Once the original has it, too."""
    file = tmp_path / "same.json"
    file.write_bytes(msgspec.json.encode(OURS))
    assert main([str(file), str(file)]) == 1
