"""A worked example of messages: what each metric, dimension and filter makes of them, counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apis.infobip.conftest import Client
from tests.support.world import World
from trunkline.catalogue.load import load

OUT, IN = {"direction": "outbound"}, {"direction": "inbound"}
SMS, MAIL = {"channel": "sms"}, {"channel": "email"}
AT = "2026-11-03T12:00:00Z"
# of text messages: 1 of three parts and soon there, 2 later, 3 read, 4 failed, 5 rejected, 6 on its way, 7 came in
MESSAGES: list[dict[str, Any]] = [
    {**SMS, **OUT, "segments": 3, "status": "delivered", "delivered_at": "2026-11-03T12:00:05Z", "tag": "spring"},
    {**SMS, **OUT, "segments": 1, "status": "delivered", "delivered_at": "2026-11-03T12:00:05.001Z", "tag": "spring"},
    {**SMS, **OUT, "segments": 1, "status": "read", "sender": "ACME", "sender_type": "sender name"},
    {**SMS, **OUT, "segments": 2, "status": "failed", "country": "HR"},
    {**SMS, **OUT, "segments": 1, "status": "failed", "status_group": "REJECTED", "error_code": "EC_ILLEGAL_SENDER"},
    {**SMS, **OUT, "segments": 1, "status": "sent"},
    {**SMS, **IN, "segments": 1, "status": "received"},
    {**MAIL, **OUT, "status": "delivered", "sender": "ann@acme.example", "recipient": "bob@shop.example"},
    {**MAIL, **OUT, "status": "failed", "status_group": "REJECTED", "recipient": "x@y.example"},
    {"channel": "whatsapp", **OUT, "status": "read", "application_id": "shop"},
    {"channel": "chat", **OUT, "status": "sent"},  # none of the vendor's channels
]
NA = "N/A"
METRICS: dict[str, tuple[Any, Any, Any]] = {  # of SMS, EMAIL and WHATSAPP
    "TOTAL_TRAFFIC_COUNT": (10, 2, 1),
    "TOTAL_ACCEPTED_TRAFFIC_COUNT": (NA, 1, NA),
    "TOTAL_SMS_MESSAGES_COUNT": (7, NA, NA),
    "TOTAL_SENT_TRAFFIC_COUNT": (9, 2, 1),
    "DELIVERED_TRAFFIC_COUNT": (5, 1, 1),
    "FAILED_TRAFFIC_COUNT": (3, 1, 0),
    "TRAFFIC_DELIVERY_RATE": (5 / 8, 1 / 2, 1.0),  # e-mail: of all that was sent
    "TRAFFIC_DELIVERED_IN_5_SEC_RATE": (3 / 5, 0.0, 0.0),
    "TOTAL_RECEIVED_TRAFFIC_COUNT": (1, 0, 0),
    "RECEIVED_TO_SENT_TRAFFIC_RATIO": (1 / 8, 0.0, 0.0),
    "SEEN_OPENED_TRAFFIC_COUNT": (1, 0, 1),
    "SEEN_OPENED_TRAFFIC_RATE": (1 / 5, 0.0, 1.0),
}
CHANNELS = ["SMS", "EMAIL", "WHATSAPP"]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give a client of the account that has these messages."""
    world = World(Path(tmp_path_factory.mktemp("messages")) / "world")
    client = Client(world)
    rows = [{"message_id": f"m{place}", "happened_at": AT, **one} for place, one in enumerate(MESSAGES)]
    client.put("messages", rows)
    client.put("calls", [{"leg_id": "1", **OUT, "sip_code": 200, "talk_ms": 1000}])
    yield client
    world.close()


def test_each_metric_of_each_channel_is_what_it_is_by_hand(messages: Client) -> None:
    """What nothing here records, and what is of calls, is not available."""
    known = sorted(load().words["infobip"].metrics)
    found = messages.ask(known, ["CHANNEL_CODE"], channels=CHANNELS)
    assert found.keys() == {(channel,) for channel in CHANNELS}
    for (channel,), row in found.items():
        place = CHANNELS.index(channel)
        expected = {name: METRICS[name][place] if name in METRICS else NA for name in known}
        assert dict(zip(known, row, strict=True)) == {name: pytest.approx(value) for name, value in expected.items()}


