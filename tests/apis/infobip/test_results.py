"""Results: their forms, the settings that change them, and what becomes of a query that cannot be answered."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from tests.apis.infobip.conftest import QUERY, REQUESTS, SPAN, Client
from tests.delivery.rig import until
from tests.support.webhook import webhook
from tests.support.world import World
from trunkline.apis.infobip import answers, metrics, rendered
from trunkline.delivery import queue

METRICS = ["TOTAL_CALL_COUNT", "ANSWER_RATE", "TOTAL_TRAFFIC_COUNT"]
BY = ["HOUR", "SENDER", "NETWORK_ID"]


@pytest.fixture
def calls(client: Client) -> Client:
    """Give a client with a few calls."""
    out = {"direction": "outbound", "network_id": "21910"}
    client.put(
        "calls", [{"leg_id": "1", **out, "sender": "=1+1", "sip_code": 200}, {"leg_id": "2", **out, "sender": "+12"}]
    )
    return client


def fetch(client: Client, accept: str, **asked: Any) -> Any:
    """Fetch a result in a form."""
    started = client.query(METRICS, BY, **asked)
    assert started.status == 201, started.body
    return client.send("GET", f"{REQUESTS}{started.json['requestId']}/result", headers={"accept": accept})


def test_a_result_is_fetched_as_a_sheet(calls: Client) -> None:
    """With the columns' names first; a cell that a spreadsheet would run is tamed."""
    answer = fetch(calls, "text/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    names, *rows = csv.reader(io.StringIO(answer.body.decode()))
    assert names == ["HOUR", "SENDER", "NETWORK_ID", "CHANNEL_CODE", *METRICS]
    hour = "2026-11-03T12:00:00.000+0000"
    assert sorted(rows) == [
        [hour, "'=1+1", "219010", "VOICE_VIDEO", "1", "1.0", "N/A"],
        [hour, "+12", "219010", "VOICE_VIDEO", "1", "0.0", "N/A"],
    ]


def test_a_result_is_fetched_as_a_table(calls: Client) -> None:
    """With the columns' own types; what is not available is null."""
    answer = fetch(calls, "application/vnd.apache.arrow.stream")
    assert answer.headers["content-type"] == rendered.ARROW
    table = pa.ipc.open_stream(answer.body).read_all()
    assert table.schema.types == [
        pa.timestamp("ms", tz="UTC"),
        pa.string(),
        pa.int64(),
        pa.string(),
        pa.int64(),
        pa.float64(),
        pa.int64(),
    ]
    hour = datetime(2026, 11, 3, 12, tzinfo=UTC)
    assert {row["SENDER"]: list(row.values()) for row in table.to_pylist()} == {
        "=1+1": [hour, "=1+1", 219010, "VOICE_VIDEO", 1, 1.0, None],
        "+12": [hour, "+12", 219010, "VOICE_VIDEO", 1, 0.0, None],
    }
    assert pa.ipc.open_stream(fetch(calls, rendered.ARROW, senders=["x"]).body).read_all().num_rows == 0


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", rendered.JSON),
        ("*/*", rendered.JSON),
        ("text/html, application/json;q=0.9", rendered.JSON),
        ("text/csv", rendered.CSV),
        ("application/json;q=0.5, TEXT/CSV; header=present", rendered.CSV),
        ("text/csv;q=0, */*", rendered.JSON),
        ("text/csv;q=x", rendered.JSON),
        ("image/png", rendered.JSON),
        (rendered.ARROW, rendered.ARROW),
        ("*/*;q=0.1, application/vnd.apache.arrow", rendered.ARROW),
    ],
)
def test_the_form_is_what_accept_wants_most(accept: str, form: str) -> None:
    """JSON unless another one is named."""
    assert rendered.form_of(accept) == form


def test_rates_are_percentages_when_set(make_world: Callable[..., World]) -> None:
    """But a ratio of messages is none."""
    client = Client(make_world(infobip_rates="percent"))
    client.put("calls", [{"leg_id": str(n), "direction": "outbound", "sip_code": 486 if n else 200} for n in range(4)])
    client.put("messages", [{"message_id": way, "channel": "sms", "direction": way} for way in ("inbound", "outbound")])
    assert client.ask(["ANSWER_RATE", "BUSY_RATE", "TOTAL_CALL_COUNT"]) == {(): [25.0, 75.0, 4]}
    assert client.ask(["RECEIVED_TO_SENT_TRAFFIC_RATIO"], channels=["SMS"]) == {(): [1.0]}


@pytest.mark.parametrize(
    ("setting", "many", "since"),
    [
        ({}, 1, "2025-05-15T00:00:00.000+0000"),
        ({"infobip_voice_since": ""}, 2, "2025-05-01T00:00:00.000+0000"),
        ({"infobip_voice_since": "2025-06-02"}, 0, "2025-06-01T00:00:00.000+0000"),
    ],
)
def test_calls_from_before_the_vendors_day_are_left_out(
    make_world: Callable[..., World], setting: dict[str, str], many: int, since: str
) -> None:
    """Unless a setting says otherwise; messages are not."""
    client = Client(make_world(**setting))
    days = ("2025-05-14T23:59:59Z", "2025-05-15T00:00:00Z")
    client.put("calls", [{"leg_id": at, "happened_at": at, "direction": "outbound"} for at in days])
    client.put(
        "messages", [{"message_id": at, "happened_at": at, "channel": "sms", "direction": "outbound"} for at in days]
    )
    span = {"sentSince": "2025-05-10T00:00:00Z", "sentUntil": "2025-05-20T00:00:00Z"}
    found = client.result(client.query(by=["MONTH"], **span))
    assert sum(row[-1] for row in found["rows"]) == many
    assert found["requestedPeriod"]["sentSince"] == since
    both = client.ask(["TOTAL_TRAFFIC_COUNT"], ["CHANNEL_CODE"], channels=["VOICE_VIDEO", "SMS"], **span)
    assert both["SMS",] == [2]


