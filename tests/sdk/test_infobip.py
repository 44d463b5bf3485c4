"""The Metrics API asked with the transport of Infobip's own Python SDK, which has no client for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from infobip_api_client.api_client import ApiClient, Configuration
from infobip_api_client.exceptions import BadRequestException, NotFoundException, UnauthorizedException

from tests.support.webhook import Heard, Webhook, webhook
from trunkline.connection import Connection
from trunkline.library.served import Server, serve

QUERY = {
    "filterBy": {
        "channelCodes": ["VOICE_VIDEO"],
        "sentSince": "2026-11-01T00:00:00.000+0000",
        "sentUntil": "2026-11-02T00:00:00.000+0000",
    },
    "aggregateBy": ["DIRECTION"],
    "metrics": ["TOTAL_CALL_COUNT", "ANSWER_RATE", "TOTAL_CALL_DURATION"],
}
ROWS = [["INBOUND", "VOICE_VIDEO", 1, 0.0, 60], ["OUTBOUND", "VOICE_VIDEO", 4, 0.5, 90]]


class Caller:
    """Infobip's transport with an account's app key."""

    def __init__(self, connection: Connection, api_key: str = "") -> None:
        configuration = Configuration(host=connection.http, api_key=api_key or connection.app_key)
        self.client = ApiClient(configuration)

    def call(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """Put one request as the SDK's typed methods do; returns the decoded body, or raises as they do."""
        headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
        serialized = self.client.param_serialize(
            method=method,
            resource_path=path,
            path_params=parameters,
            header_params=headers,
            body=body,
            auth_settings=["APIKeyHeader"],
        )
        response = self.client.call_api(*serialized)
        response.read()
        return self.client.response_deserialize(response, {"200": "object", "201": "object"}).data

    def ask(self, query: Any, callback: str = "") -> str:
        """Start a query; returns its id."""
        body = {"request": query} | ({"callbackUrl": callback} if callback else {})
        return str(self.call("POST", "/metrics/1/query-aggregate-data", body)["requestId"])

    def result(self, request_id: str) -> Any:
        """Fetch the result of a query."""
        return self.call("GET", "/metrics/1/requests/{requestId}/result", requestId=request_id)


@pytest.fixture(scope="module")
def connection(served: Server) -> Connection:
    """Make an account, and all the calls that it has."""
    found = served.account("infobip-customer")
    calls: list[dict[str, Any]] = [
        {"leg_id": "1", "direction": "outbound", "sip_code": 200, "talk_ms": 30_000},
        {"leg_id": "2", "direction": "outbound", "sip_code": 200, "talk_ms": 60_000},
        {"leg_id": "3", "direction": "outbound", "sip_code": 486},
        {"leg_id": "4", "direction": "outbound", "sip_code": 487},
        {"leg_id": "5", "direction": "inbound", "sip_code": 200, "talk_ms": 60_000},
    ]
    known = {"happened_at": "2026-11-01T12:00:00Z", "resource": found.account}
    served.record([{**call, **known} for call in calls], fact="calls")
    return found


@pytest.fixture(scope="module")
def caller(connection: Connection) -> Caller:
    """Return the account's transport."""
    return Caller(connection)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a callback."""
    with webhook() as running:
        yield running


def test_a_query_is_started_and_its_result_fetched(caller: Caller) -> None:
    """POST, status, result: as the SDK's transport serializes and reads them."""
    request_id = caller.ask(QUERY)
    found = caller.result(request_id)
    assert (found["requestId"], found["status"]) == (request_id, "SUCCESS")
    assert found["response"]["rows"] == ROWS
    status = caller.call("GET", "/metrics/1/requests/{requestId}", requestId=request_id)
    assert status == {"requestId": request_id, "status": "SUCCESS"}


def test_the_result_comes_to_the_callback(caller: Caller, hook: Webhook) -> None:
    """As the original posts it, once; a receiver that is down for a while gets it all the same."""
    request_id = caller.ask(QUERY, f"{hook.base}/receive")
    (heard,) = arrived(hook, 1)
    assert heard.method == "POST"
    assert heard.headers["content-type"].startswith("application/json")
    assert heard.body == caller.result(request_id)
    assert heard.body["response"]["columns"] == [
        {"columnName": "DIRECTION", "columnDataType": "STRING"},
        {"columnName": "CHANNEL_CODE", "columnDataType": "STRING"},
        {"columnName": "TOTAL_CALL_COUNT", "columnDataType": "INTEGER"},
        {"columnName": "ANSWER_RATE", "columnDataType": "NUMBER"},
        {"columnName": "TOTAL_CALL_DURATION", "columnDataType": "INTEGER"},
    ]


def test_a_callback_that_refuses_is_tried_again(tmp_path: Path, hook: Webhook) -> None:
    """By the ladder that every delivery has; on a server of its own, whose clock is nobody else's."""
    with serve(tmp_path) as own:
        hook.refuses = True
        request_id = Caller(own.account("infobip-customer")).ask(QUERY, f"{hook.base}/receive")
        arrived(hook, 1)
        hook.refuses = False
        end = time.monotonic() + 10
        while len(hook.heard()) == 1 and time.monotonic() < end:
            own.clock.advance(15)
            time.sleep(0.05)
        assert [one.body["requestId"] for one in hook.heard()] == [request_id] * 2


def arrived(hook: Webhook, many: int) -> list[Heard]:
    """Return what came once so much has (real time)."""
    end = time.monotonic() + 10
    while len(hook.heard()) < many and time.monotonic() < end:
        time.sleep(0.01)
    assert len(hook.heard()) >= many
    return hook.heard()


def test_every_query_is_measured(served: Server, caller: Caller) -> None:
    """Like any other request here."""
    where = {"service": "metrics", "resource": "infobip-customer", "operation": "QueryAggregateData", "status": "201"}
    (before,) = [*served.ask("requests.count", since="1h", where=where).rows] or [{"requests.count": 0}]
    caller.ask(QUERY)
    (after,) = served.ask("requests.count", since="1h", where=where).rows
    assert after["requests.count"] == before["requests.count"] + 1


def test_errors_are_raised_as_the_sdk_raises_them(caller: Caller, connection: Connection) -> None:
    """With the body of an ApiError."""
    with pytest.raises(BadRequestException) as bad:
        caller.ask({**QUERY, "metrics": ["NO_SUCH", "TOTAL_CALL_COUNT"], "aggregateBy": ["X"]})
    body = msgspec.json.decode(bad.value.body)
    assert [one["property"] for one in body["violations"]] == ["request.aggregateBy[0]", "request.metrics[0]"]
    with pytest.raises(NotFoundException) as missing:
        caller.result("0" * 32)
    assert msgspec.json.decode(missing.value.body)["errorCode"] == "E404"
    with pytest.raises(UnauthorizedException) as stranger:
        Caller(connection, "wrong").ask(QUERY)
    assert stranger.value.status == 401
