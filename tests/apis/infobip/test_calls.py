"""A worked example: eleven calls, and what each metric, dimension and filter makes of them, counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apis.infobip.conftest import Client
from tests.support.world import World
from trunkline.catalogue.load import load

OUT, IN = {"direction": "outbound"}, {"direction": "inbound"}
FIRST = {
    "application_id": "shop",
    "entity_id": "north",
    "sender": "+18005550199",
    "sender_type": "toll free",
    "recipient": "+385911234567",
    "network_id": "21910",
    "network_name": "Ring",
    "communication_id": "77",
    "capability": "phone",
}
SECOND = {
    "application_id": "shop",
    "entity_id": "south",
    "sender": "ACME",
    "sender_type": "sender name",
    "country": "US",
    "network_id": "310410",
    "network_name": "Bell",
    "capability": "sip trunk",
}
# 1 to 3 answered, 4 busy, 5 not answered, 6 cancelled, 7 rejected, 8 bad number, 9 failed, 10 and 11 inbound
CALLS: list[dict[str, Any]] = [
    {
        **OUT,
        **FIRST,
        "sip_code": 200,
        "ring_ms": 3000,
        "talk_ms": 60_000,
        "amd_processed": True,
        "answered_by": "human",
    },
    {
        **OUT,
        **FIRST,
        "sip_code": 200,
        "ring_ms": 7000,
        "talk_ms": 30_000,
        "amd_processed": True,
        "answered_by": "machine",
    },
    {**OUT, **SECOND, "sip_code": 200, "ring_ms": 500, "talk_ms": 10_000, "q850_cause": 41},
    {**OUT, **SECOND, "sip_code": 486, "seized": False},
    {**OUT, **SECOND, "sip_code": 480, "ring_ms": 20_000},
    {**OUT, "sip_code": 487, "capability": "webrtc"},
    {**OUT, "sip_code": 603, "happened_at": "2026-11-01T00:00:00Z"},
    {**OUT, "sip_code": 404, "happened_at": "2026-11-02T10:30:00Z"},
    {
        **OUT,
        "sip_code": 503,
        "happened_at": "2026-11-07T23:59:59Z",
        "status_group": "REJECTED",
        "status": "REJECTED_NETWORK",
    },
    {
        **IN,
        "sender": "+385911234567",
        "network_name": "Ring",
        "sip_code": 200,
        "ring_ms": 1000,
        "talk_ms": 120_000,
        "capability": "phone",
    },
    {**IN, "sender": "+18005550100", "sip_code": 603, "error_group": "OK", "error_code": "MINE"},
]
METRICS = {
    "TOTAL_CALL_COUNT": 11,
    "TOTAL_ATTEMPTED_CALL_COUNT": 9,
    "TOTAL_SEIZED_CALL_COUNT": 4,  # 1, 2, 3, 5
    "TOTAL_ANSWERED_CALL_COUNT": 4,  # 1, 2, 3, 10
    "AMD_PROCESSED_CALL_COUNT": 2,
    "ANSWERED_BY_PERSON_CALL_COUNT": 1,
    "ANSWERED_BY_VOICE_DETECTION_CALL_COUNT": 1,
    "TOTAL_RECEIVED_CALL_COUNT": 2,
    "NOT_ANSWERED_CALL_COUNT": 1,
    "CANCELED_CALL_COUNT": 1,
    "FAILED_CALL_COUNT": 4,  # 7, 8, 9, 11
    "BUSY_CALL_COUNT": 1,
    "ANSWER_SEIZURE_RATIO": 3 / 4,  # outbound only
    "ANSWER_RATE": 3 / 9,
    "BUSY_RATE": 1 / 9,
    "HUNG_UP_COUNT": 4,
    "NORMAL_HUNG_UP_COUNT": 3,
    "ERROR_HUNG_UP_COUNT": 1,  # 3
    "TOTAL_CALL_DURATION": 220,
}
NA = "N/A"
DAYS = {"01": 1, "02": 1, "03": 8, "07": 1}
BY = {
    "DAY": {f"2026-11-{day}T00:00:00.000+0000": many for day, many in DAYS.items()},
    "HOUR": {
        "2026-11-01T00:00:00.000+0000": 1,
        "2026-11-02T10:00:00.000+0000": 1,
        "2026-11-03T12:00:00.000+0000": 8,
        "2026-11-07T23:00:00.000+0000": 1,
    },
    # 1 November 2026 is a Sunday; whole weeks, months … hold the call before the span or the one after it, too
    "WEEK_SATURDAY_START": {"2026-10-31T00:00:00.000+0000": 11, "2026-11-07T00:00:00.000+0000": 2},
    "WEEK_SUNDAY_START": {"2026-11-01T00:00:00.000+0000": 11},
    "WEEK_MONDAY_START": {"2026-10-26T00:00:00.000+0000": 2, "2026-11-02T00:00:00.000+0000": 11},
    "MONTH": {"2026-11-01T00:00:00.000+0000": 12},
    "QUARTER": {"2026-10-01T00:00:00.000+0000": 13},
    "YEAR": {"2026-01-01T00:00:00.000+0000": 13},
    "TIME_TO_ANSWER": {
        "SECONDS_0-SECONDS_1": 1,
        "SECONDS_1-SECONDS_2": 1,
        "SECONDS_3-SECONDS_4": 1,
        "SECONDS_5-SECONDS_10": 1,
        NA: 7,
    },
    "TIME_TO_DELIVER": {NA: 11},
    "CHANNEL_CODE": {"VOICE_VIDEO": 11},
    "CHANNEL_NAME": {"Voice and Video": 11},
    "CAPABILITY": {"PHONE": 3, "SIPTRUNK": 3, "WEBRTC": 1, NA: 4},
    "DIRECTION": {"OUTBOUND": 9, "INBOUND": 2},
    "SENDER": {"+18005550199": 2, "ACME": 3, "+385911234567": 1, "+18005550100": 1, NA: 4},
    "SENDER_TYPE": {"TOLL_FREE_NUMBER": 2, "ALPHANUMERIC": 3, NA: 6},
    "COMMUNICATION": {77: 2, NA: 9},
    "NETWORK_ID": {219010: 2, 310410: 3, NA: 6},
    "NETWORK_NAME": {"Ring": 3, "Bell": 3, NA: 5},
    "COUNTRY_ID": {191: 3, 840: 4, NA: 4},
    "COUNTRY_NAME": {"Croatia": 3, "United States": 4, NA: 4},
    "COUNTRY_CODE": {"HR": 3, "US": 4, NA: 4},
    "APPLICATION_ID": {"shop": 5, NA: 6},
    "ENTITY_ID": {"north": 2, "south": 3, NA: 6},
    "STATUS_GROUP": {"DELIVERED": 4, "UNDELIVERABLE": 4, "REJECTED": 3},
    "STATUS": {
        "DELIVERED_TO_HANDSET": 4,
        "BUSY": 1,
        "NO_ANSWER": 1,
        "CANCELLED": 1,
        "REJECTED": 2,
        "UNDELIVERABLE_NOT_DELIVERED": 1,
        "REJECTED_NETWORK": 1,
    },
    "ERROR_GROUP": {"OK": 5, "USER_ERRORS": 4, "OPERATOR_ERRORS": 2},
    "ERROR_CODE": {
        "NORMAL_HANGUP": 4,
        "BUSY": 1,
        "NO_ANSWER": 1,
        "CANCELLED": 1,
        "REJECTED": 1,
        "DESTINATION_NOT_FOUND": 1,
        "SERVICE_UNAVAILABLE": 1,
        "MINE": 1,
    },
    "ACCOUNT_NAME": {"trunkline": 11},
    "CAMPAIGN_REFERENCE": {NA: 11},
    "SENDER_DOMAIN": {NA: 11},
    "RECIPIENT_DOMAIN": {NA: 11},
    "TRAFFIC_TYPE": {NA: 11},
    "URL": {NA: 11},
    "TIME_TO_CLICK_FROM_SEEN": {NA: 11},
    "TIME_TO_CLICK_FROM_DELIVERED": {NA: 11},
    "TIME_TO_SEEN_FROM_DELIVERED": {NA: 11},
    "TIME_TO_OPEN_FROM_DELIVERED": {NA: 11},
}


def bucket(since: str, until: str = "") -> dict[str, str]:
    """Return a span of time buckets."""
    return {"from": since} | ({"to": until} if until else {})


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give a client of the account that has these calls."""
    world = World(Path(tmp_path_factory.mktemp("calls")) / "world")
    client = Client(world)
    client.put("calls", [{"leg_id": f"leg {place}", **call} for place, call in enumerate(CALLS)])
    # what is none of the span's
    client.put("calls", [{"leg_id": "before", **OUT, "happened_at": "2026-10-31T23:59:59.999Z"}])
    client.put("calls", [{"leg_id": "after", **OUT, "happened_at": "2026-11-08T00:00:00Z"}])
    yield client
    world.close()


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_is_what_it_is_by_hand(calls: Client, metric: str) -> None:
    """By its definition."""
    assert calls.total(metric) == pytest.approx(METRICS[metric])


