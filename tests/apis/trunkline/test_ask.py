"""Questions over what was measured."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.world import World
from trunkline.apis.trunkline import tabled


def test_a_question_counts_the_requests_before_it(own: Any, world: World) -> None:
    """Split by operation and status, over the last hour unless told otherwise."""
    user = world.user()
    world.thread(user)
    answer = own("POST", "/ask", json={"measures": ["requests.count"], "by": ["operation", "status"]})
    assert answer.status == 200
    counted = {tuple(point["split"]): point["values"][0] for point in answer.json["points"]}
    assert counted["CreateIdentity", "201"] == 1
    assert counted["CreateChatThread", "201"] == 1


def test_who_is_confined_sees_his_own_resource_only(own: Any, world: World) -> None:
    """Whatever the question's conditions say."""
    own("PUT", "/accounts/shop")
    world.user()
    theirs = world.house.resources.get("shop").api_key
    question = {"measures": ["requests.count"], "where": [{"column": "resource", "values": ["trunkline"]}]}
    answer = own("POST", "/ask", json=question, token=theirs)
    assert [point["values"][0] for point in answer.json["points"]] in ([], [0])


def test_a_series_has_a_point_for_each_step(own: Any, world: World) -> None:
    """Steps count from the start."""
    world.user()
    world.advance(120)
    world.user()
    start = "2026-11-21T12:00:00Z"
    question = {"measures": ["requests.count"], "start": start, "end": "2026-11-21T12:05:00Z", "step_s": 60}
    question["where"] = [{"column": "service", "values": ["authentication"]}]
    points = own("POST", "/ask", json=question).json["points"]
    assert [(point["at"], point["values"]) for point in points] == [
        ("2026-11-21T12:00:00.000Z", [1]),
        ("2026-11-21T12:02:00.000Z", [1]),
    ]


@pytest.mark.parametrize(
    "question",
    [
        {"measures": []},
        {"measures": ["requests.zeppelins"]},
        {"measures": ["requests.count"], "by": ["password; DROP TABLE requests"]},
        {"measures": ["requests.count"], "start": "2026-11-21T12:00:00Z", "end": "2026-11-21T11:00:00Z"},
        {"measures": ["requests.count"], "step_s": 0},
        {"measures": ["requests.count"], "start": "2020-01-01T00:00:00Z", "step_s": 1},
        {"measures": ["requests.count"], "where": [{"column": "service", "values": ["x"], "op": "eval"}]},
    ],
)
def test_a_question_that_cannot_be_answered_is_a_problem(own: Any, question: dict[str, Any]) -> None:
    """400 with a sentence, never a mistake of the server."""
    answer = own("POST", "/ask", json=question)
    assert answer.status == 400
    assert answer.json["detail"]


@pytest.mark.parametrize(
    ("span", "status"),
    [
        ({"end": "0001-01-01T00:00:00Z"}, 400),
        ({"end": "0001-01-01T00:30:00Z"}, 200),
        ({"start": "0001-01-01T00:00:00+14:00"}, 400),
        ({"end": "9999-12-31T23:59:59-14:00"}, 400),
        ({"start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"}, 200),
        ({"start": "0001-01-01T00:00:00", "end": "0001-01-01T00:00:01"}, 200),
    ],
)
def test_a_span_at_the_calendars_ends_is_answered_or_refused(own: Any, span: dict[str, str], status: int) -> None:
    """A zone may carry a moment past the years 1 to 9999, and so may the hour before it."""
    assert own("POST", "/ask", json={"measures": ["requests.count"], **span}).status == status


def lines(*rows: dict[str, Any]) -> bytes:
    """Write one JSON object a line."""
    return b"\n".join(map(msgspec.json.encode, rows))


@pytest.fixture(name="calls")
def posted(own: Any) -> Any:
    """Post some calls of three countries; returns how to ask."""
    rows = [
        {"leg_id": f"{country}{n}", "country": country, "sip_code": 200, "talk_ms": n * 1000, "happened_at": at}
        for country, count in (("HR", 3), ("US", 2), ("DE", 1))
        for n, at in zip(
            range(count), ("2026-11-21T11:30:00Z", "2026-11-20T23:30:00Z", "2026-11-20T22:30:00Z"), strict=False
        )
    ]
    assert own("POST", "/calls", body=lines(*rows)).json["accepted"] == 6
    return own


def test_the_top_leaves_the_rest_together(calls: Any) -> None:
    """Marked as such."""
    question = {"measures": ["calls.count", "calls.duration_max"], "by": ["country"], "since": "3d"}
    points = calls("POST", "/ask", json={**question, "top": {"most": 1}}).json["points"]
    assert [(point["split"], point["values"], point.get("others")) for point in points] == [
        (["HR"], [3, 2000.0], None),
        ([""], [3, 1000.0], True),
    ]
    assert len(calls("POST", "/ask", json={**question, "top": {"most": 1, "others": False}}).json["points"]) == 1
    cut = calls("POST", "/ask", json={**question, "limit": 2}).json
    assert (len(cut["points"]), cut["cut"]) == (2, True)


