"""The Metrics API keeps to its description: words, answers, and whatever schemathesis thinks of."""

from __future__ import annotations

import copy
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.apis.infobip.conftest import QUERY, REQUESTS, SPAN, Client
from trunkline.catalogue.load import load
from trunkline.library.served import Server

SPEC = msgspec.json.decode((Path(__file__).parents[2] / "specs" / "infobip.json").read_bytes())
SHAPES = SPEC["components"]["schemas"]
WORDS = load().words["infobip"]
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def check(shape: str, value: Any) -> None:
    """Check that a value has a shape of the description."""
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{shape}", "components": SPEC["components"]})


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("MetricType", WORDS.metrics),
        ("TrafficAggregate", WORDS.dimensions),
        ("ChannelCode", WORDS.dimensions["CHANNEL_CODE"].values),
        ("Direction", WORDS.dimensions["DIRECTION"].values),
    ],
)
def test_every_word_of_the_description_is_a_line(shape: str, words: Any) -> None:
    """And every line is a word of it."""
    assert sorted(words) == sorted(SHAPES[shape]["enum"])


def test_every_filter_of_the_description_is_a_line() -> None:
    """Under its name there."""
    assert set(SHAPES["AggregateDataFilter"]["properties"]) <= WORDS.filters.keys()


def test_every_answer_has_its_shape(client: Client) -> None:
    """Started, looked after, fetched, refused."""
    client.put("calls", [{"leg_id": "1", "direction": "outbound", "sip_code": 200, "talk_ms": 1500}])
    steps = [name for name, row in WORDS.dimensions.items() if row.step]
    by = [name for name in WORDS.dimensions if name not in steps[1:]]
    started = client.query([*WORDS.metrics], by, channels=["VOICE_VIDEO", "SMS"])
    check("QueryAggregateDataResponse", started.json)
    path = f"{REQUESTS}{started.json['requestId']}"
    result = client.send("GET", f"{path}/result").json
    check("QueryAggregateDataResult", result)
    assert result["response"]["totalRows"] == 1
    check("RequestInfo", client.send("GET", path).json)
    for answer in (client.query([]), client.send("GET", f"{REQUESTS}x"), client.send("POST", "/metrics/1/none")):
        check("ApiError", answer.json)
    client.authorization = ""
    check("ApiError", client.query().json)


def test_cells_are_of_their_columns_types(client: Client) -> None:
    """But where a metric or a value is not available."""
    client.put("calls", [{"leg_id": "1", "direction": "outbound", "communication_id": "7", "country": "HR"}])
    response = client.result(client.query([*WORDS.metrics], ["DAY", "COMMUNICATION", "COUNTRY_ID", "SENDER"]))
    kinds = {"STRING": str, "INTEGER": int, "NUMBER": float, "DATE_TIME": str}
    (row,) = response["rows"]
    for cell, column in zip(row, response["columns"], strict=True):
        assert cell == "N/A" or type(cell) is kinds[column["columnDataType"]], column


def served_spec() -> dict[str, Any]:
    """Return the description without what only an overloaded server answers, with examples that fit this account."""
    found = copy.deepcopy(SPEC)
    filters = found["components"]["schemas"]["AggregateDataFilter"]["properties"]
    filters["accountKeys"]["items"] = {"enum": ["schema-customer"]}
    for name in ("sentSince", "sentUntil"):
        filters[name] = {"enum": [*SPAN.values(), "2026-11-03T12:00:00.000+0100"]}
    properties = found["components"]["schemas"]["AggregateDataRequest"]["properties"]
    properties["timeZone"] = {"enum": ["UTC", "Asia/Kathmandu", "x"]}
    found["components"]["schemas"]["QueryAggregateDataRequest"]["properties"]["callbackUrl"] = {"enum": ["http://[::1"]}
    return found


def test_whatever_comes_in_every_operation_answers_by_the_description(served: Server) -> None:
    """With valid credentials and an id that is there; each operation shows a 2xx, none a 500."""
    account = served.account("schema-customer")
    headers = {"Authorization": f"App {account.app_key}"}
    known = started(account)
    seen: Counter[tuple[str, int]] = Counter()
    schema = schemathesis.openapi.from_dict(served_spec())
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=80,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def each(case: Any) -> None:
            number = sum(seen.values())
            if "requestId" in (case.path_parameters or {}) and number % 2:
                case.path_parameters["requestId"] = known
            if isinstance(case.body, dict) and number % 4 == 0:
                case.body = answerable(case.body)
            response = case.call(base_url=account.http, headers=headers)
            case.validate_response(response, checks=CHECKS)
            seen[case.operation.label, response.status_code] += 1

        each()
    labels = {label for label, _ in seen}
    assert len(labels) == 3
    for label in labels:
        assert any(200 <= status < 300 for of, status in seen if of == label), seen
        assert any(status >= 400 for of, status in seen if of == label), seen


def answerable(body: dict[str, Any]) -> dict[str, Any]:
    """Leave of a query what any account may ask: chance alone rarely fits all filters to each other."""
    wanted = body["request"]
    filters = {"channelCodes": wanted["filterBy"]["channelCodes"], **SPAN}
    return {"request": {**wanted, "filterBy": filters, "timeZone": "Asia/Kathmandu"}}


def started(account: Any) -> str:
    """Start a query; returns its id."""
    request = {
        "filterBy": {"channelCodes": ["VOICE_VIDEO"], **SPAN},
        "aggregateBy": [],
        "metrics": ["TOTAL_CALL_COUNT"],
    }
    put = urllib.request.Request(  # noqa: S310 - our own server
        f"{account.http}{QUERY}",
        msgspec.json.encode({"request": request}),
        {"Authorization": f"App {account.app_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(put) as answer:  # noqa: S310 - our own server
        return str(msgspec.json.decode(answer.read())["requestId"])