def test_all_metrics_are_asked_at_once(calls: Client) -> None:
    """In the order in which they were asked for; those of messages are not available."""
    known = load().words["infobip"].metrics
    (row,) = calls.ask(sorted(known)).values()
    assert dict(zip(sorted(known), row, strict=True)) == {
        name: pytest.approx(METRICS[name]) if name in METRICS else NA for name in known
    }


@pytest.mark.parametrize("dimension", load().words["infobip"].dimensions)
def test_each_dimension_splits_the_calls(calls: Client, dimension: str) -> None:
    """Each call stands in one part."""
    expected = BY.get(dimension) or {calls.account.sid[2:].upper(): 11}
    assert calls.ask(by=[dimension]) == {(value,): [many] for value, many in expected.items()}


@pytest.mark.parametrize(
    ("filters", "many"),
    [
        ({}, 11),
        ({"directions": ["OUTBOUND"]}, 9),
        ({"direction": "INBOUND"}, 2),
        ({"directions": ["OUTBOUND", "INBOUND"]}, 11),
        ({"directions": []}, 11),
        ({"capabilities": ["PHONE", "WEBRTC"]}, 4),
        ({"capability": "SIPTRUNK"}, 3),
        ({"capabilities": ["VIBER_BM"]}, 0),
        ({"senders": ["ACME", "+18005550199"]}, 5),
        ({"sender": "ACME"}, 3),
        ({"senderTypes": ["ALPHANUMERIC"]}, 3),
        ({"senderType": "TOLL_FREE_NUMBER"}, 2),
        ({"communicationIds": [77, 78]}, 2),
        ({"communicationId": "77"}, 2),
        ({"networkIds": [219010]}, 2),
        ({"networkId": 310410}, 3),
        ({"networkIds": [1]}, 0),
        ({"countryIds": [191, 840]}, 7),
        ({"countryId": 840}, 4),
        ({"countryIds": [4242]}, 0),
        ({"applicationId": "shop"}, 5),
        ({"applicationId": ["shop", "other"]}, 5),
        ({"applicationIds": ["other"]}, 0),
        ({"applicationId": ""}, 11),
        ({"entityId": "north"}, 2),
        ({"entityId": ["north", "south"]}, 5),
        ({"applicationId": "shop", "entityId": "south"}, 3),
        ({"platforms": [{"applicationId": "shop", "entityId": "north"}]}, 2),
        ({"platforms": [{"applicationId": "shop", "entityId": "north"}, {"entityId": "south"}]}, 5),
        ({"platforms": [{"applicationId": "shop"}]}, 5),
        ({"platforms": [{"applicationId": "x", "entityId": "north"}]}, 0),
        ({"platform": {"entityId": "north"}, "direction": "INBOUND"}, 0),
        ({"statusGroups": ["DELIVERED", "REJECTED"]}, 7),
        ({"statusGroup": "UNDELIVERABLE"}, 4),
        ({"statusGroups": ["EXPIRED"]}, 0),
        ({"statuses": ["REJECTED", "BUSY"]}, 3),
        ({"statuses": ["REJECTED_NETWORK"]}, 1),
        ({"status": "UNDELIVERABLE_NOT_DELIVERED"}, 1),
        ({"statuses": ["no such"]}, 0),
        ({"errorGroups": ["OK"]}, 5),
        ({"errorGroup": ["USER_ERRORS", "OPERATOR_ERRORS"]}, 6),
        ({"errorCodes": ["SERVICE_UNAVAILABLE", "MINE"]}, 2),
        ({"errorCode": "REJECTED"}, 1),
        ({"errorCode": "UNKNOWN"}, 0),
        ({"timeToAnswer": [bucket("SECONDS_0", "SECONDS_1")]}, 1),
        ({"timeToAnswer": [bucket("SECONDS_1", "SECONDS_3")]}, 1),
        ({"timeToAnswer": [bucket("SECONDS_3", "SECONDS_4"), bucket("SECONDS_5")]}, 2),
        ({"timeToAnswer": bucket("SECONDS_0")}, 4),
        ({"timeToAnswer": [{}]}, 4),
        ({"timeToDeliver": [bucket("SECONDS_0")]}, 0),
        ({"timeToClickFromSeen": [bucket("SECONDS_0")]}, 0),
        ({"timeToClickFromDelivered": [bucket("SECONDS_0")]}, 0),
        ({"timeToSeenFromDelivered": [bucket("SECONDS_0")]}, 0),
        ({"timeToOpenFromDelivered": [bucket("SECONDS_0")]}, 0),
        ({"trafficTypes": ["UTILITY_CONVERSATION"]}, 0),
        ({"campaignReferenceIds": ["x"]}, 0),
        ({"includeSubaccounts": False}, 11),
        ({"accountKeys": ["trunkline"]}, 11),
        ({"channelCodes": None, "channelCode": "VOICE_VIDEO"}, 11),
        ({"sentSince": None, "sentSinces": "2026-11-02T00:00:00Z"}, 10),
        ({"sentUntil": None, "sentUntils": ["2026-11-03T00:00:00.000+0000"]}, 2),
        ({"sentSince": "2026-11-02T12:30:00.000+0200"}, 10),
        ({"sentSince": "2026-11-02T12:30:00.001+0200"}, 9),
        ({"sentUntil": "2026-11-07T23:59:59.000+0000"}, 10),
    ],
    ids=str,
)
def test_each_filter_under_each_of_its_names(calls: Client, filters: dict[str, Any], many: int) -> None:
    """As an array or as one value; filters are all met, of the values of one any."""
    assert calls.total(**filters) == many


