"""Vendors' words for what can be asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from trunkline.catalogue.load import load, problems
from trunkline.catalogue.rows import DimensionWord, MetricWord
from trunkline.catalogue.words import Dictionary, nearest

CATALOGUE = load()
DICTIONARY = Dictionary(CATALOGUE)
VOICE = """TOTAL_CALL_COUNT TOTAL_ATTEMPTED_CALL_COUNT TOTAL_SEIZED_CALL_COUNT TOTAL_ANSWERED_CALL_COUNT
AMD_PROCESSED_CALL_COUNT ANSWERED_BY_PERSON_CALL_COUNT ANSWERED_BY_VOICE_DETECTION_CALL_COUNT TOTAL_RECEIVED_CALL_COUNT
NOT_ANSWERED_CALL_COUNT CANCELED_CALL_COUNT FAILED_CALL_COUNT BUSY_CALL_COUNT ANSWER_SEIZURE_RATIO ANSWER_RATE BUSY_RATE
HUNG_UP_COUNT NORMAL_HUNG_UP_COUNT ERROR_HUNG_UP_COUNT TOTAL_CALL_DURATION"""
MESSAGES = """TOTAL_TRAFFIC_COUNT TOTAL_ACCEPTED_TRAFFIC_COUNT TOTAL_SMS_MESSAGES_COUNT INTERACTION_COUNT
UNIQUE_CLICKS_COUNT TOTAL_CLICKS_COUNT UNIQUE_CLICK_THROUGH_RATE DELIVERED_TRAFFIC_COUNT FAILED_TRAFFIC_COUNT
TRAFFIC_DELIVERY_RATE TRAFFIC_DELIVERED_IN_5_SEC_RATE SEEN_OPENED_TRAFFIC_COUNT SEEN_OPENED_TRAFFIC_RATE
TOTAL_SENT_TRAFFIC_COUNT TOTAL_RECEIVED_TRAFFIC_COUNT RECEIVED_TO_SENT_TRAFFIC_RATIO UNIQUE_URL_CLICK_COUNT
TOTAL_BOUNCE_COUNT TOTAL_BOUNCE_RATE TOTAL_SUPPRESSED_COUNT SOFT_BOUNCE_COUNT SOFT_BOUNCE_RATE HARD_BOUNCE_COUNT
HARD_BOUNCE_RATE VIEWED_TOTAL_COUNT VIEWED_TOTAL_RATE TOTAL_CLICK_RATE CLICK_TO_OPEN_RATE UNSUBSCRIBED_USER_COUNT
UNSUBSCRIBED_USER_RATE EMAIL_COMPLAINTS_COUNT EMAIL_COMPLAINTS_RATE TOTAL_DROPPED_COUNT TOTAL_DROPPED_RATE"""
DIMENSIONS = """ACCOUNT_KEY HOUR DAY WEEK_SATURDAY_START WEEK_SUNDAY_START WEEK_MONDAY_START MONTH QUARTER YEAR
TIME_TO_ANSWER CHANNEL_CODE CHANNEL_NAME CAPABILITY DIRECTION SENDER SENDER_TYPE COMMUNICATION NETWORK_ID NETWORK_NAME
COUNTRY_ID COUNTRY_NAME APPLICATION_ID ENTITY_ID STATUS_GROUP STATUS ERROR_GROUP ERROR_CODE"""
OTHER_DIMENSIONS = """ACCOUNT_NAME COUNTRY_CODE CAMPAIGN_REFERENCE TIME_TO_DELIVER TIME_TO_CLICK_FROM_SEEN
TIME_TO_CLICK_FROM_DELIVERED TIME_TO_SEEN_FROM_DELIVERED TIME_TO_OPEN_FROM_DELIVERED TRAFFIC_TYPE URL SENDER_DOMAIN
RECIPIENT_DOMAIN"""


def test_every_documented_metric_and_dimension_is_a_word() -> None:
    """As the vendor's page and description list them, and nothing else; those of calls all have a meaning."""
    words = CATALOGUE.words["infobip"]
    assert sorted(words.metrics) == sorted([*VOICE.split(), *MESSAGES.split()])
    assert sorted(words.dimensions) == sorted([*DIMENSIONS.split(), *OTHER_DIMENSIONS.split()])
    assert not [name for name in VOICE.split() if words.metrics[name].lacks]
    assert not [name for name in DIMENSIONS.split() if words.dimensions[name].lacks]
    assert sorted(words.dimensions["CAPABILITY"].values) == ["PHONE", "SIPTRUNK", "VIBER_BC", "WEBRTC", "WHATSAPP_BC"]


