"""The events of a call: groups, names and levels in the original's words, and what stands under an edge."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.insights import Insights, error_of
from trunkline.catalogue.twilio.words import words

AT = "2026-11-21T11:59:00.250Z"
SENSOR = {
    "client_name": "phone-1",
    "latitude": "37.4192",
    "longitude": "-122.0574",
    "city": "Mountain View",
    "country": "US",
    "country_subdivision": "California",
    "ip_address": "192.0.2.7",
    "sdk_type": "voice-android",
    "sdk_version": "4.5.1",
    "platform": "android",
    "selected_region": "gll",
    "os_name": "android",
    "os_version": "4.3",
    "device_model": "GT-I9300",
    "device_type": "GT-I9300",
    "device_vendor": "samsung",
    "device_arch": "armeabi-v7a",
}


def happen(insights: Insights, *events: dict[str, Any], capability: str = "webrtc") -> list[Any]:
    """Post a call with events; returns those that are listed unless told otherwise."""
    insights.post("calls", {"leg_id": "leg", "capability": capability, "happened_at": AT})
    insights.post("call-events", *({"call_id": "leg", "happened_at": AT, **one} for one in events))
    found: list[Any] = insights.get("leg/Events")["events"]
    return found


def test_an_error_in_an_application_is_the_documented_sample(insights: Insights) -> None:
    """With its code as a number, and who and what is at the other end of the sensor."""
    (event,) = happen(
        insights, {"edge": "sdk", "topic": "connection", "name": "error", "level": "error", "code": "31600",
                   "extra": SENSOR}
    )  # fmt: skip
    assert event == {
        "timestamp": AT,
        "call_sid": event["call_sid"],
        "account_sid": insights.sid,
        "edge": "sdk_edge",
        "group": "connection",
        "name": "error",
        "level": "ERROR",
        "sdk_edge": {
            "error": {"code": 31600},
            "metadata": {
                "client_name": "phone-1",
                "location": {"lat": 37.4192, "lon": -122.0574},
                "city": "Mountain View",
                "country_code": "US",
                "country_subdivision": "California",
                "ip_address": "192.0.2.7",
                "sdk": {
                    "type": "voice-android",
                    "version": "4.5.1",
                    "platform": "android",
                    "selected_region": "gll",
                    "os": {"name": "android", "version": "4.3"},
                    "device": {"model": "GT-I9300", "type": "GT-I9300", "vendor": "samsung", "arch": "armeabi-v7a"},
                },
            },
        },
        "client_edge": None,
        "carrier_edge": None,
        "sip_edge": None,
    }


def test_a_gateway_tells_how_a_call_went_on(insights: Insights) -> None:
    """With where it stands."""
    (event,) = happen(
        insights,
        {"edge": "carrier", "topic": "connection", "name": "completed", "extra": {"region": "us1"}},
        capability="phone",
    )
    assert (event["group"], event["name"], event["level"]) == ("connection", "completed", "INFO")
    assert event["carrier_edge"] == {"metadata": {"region": "us1"}}


@pytest.mark.parametrize("group", sorted(set(words().event_groups) - set(words().edgeless)))
def test_our_topics_are_the_original_s_groups(insights: Insights, group: str) -> None:
    """Blanks become dashes; so do those of names, and of topics that nobody knows."""
    topic = words().event_groups[group]
    named, other = happen(
        insights,
        {"edge": "sdk", "topic": topic, "name": "high packet loss", "level": "warning"},
        {"edge": "sdk", "topic": "my own kind", "name": "x", "level": "debug"},
    )
    assert (named["group"], named["name"], named["level"]) == (group, "high-packet-loss", "WARNING")
    assert (other["group"], other["level"]) == ("my-own-kind", "DEBUG")


def test_events_of_a_conversation_are_of_no_edge(insights: Insights) -> None:
    """They stand beside those of the usual edge; only errors have a level."""
    first, second = happen(
        insights,
        {"topic": "conversation relay", "name": "call wrap up"},
        {"topic": "conversation relay", "name": "error", "level": "error"},
    )
    assert [first[key] for key in ("group", "name", "level", "edge")] == [
        "conversation_relay",
        "call_wrap_up",
        None,
        None,
    ]
    assert [second[key] for key in ("name", "level", "edge")] == ["error", "ERROR", None]


def test_each_edge_s_events_are_shown_when_asked_for(insights: Insights) -> None:
    """By default those of the call's usual edge, and those that are of none."""
    listed = happen(
        insights, *({"edge": edge, "name": edge} for edge in ("sdk", "client", "carrier", "sip", "unknown"))
    )
    assert [one["name"] for one in listed] == ["sdk", "unknown"]
    for word, edge in words().edges.items():
        (event,) = insights.get("leg/Events", Edge=word)["events"]
        assert (event["edge"], event["name"]) == (word, edge)
    assert len(insights.get("leg/Events", Edge="all")["events"]) == 5
    assert error_of(insights.ask("leg/Events", Edge="x")) == (400, 20001)


def test_events_are_paged_like_metrics(insights: Insights) -> None:
    """Each once, in the order of time."""
    happen(insights, *({"edge": "sdk", "name": f"n{n}", "happened_at": f"2026-11-21T11:59:0{n}Z"} for n in range(5)))
    page = insights.get("leg/Events", PageSize=2)
    names = []
    while True:
        names += [one["name"] for one in page["events"]]
        if not page["meta"]["next_page_url"]:
            break
        page = insights.get(page["meta"]["next_page_url"])
    assert names == ["n0", "n1", "n2", "n3", "n4"]
    assert page["meta"]["key"] == "events"