def test_each_capability_that_is_shown_is_taken_by_the_filter(client: Client) -> None:
    """Also that of SIP user agents, for which the original has no word."""
    known = ["phone", "webrtc", "sip trunk", "sip", "viber", "whatsapp"]
    client.put("calls", [{"leg_id": one, "direction": "outbound", "capability": one} for one in known])
    shown = client.ask(by=["CAPABILITY"])
    assert set(shown) == {("PHONE",), ("WEBRTC",), ("SIPTRUNK",), ("SIP",), ("VIBER_BC",), ("WHATSAPP_BC",)}
    assert [client.total(capabilities=word) for (word,) in shown] == [1] * len(known)


def test_only_the_finest_dimension_of_time_is_kept_and_the_channel_always(calls: Client) -> None:
    """Whatever the order in which they were asked for."""
    found = calls.result(calls.query(by=["MONTH", "DIRECTION", "HOUR", "DAY", "WEEK_SUNDAY_START"]))
    assert found["columns"] == [
        {"columnName": "DIRECTION", "columnDataType": "STRING"},
        {"columnName": "HOUR", "columnDataType": "DATE_TIME"},
        {"columnName": "CHANNEL_CODE", "columnDataType": "STRING"},
        {"columnName": "TOTAL_CALL_COUNT", "columnDataType": "INTEGER"},
    ]
    assert found["rows"][0] == ["OUTBOUND", "2026-11-01T00:00:00.000+0000", "VOICE_VIDEO", 1]
    assert [row[1] for row in found["rows"]] == sorted(row[1] for row in found["rows"])