def test_a_result_with_too_many_rows_failed(calls: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says so, and the callback hears of it."""
    monkeypatch.setattr(answers, "MOST_ROWS", 1)
    with webhook() as hook:
        request = {
            "filterBy": {
                "channelCodes": ["VOICE_VIDEO"],
                "sentSince": "2026-11-01T00:00:00Z",
                "sentUntil": "2026-11-08T00:00:00Z",
            },
            "aggregateBy": ["SENDER"],
            "metrics": ["TOTAL_CALL_COUNT"],
        }
        body = {"request": request, "callbackUrl": f"{hook.base}/x"}
        started = calls.send("POST", "/metrics/1/query-aggregate-data?", json=body).json["requestId"]
        found = calls.send("GET", f"{REQUESTS}{started}/result", headers={"accept": "text/csv"})
        assert found.json.keys() == {"requestId", "status", "failureMessage"}
        assert found.json["status"] == "FAILED"
        assert "more than 1 rows" in found.json["failureMessage"]
        assert calls.send("GET", f"{REQUESTS}{started}").json == found.json
        calls.world.until(lambda: len(hook.heard()) == 1)
        assert hook.heard()[0].body == found.json


def test_a_result_that_nobody_takes_is_a_dead_letter(calls: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like any event that cannot be delivered: of its account, with why, after what."""
    with webhook() as hook:
        monkeypatch.setattr(hook, "hear", lambda _: (400, {}, None))
        request = {"filterBy": {"channelCodes": ["SMS"], **SPAN}, "aggregateBy": [], "metrics": ["TOTAL_TRAFFIC_COUNT"]}
        body = {"request": request, "callbackUrl": f"{hook.base}/x"}
        started = calls.send("POST", QUERY, json=body).json["requestId"]
        calls.world.run(until(lambda: buried(calls)))
    calls.world.advance(301)
    listed = calls.world.call("GET", "/api/v1/dead-letters?", token=calls.account.api_key).json
    (letter,) = listed["dead_letters"]
    assert letter["subscription"] == "report"
    assert letter["event"]["requestId"] == started
    assert letter["event"]["deadLetterReason"] == "UndeliverableDueToHttpBadRequest"


async def buried(client: Client) -> int:
    """Count the parcels that were given up."""
    return (await client.world.house.database.read(queue.counts))["dead"]


def test_a_callback_at_a_private_address_is_refused_where_that_is_set(make_world: Callable[..., World]) -> None:
    """By the guard that every webhook has."""
    client = Client(make_world(private_webhooks="refuse"))
    for url in ("http://127.0.0.1:9/x", "http://10.0.0.1/x", "http://[::1]/x"):
        answer = client.send("POST", QUERY, json={"callbackUrl": url, "request": {}})
        assert "callbackUrl" in {one["property"] for one in answer.json["violations"]}


def test_whoever_fetches_too_early_is_told_to_come_back(calls: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that takes long answers 202 with how far it is."""
    monkeypatch.setattr(metrics, "PATIENCE_S", 0.05)
    settled = calls.world.house.recorder.settled
    held = asyncio.Event()

    async def wait(tables: Collection[str] = ()) -> None:
        await held.wait()
        await settled(tables)

    monkeypatch.setattr(calls.world.house.recorder, "settled", wait)
    started = calls.query().json["requestId"]
    early = calls.send("GET", f"{REQUESTS}{started}/result")
    assert (early.status, early.headers["retry-after"]) == (202, "1")
    assert early.json == {"requestId": started, "status": "IN_PROGRESS"}
    assert calls.send("GET", f"{REQUESTS}{started}").json["status"] == "IN_PROGRESS"
    held.set()
    calls.world.run(calls.world.house.reports.wait(started, 5))
    assert calls.send("GET", f"{REQUESTS}{started}/result").json["status"] == "SUCCESS"


def test_a_query_that_a_stop_interrupted_is_answered_after_it(calls: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was asked: of the accounts and of the moment of then."""
    world = calls.world
    held = asyncio.Event()
    monkeypatch.setattr(world.house.recorder, "settled", lambda _tables=(): held.wait())
    started = calls.query(["TOTAL_CALL_COUNT"]).json["requestId"]
    world.restart()
    found = {"status": "IN_PROGRESS"}
    for _ in range(200):
        if found["status"] != "IN_PROGRESS":
            break
        world.run(asyncio.sleep(0.02))
        found = calls.send("GET", f"{REQUESTS}{started}/result").json
    assert found["response"]["rows"] == [["VOICE_VIDEO", 2]]