def test_days_begin_where_they_do(calls: Any) -> None:
    """And so does today."""
    question = {"measures": ["calls.count"], "since": "yesterday", "step": "day", "zone": "Europe/Zagreb"}
    points = calls("POST", "/ask", json=question).json["points"]
    assert [(point["at"], point["values"]) for point in points] == [
        ("2026-11-19T23:00:00.000Z", [1]),
        ("2026-11-20T23:00:00.000Z", [5]),
    ]
    today = calls("POST", "/ask", json={**question, "since": "today", "zone": "UTC"}).json["points"]
    assert [point["values"] for point in today] == [[3]]


def test_an_answer_comes_as_a_table(calls: Any) -> None:
    """CSV or Arrow, by member or by header."""
    question = {"measures": ["calls.count"], "by": ["country"], "since": "3d"}
    sheet = calls("POST", "/ask", json={**question, "format": "csv"})
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    assert sheet.body.decode().splitlines()[1:] == [
        f"2026-11-18T12:00:00.000000Z,{c}" for c in ("DE,1", "HR,3", "US,2")
    ]
    arrow = calls("POST", "/ask", json={**question, "format": "arrow"}).body
    table = pa.ipc.open_stream(arrow).read_all()
    assert table.select(["country", "calls.count"]).to_pylist()[1] == {"country": "HR", "calls.count": 3}


def test_a_plan_is_explained(calls: Any) -> None:
    """With marks where the values are bound."""
    plan = calls("POST", "/ask", json={"measures": ["calls.count"], "explain": True}).json
    assert plan["sql"].count("?") == len(plan["bound"])
    assert "FROM calls" in plan["sql"]


def test_facts_are_listed_in_order_and_by_pages(calls: Any, world: World) -> None:
    """By an id, by conditions, and of the caller's account only."""
    first = calls("POST", "/facts", json={"fact": "calls", "since": "3d", "limit": 4}).json
    rest = calls("POST", "/facts", json={"fact": "calls", "since": "3d", "skip": first["next_skip"]}).json
    legs = [row["leg_id"] for row in first["rows"] + rest["rows"]]
    assert legs == ["HR2", "HR1", "US1", "DE0", "HR0", "US0"]
    assert "next_skip" not in rest
    assert first["rows"][0]["outcome"] == "answered"
    found = calls("POST", "/facts", json={"fact": "calls", "since": "3d", "id": "US1"}).json["rows"]
    assert [row["leg_id"] for row in found] == ["US1"]
    long = [{"column": "talk_ms", "values": ["1000"], "op": "at least"}]
    found = calls("POST", "/facts", json={"fact": "calls", "since": "3d", "where": long, "newest_first": True}).json
    assert [row["leg_id"] for row in found["rows"]] == ["US1", "HR1", "HR2"]
    calls("PUT", "/accounts/shop")
    theirs = world.house.resources.get("shop").api_key
    assert calls("POST", "/facts", json={"fact": "calls", "since": "3d"}, token=theirs).json["rows"] == []


@pytest.mark.parametrize(
    "question",
    [
        {"since": "1h", "start": "2026-11-21T10:00:00Z"},
        {"since": "soon"},
        {"since": "999999999w"},
        {"step": "day", "step_s": 60},
        {"step": "fortnight"},
        {"step": "day", "zone": "Middle/Earth"},
        {"step": "minute", "since": "52w"},
        {"step": "day", "start": "0001-01-01T00:00:00Z"},
        {"top": {"most": 0}, "by": ["country"]},
        {"top": {"most": 1}},
        {"limit": 0},
        {"where": [{"column": "country", "values": ["1"], "op": "at least"}]},
        {"where": [{"column": "mos", "values": ["nan"], "op": "at least"}]},
        {"where": [{"column": "mos", "values": [], "op": "less than"}]},
    ],
)
def test_words_that_cannot_be_read_are_a_problem(own: Any, question: dict[str, Any]) -> None:
    """400 with a sentence."""
    answer = own("POST", "/ask", json={"measures": ["calls.count"], **question})
    assert answer.status == 400, answer.body
    assert answer.json["detail"]


def test_tables_come_as_parquet_too(calls: Any) -> None:
    """By member or by header; facts with the types of their columns, also where there are none."""
    question = {"measures": ["calls.count"], "by": ["country"], "since": "3d"}
    answer = calls("POST", "/ask", json={**question, "format": "parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.body))
    assert table.column("calls.count").to_pylist() == [1, 3, 2]
    for since, count in (("3d", 6), ("1s", 0)):
        answer = calls("POST", "/facts", json={"fact": "calls", "since": since, "format": "parquet"})
        table = pq.read_table(io.BytesIO(answer.body))
        assert (table.num_rows, table.schema.field("talk_ms").type) == (count, pa.float64())
        assert table.schema.field("happened_at").type == pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/vnd.apache.parquet", "parquet"),
        ("application/vnd.apache.arrow.stream;q=0.9, */*", "arrow"),
        ("text/html, text/csv", "csv"),
        ("application/json, text/csv", "json"),
        ("", "json"),
    ],
)
def test_the_form_is_what_the_client_accepts_first(accept: str, form: str) -> None:
    """Unless the body says which."""
    assert tabled.form_of("", accept) == form
    assert tabled.form_of("csv", accept) == "csv"