@pytest.mark.parametrize(
    ("by", "since", "until", "used"),
    [
        ([], "2026-11-01T10:20:30.4Z", "2026-11-03T11:30:00Z", ("11-01T10:20:30.400", "11-03T11:30:00.000")),
        (["HOUR"], "2026-11-01T10:20:30Z", "2026-11-03T11:30:00Z", ("11-01T10:00:00.000", "11-03T12:00:00.000")),
        (["DAY"], "2026-11-01T10:20:30Z", "2026-11-03T00:00:00Z", ("11-01T00:00:00.000", "11-03T00:00:00.000")),
        (
            ["WEEK_SATURDAY_START"],
            "2026-11-01T00:00:00Z",
            "2026-11-02T00:00:00Z",
            ("10-31T00:00:00.000", "11-07T00:00:00.000"),
        ),
        (
            ["WEEK_SUNDAY_START"],
            "2026-11-01T00:00:00Z",
            "2026-11-02T00:00:00Z",
            ("11-01T00:00:00.000", "11-08T00:00:00.000"),
        ),
        (
            ["WEEK_MONDAY_START"],
            "2026-11-01T00:00:00Z",
            "2026-11-03T00:00:00Z",
            ("10-26T00:00:00.000", "11-09T00:00:00.000"),
        ),
        (["MONTH"], "2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z", ("10-01T00:00:00.000", "11-01T00:00:00.000")),
        (["QUARTER"], "2026-08-05T00:00:00Z", "2026-10-01T00:00:00Z", ("07-01T00:00:00.000", "10-01T00:00:00.000")),
        # nothing has happened after the period that runs now: it is noon of 21 November
        (["HOUR"], "2026-11-21T00:00:00Z", "2026-12-03T00:00:00Z", ("11-21T00:00:00.000", "11-21T13:00:00.000")),
        (["DAY"], "2026-11-20T12:00:00Z", "2027-11-03T00:00:00Z", ("11-20T00:00:00.000", "11-22T00:00:00.000")),
        ([], "2026-11-20T12:00:00Z", "2027-11-03T00:00:00Z", ("11-20T12:00:00.000", "11-21T12:00:00.001")),
    ],
)
def test_the_period_is_what_was_really_used(calls: Client, by: list[str], since: str, until: str, used: Any) -> None:
    """Whole steps of the finest dimension of time, and not what has not begun."""
    period = calls.result(calls.query(by=by, sentSince=since, sentUntil=until))["requestedPeriod"]
    assert tuple(period.values()) == tuple(f"2026-{moment}+0000" for moment in used)


