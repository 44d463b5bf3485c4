"""The Metrics API asked with the transport of Infobip's own Python SDK, which has no client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("infobip_api_client")
from infobip_api_client.api_client import ApiClient, Configuration

from tests.support.webhook import Webhook, webhook
from trunkline.connection import Connection
from trunkline.library.served import Server

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