def test_vendors_words_are_understood(calls: Any) -> None:
    """For measures, columns, values and steps; the answer has the caller's own."""
    calls("POST", "/calls", body=lines({"leg_id": "o", "direction": "outbound", "country": "AT", "talk_ms": 2000}))
    question = {"measures": ["TOTAL_CALL_COUNT", "total_call_duration"], "by": ["COUNTRY_NAME"], "since": "3d"}
    answer = calls("POST", "/ask", json={**question, "where": [{"column": "DIRECTION", "values": ["OUTBOUND"]}]}).json
    assert (answer["measures"], answer["by"]) == (question["measures"], ["COUNTRY_NAME"])
    assert [(point["split"], point["values"]) for point in answer["points"]] == [(["AT"], [1, 2.0])]
    own = calls("POST", "/ask", json={**question, "where": [{"column": "direction", "values": ["OUTBOUND"]}]}).json
    assert own["points"] == answer["points"]
    days = {**question, "by": ["MONTH", "DAY", "countryIds"], "zone": "Europe/Zagreb", "format": "csv"}
    sheet = calls("POST", "/ask", json=days).body.decode().splitlines()
    assert sheet[0] == "DAY,countryIds,TOTAL_CALL_COUNT,total_call_duration"
    assert sheet[1].startswith("2026-11-19T23:00:00.000000Z,HR,1")
    ranked = calls("POST", "/ask", json={**question, "top": {"most": 1}}).json["points"]
    assert [point["split"] for point in ranked] == [["HR"], [""]]


def test_request_metrics_are_asked_for_by_their_names(own: Any, world: World) -> None:
    """Several services at once, split by the metric's own dimensions."""
    world.thread(world.user())
    question = {"measures": ["APIRequestAuthentication", "APIRequestChat"], "by": ["Operation", "Status Code"]}
    points = own("POST", "/ask", json=question).json["points"]
    counted = {tuple(point["split"]): point["values"] for point in points}
    assert counted["CreateIdentity", "201"] == [1, 0]
    assert counted["CreateChatThread", "201"] == [0, 1]
    assert len(counted) == 2  # nothing of what other services were asked for
    own("POST", "/ask", json={"measures": ["requests.count"]})
    ranked = own("POST", "/ask", json={**question, "top": {"most": 5}}).json["points"]
    assert {tuple(point["split"]) for point in ranked} == set(counted)
    plan = own("POST", "/ask", json={**question, "explain": True}).json
    assert plan["meant"] == {
        "APIRequestAuthentication": "requests.count where service is authentication",
        "APIRequestChat": "requests.count where service is chat",
        "Operation": "operation",
        "Status Code": "status",
    }
    assert "meant" not in own("POST", "/ask", json={"measures": ["requests.count"], "explain": True}).json


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"measures": ["TOTAL_SEIZED_CALLS"]}, "TOTAL_SEIZED_CALL_COUNT"),
        ({"measures": ["TOTAL_CALL_COUNT"], "by": ["COUNTRY_NAMES"]}, "COUNTRY_NAME"),
        ({"measures": ["TOTAL_CALL_COUNT"], "by": ["Operation"]}, "no column"),
        ({"measures": ["TOTAL_CALL_COUNT"], "by": ["DAY"], "step": "hour"}, "give no other"),
        ({"measures": ["TOTAL_CALL_COUNT"], "by": ["TIME_TO_ANSWER"]}, "ring_ms is at least"),
        ({"measures": ["TOTAL_CALL_COUNT"], "where": [{"column": "DAY", "values": ["1"]}]}, "since and until"),
        ({"measures": ["TOTAL_CALL_COUNT", "APIRequestChat"]}, "same fact"),
        ({"measures": ["calls.count", "calls.count"]}, "twice"),
    ],
)
def test_a_word_that_does_not_fit_is_a_problem(own: Any, question: dict[str, Any], said: str) -> None:
    """400 with a sentence that helps."""
    answer = own("POST", "/ask", json=question)
    assert (answer.status, said in answer.json["detail"]) == (400, True), answer.body


def test_facts_are_found_by_vendors_words(calls: Any) -> None:
    """In conditions; the rows have our columns."""
    where = [{"column": "countryIds", "values": ["US"]}]
    found = calls("POST", "/facts", json={"fact": "calls", "since": "3d", "where": where}).json["rows"]
    assert [row["leg_id"] for row in found] == ["US1", "US0"]
    where = [{"column": "countryKeys", "values": ["US"]}]
    assert "countryIds" in calls("POST", "/facts", json={"fact": "calls", "where": where}).json["detail"]
