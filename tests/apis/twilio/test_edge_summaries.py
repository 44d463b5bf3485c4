"""What the readings of a call come to, edge by edge, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.insights import Insights
from trunkline.catalogue.twilio.sids import derived

AT = "2026-11-21T11:59:00Z"


def summary(insights: Insights, *samples: dict[str, Any], **call: Any) -> Any:
    """Post a call that ended, with readings a second apart; returns its summary."""
    insights.post("calls", {"leg_id": "leg", "happened_at": AT, "ended_at": "2026-11-21T11:59:40Z", **call})
    insights.post(
        "samples",
        *({"call_id": "leg", "happened_at": f"2026-11-21T11:59:{n:02}Z", **one} for n, one in enumerate(samples)),
    )
    return insights.get("leg/Summary")


def test_a_gateway_s_last_count_is_its_total(insights: Insights) -> None:
    """What counts since the call began is told by the last reading, in each direction."""
    reading = {"edge": "carrier", "codec": "pcmu"}
    found = summary(
        insights,
        {**reading, "direction": "inbound", "total_packets_received": 100, "total_packets_lost": 0,
         "total_jitter_max_ms": 1.4, "total_jitter_avg_ms": 0.9},
        {**reading, "direction": "outbound", "total_packets_sent": 110, "total_packets_lost": 1,
         "total_jitter_max_ms": 0.5, "total_jitter_avg_ms": 0.4},
        {**reading, "direction": "inbound", "total_packets_received": 190, "total_packets_lost": 10,
         "total_jitter_max_ms": 1.5, "total_jitter_avg_ms": 0.5, "latency_ms": 2},
        {**reading, "direction": "outbound", "total_packets_sent": 200, "total_packets_lost": 1,
         "total_jitter_max_ms": 0.5, "total_jitter_avg_ms": 0.3},
        capability="phone",
        direction="inbound",
        extra={"media_region": "us1", "signaling_region": "us1", "edge_location": "ashburn", "trunk_id": "TK1"},
    )  # fmt: skip
    assert found["carrier_edge"] == {
        "properties": {"media_region": "us1", "signaling_region": "us1", "edge_location": "ashburn",
                       "direction": "inbound"},
        "metrics": {
            "inbound": {"codec": 0, "codec_name": "pcmu", "packets_received": 190, "packets_lost": 10,
                        "packets_loss_percentage": 5, "jitter": {"max": 1.5, "avg": 0.5},
                        "latency": {"max": 2, "avg": 2}},
            "outbound": {"codec": 0, "codec_name": "pcmu", "packets_sent": 200, "packets_lost": 1,
                         "packets_loss_percentage": 0.5, "jitter": {"max": 0.5, "avg": 0.3}},
        },
    }  # fmt: skip
    assert [found[edge] for edge in ("sip_edge", "client_edge", "sdk_edge")] == [None, None, None]


def test_intervals_are_added_where_nothing_counts_from_the_beginning(insights: Insights) -> None:
    """Packets are summed, jitter is averaged; a codec that changed divides nothing."""
    reading = {"edge": "client", "direction": "inbound"}
    found = summary(
        insights,
        *({**reading, "codec": "opus", "packets_received": 50, "packets_lost": 0, "jitter_ms": ms} for ms in (2, 4, 6)),
        {**reading, "codec": "pcmu", "packets_received": 40, "packets_lost": 10, "jitter_ms": 8},
        capability="webrtc",
        direction="outbound",
    )
    assert found["client_edge"]["metrics"]["inbound"] == {
        "codec": 111, "codec_name": "opus", "packets_received": 190, "packets_lost": 10, "packets_loss_percentage": 5,
        "jitter": {"max": 8, "avg": 5}}  # fmt: skip


def test_an_application_s_edge_tells_scores_round_trips_and_loudness(insights: Insights) -> None:
    """The scores are worked out where they are missing: 4.39 at 81 ms and 9 ms of jitter; its events are counted."""
    reading = {"edge": "sdk", "direction": "both", "packets_lost": 0, "packets_received": 50, "audio_in_level": 81}
    insights.post(
        "call-events",
        *({"call_id": "leg", "happened_at": AT, "edge": "sdk", **one} for one in (
            {"name": "stable", "topic": "signaling state", "level": "debug"},
            {"name": "closed", "topic": "signaling state", "level": "debug"},
            {"name": "error", "topic": "connection", "level": "error", "code": "31600"})),
        {"call_id": "leg", "happened_at": AT, "edge": "client", "name": "ringing", "topic": "connection"},
    )  # fmt: skip
    found = summary(
        insights,
        {**reading, "rtt_ms": 81, "jitter_ms": 9, "total_packets_sent": 49, "codec": "opus"},
        {**reading, "rtt_ms": 50, "jitter_ms": 5, "total_packets_sent": 99, "codec": "opus", "audio_in_level": 91},
        capability="webrtc",
        direction="outbound",
        extra={"hung_up_by": "recipient", "dscp": "true", "sdk_edge": "roaming", "selected_edges": "roaming, ashburn"},
        sender="alice",
        answered_at=AT,
    )
    block = found["sdk_edge"]
    assert block["metrics"]["inbound"] == {
        "packets_received": 100, "packets_lost": 0, "packets_loss_percentage": 0, "jitter": {"max": 9, "avg": 7},
        "mos": {"max": 4.41, "avg": 4.4, "min": 4.39}, "rtt": {"max": 81, "avg": 65.5, "min": 50},
        "audio_in": {"max": 91, "avg": 86}, "tags": None}  # fmt: skip
    assert block["metrics"]["outbound"] == {"codec": 111, "codec_name": "opus", "packets_sent": 99}
    assert block["properties"] == {
        "direction": "outbound",
        "disconnected_by": "remote",
        "settings": {"dscp": True, "edge": "roaming", "selected_edges": ["roaming", "ashburn"]},
    }
    assert block["events"] == {
        "levels": {"DEBUG": 2, "ERROR": 1},
        "groups": {"signaling_state": 2, "connection": 1},
        "errors": {"31600": 1},
        "feedback": None,
    }


@pytest.mark.parametrize(
    ("direction", "sip", "carrier"), [("outbound", "inbound", "outbound"), ("inbound", "outbound", "inbound")]
)
def test_what_goes_out_over_a_trunk_came_in_by_its_sip_edge(
    insights: Insights, direction: str, sip: str, carrier: str
) -> None:
    """Seen from the two gateways, a call over a trunk passes through."""
    found = summary(
        insights,
        *({"edge": edge, "direction": "inbound", "packets_received": 1} for edge in ("sip", "carrier")),
        capability="sip trunk",
        direction=direction,
        extra={"trunk_id": "TK1"},
    )
    assert found["sip_edge"]["properties"] == {"direction": sip, "trunk_sid": "TK1"}
    assert found["carrier_edge"]["properties"] == {"direction": carrier}


def test_a_queued_call_was_created_before_it_was_started(insights: Insights) -> None:
    """By as long as it waited; moments are written in whole seconds, since the SDKs read no others."""
    found = summary(
        insights,
        capability="phone",
        direction="outbound",
        happened_at="2026-11-21T11:59:00.700Z",
        seized_at="2026-11-21T11:59:01Z",
        answered_at="2026-11-21T11:59:10Z",
        sip_code=200,
        extra={"queue_ms": "2000", "hung_up_by": "sender", "in_conference": "true"},
    )
    assert [found[name] for name in ("created_time", "start_time", "end_time")] == [
        "2026-11-21T11:58:58Z", "2026-11-21T11:59:00Z", "2026-11-21T11:59:40Z"]  # fmt: skip
    assert (found["duration"], found["connect_duration"]) == (41, 30)
    assert found["properties"] == {
        "queue_time": 2000, "last_sip_response_num": 200, "pdd_ms": 300, "direction": "outbound_api",
        "disconnected_by": "caller"}  # fmt: skip
    assert found["attributes"] == {"conference_participant": True}


def test_a_call_s_tags_are_shown_where_they_belong(insights: Insights) -> None:
    """Those of gateways at the call, those of the application's sensor at its edge, and a filter finds both."""
    reading = {"edge": "sdk", "direction": "both", "packets_received": 50}
    found = summary(
        insights,
        reading,
        capability="webrtc",
        tags={"high jitter": "{}", "short duration": "{}", "sdk low mos": "{}", "silence": "", "my own": "{}"},
    )
    assert found["tags"] == ["high_jitter", "pstn_short_duration"]
    assert found["sdk_edge"]["metrics"]["inbound"]["tags"] == ["low_mos"]
    insights.post("calls", {"leg_id": "plain", "happened_at": AT, "ended_at": AT, "tags": {"silence": ""}})
    tagged = insights.get("Summaries", HasTag="true")["call_summaries"]
    assert [one["call_sid"] for one in tagged] == [found["call_sid"]]
    assert len(insights.get("Summaries", HasTag="false")["call_summaries"]) == 1


def test_a_list_tells_of_each_leg_what_its_own_summary_does(insights: Insights) -> None:
    """What bears an id that is another leg's own, be it the other system's, is not shown at its call's other legs."""
    theirs = "CA" + "5" * 32
    at = {"happened_at": AT, "ended_at": AT, "capability": "phone"}
    insights.post(
        "calls",
        {"leg_id": "parent", "call_id": theirs, "foreign_ids": {"theirs": theirs}, **at},
        {"leg_id": "child", "call_id": theirs, **at},
        {"leg_id": "other", "call_id": "both", **at},
    )
    insights.post(
        "samples",
        *(
            {"call_id": one, "edge": "carrier", "direction": "inbound", "happened_at": AT, "packets_received": 5}
            for one in (theirs, "both")
        ),
    )
    listed = {one["call_sid"]: one for one in insights.get("Summaries")["call_summaries"]}
    for sid, many in ((theirs, 5), (derived("child"), None), (derived("other"), 5)):
        alone = insights.get(f"{sid}/Summary")["carrier_edge"]
        received = alone.get("metrics", {}).get("inbound", {}).get("packets_received")
        assert (received, listed[sid]["carrier_edge"]) == (many, alone)