def test_every_request_metric_can_be_asked_for() -> None:
    """It counts the requests of its service, and can be split as the vendor splits it."""
    for service in CATALOGUE.services.values():
        if service.metric is None:
            continue
        assert DICTIONARY.measures[service.metric.name].where == {"service": service.name}
        for name, column in service.metric.dimensions.items():
            word = DICTIONARY.column("requests", name)
            assert word is not None
            assert word.column == column


@pytest.mark.parametrize(
    ("table", "name", "column"),
    [
        ("calls", "DIRECTION", "direction"),
        ("calls", "direction", "direction"),
        ("calls", "countryIds", "country"),
        ("messages", "SENDER_TYPE", "sender_type"),
        ("requests", "status code", "status"),
        ("calls", "extra.team", "extra.team"),
        ("messages", "CAPABILITY", None),
        ("calls", "Operation", None),
        ("calls", "older.x", None),
        ("calls", "extra", None),
    ],
)
def test_a_column_is_found_by_its_name_or_a_vendors_word(table: str, name: str, column: str | None) -> None:
    """In any case; of the facts that have it, and nothing that is inner."""
    found = DICTIONARY.column(table, name)
    assert (found.column if found else None) == column


def test_the_nearest_names_are_found_in_any_case() -> None:
    """Vendors' words among them."""
    assert "TOTAL_SEIZED_CALL_COUNT" in nearest("total_seized_calls_count", DICTIONARY.measures)
    assert "calls.count" in nearest("CALLS.COUNTS", DICTIONARY.measures)
    assert nearest("\u2603" * 50, DICTIONARY.measures) == ""


@pytest.mark.parametrize(
    ("part", "name", "row", "said"),
    [
        ("metrics", "X", MetricWord(means="calls.zeppelins", group="g", label="l", type="t"), "no measure"),
        ("metrics", "X", MetricWord(means="calls.count", group="", label="l", type="t"), "label and a group"),
        ("metrics", "X", MetricWord(means="calls.count", group="g", label="l", type="t", factor=2), "a unit"),
        ("metrics", "APIRequestChat", MetricWord(means="calls.count", group="g", label="l", type="t"), "chat.toml"),
        ("metrics", "X", MetricWord(group="g", label="l", type="t"), "no measure"),
        ("metrics", "X", MetricWord(means="calls.count", lacks="y", group="g", label="l", type="t"), "no measure"),
        (
            "metrics",
            "X",
            MetricWord(means="calls.count", otherwise={"SMS": "calls.x"}, group="g", label="l", type="t"),
            "no measure",
        ),
        ("dimensions", "X", DimensionWord(type="t", column="sender", lacks="y"), "a column or a step"),
        ("dimensions", "X", DimensionWord(type="t"), "a column or a step"),
        ("dimensions", "X", DimensionWord(type="t", column="height"), "no fact has"),
        ("dimensions", "X", DimensionWord(type="t", column="ring_ms", ranges_s=(2, 1)), "rising ranges"),
        ("dimensions", "X", DimensionWord(type="t", column="direction", values={"UP": "up"}), "never has"),
        ("filters", "x", "NOWHERE", "no dimension"),
    ],
)
def test_a_word_that_means_nothing_stops_the_server(part: str, name: str, row: Any, said: str) -> None:
    """Before a port opens, with the row's name."""
    words = CATALOGUE.words["infobip"]
    changed = msgspec.structs.replace(words, **{part: {**getattr(words, part), name: row}})
    found = [*problems(msgspec.structs.replace(CATALOGUE, words={"infobip": changed}))]
    assert len(found) == 1
    assert name in found[0]
    assert said in found[0]