def test_calls_and_messages_stand_in_one_result(messages: Client) -> None:
    """Each with what the other has not as not available."""
    metrics = ["TOTAL_CALL_COUNT", "TOTAL_TRAFFIC_COUNT", "TOTAL_CLICKS_COUNT"]
    found = messages.ask(metrics, ["DAY", "CHANNEL_NAME", "CAPABILITY"], channels=["VOICE_VIDEO", "SMS"])
    day = "2026-11-03T00:00:00.000+0000"
    assert found == {(day, "Voice and Video", NA): [1, NA, NA], (day, "SMS", NA): [NA, 10, NA]}


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("DIRECTION", {"OUTBOUND": 9, "INBOUND": 1}),
        ("STATUS_GROUP", {"DELIVERED": 6, "UNDELIVERABLE": 2, "REJECTED": 1, "PENDING": 1}),
        (
            "STATUS",
            {"DELIVERED_TO_HANDSET": 6, "UNDELIVERABLE_NOT_DELIVERED": 3, "PENDING_ENROUTE": 1},
        ),
        ("ERROR_GROUP", {"OK": 7, "HANDSET_ERRORS": 3}),
        ("ERROR_CODE", {"NO_ERROR": 7, "EC_UNKNOWN_ERROR": 2, "EC_ILLEGAL_SENDER": 1}),
        ("TIME_TO_DELIVER", {"SECONDS_5-SECONDS_10": 4, NA: 6}),
        ("TIME_TO_ANSWER", {NA: 10}),
        ("CAPABILITY", {NA: 10}),
        ("SENDER_TYPE", {"ALPHANUMERIC": 1, NA: 9}),
        ("CAMPAIGN_REFERENCE", {"spring": 4, NA: 6}),
        ("COUNTRY_ID", {191: 2, NA: 8}),
        ("SENDER_DOMAIN", {NA: 10}),
    ],
)
def test_dimensions_split_text_messages(messages: Client, dimension: str, expected: dict[Any, int]) -> None:
    """Each part stands in one row."""
    found = messages.ask(["TOTAL_TRAFFIC_COUNT"], [dimension], channels=["SMS"])
    assert found == {(value,): [many] for value, many in expected.items()}


def test_domains_are_of_mail_alone(messages: Client) -> None:
    """The sender's and the recipient's."""
    found = messages.ask(["TOTAL_TRAFFIC_COUNT"], ["SENDER_DOMAIN", "RECIPIENT_DOMAIN"], channels=["EMAIL", "SMS"])
    assert found == {
        ("acme.example", "shop.example"): [1],
        (NA, "y.example"): [1],
        (NA, NA): [10],
    }


@pytest.mark.parametrize(
    ("filters", "many"),
    [
        ({"campaignReferenceIds": ["spring"]}, 4),
        ({"statusGroups": ["REJECTED"]}, 1),
        ({"statusGroups": ["UNDELIVERABLE", "PENDING"]}, 3),
        ({"statuses": ["UNDELIVERABLE_NOT_DELIVERED"]}, 3),
        ({"errorCodes": ["EC_ILLEGAL_SENDER"]}, 1),
        ({"errorGroups": ["OK"]}, 7),
        ({"timeToDeliver": [{"from": "SECONDS_5", "to": "SECONDS_10"}]}, 4),
        ({"timeToDeliver": [{"to": "SECONDS_5"}]}, 0),
        ({"timeToAnswer": [{}]}, 0),
        ({"capabilities": ["PHONE"]}, 10),  # they are about calls alone
        ({"directions": ["INBOUND"]}, 1),
    ],
    ids=str,
)
def test_filters_leave_text_messages_out(messages: Client, filters: dict[str, Any], many: int) -> None:
    """By what they carry, or by what became of them."""
    assert messages.total("TOTAL_TRAFFIC_COUNT", channels=["SMS"], **filters) == many