def test_days_of_a_time_zone_begin_there(calls: Client) -> None:
    """Beyond the original: in New York the first call was made the day before, and summer time ended that night."""
    request = {
        "filterBy": {
            "channelCodes": ["VOICE_VIDEO"],
            "sentSince": "2026-10-31T12:00:00.000-0400",
            "sentUntil": "2026-11-03T00:00:00.000-0500",
        },
        "aggregateBy": ["DAY"],
        "metrics": ["TOTAL_CALL_COUNT"],
        "timeZone": "America/New_York",
    }
    found = calls.result(calls.send("POST", "/metrics/1/query-aggregate-data?", json={"request": request}))
    assert [(row[0], row[2]) for row in found["rows"]] == [
        ("2026-10-31T00:00:00.000-0400", 2),
        ("2026-11-02T00:00:00.000-0500", 1),
    ]
    assert found["requestedPeriod"] == {
        "sentSince": "2026-10-31T04:00:00.000+0000",
        "sentUntil": "2026-11-03T05:00:00.000+0000",
    }


def test_nothing_is_no_row_and_a_rate_of_nothing_is_zero(calls: Client) -> None:
    """A zero denominator answers 0."""
    assert calls.ask(statuses=["no such"]) == {}
    rates = ["ANSWER_RATE", "ANSWER_SEIZURE_RATIO", "BUSY_RATE", "TOTAL_CALL_DURATION"]
    assert calls.ask(rates, directions=["INBOUND"]) == {(): [0.0, 0.0, 0.0, 120]}
