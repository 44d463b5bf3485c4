"""Rules of quality: each fires beyond its threshold, and not at or below it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.catalogue.load import load
from trunkline.insight.readings import values_of
from trunkline.insight.rules import Finding, Stream, changes, quality_of, read, tags_of, written

RULES = {name: rule for name, rule in load().quality.items() if rule.set == "tags"}
POOR = {name: rule for name, rule in load().quality.items() if rule.set == "poor streams"}
LEG = {"answered": True, "direction": "outbound", "capability": "phone"}


def found(values: dict[str, float], edge: str = "carrier", direction: str = "inbound", **of_leg: Any) -> set[str]:
    """Return the tags of a leg with one stream."""
    stream = Stream(edge=edge, direction=direction, values=values)
    return set(tags_of(RULES, {**LEG, **of_leg}, {}, [stream]))


def of_call(values: dict[str, float | None], **of_leg: Any) -> set[str]:
    """Return the tags of a leg without a stream."""
    return set(tags_of(RULES, {**LEG, **of_leg}, values, []))


@pytest.mark.parametrize("edge", ["carrier", "sip", "client"])
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ({"jitter_avg_ms": 5, "jitter_max_ms": 30}, {"high jitter"}),
        ({"jitter_avg_ms": 4.99, "jitter_max_ms": 300}, set()),
        ({"jitter_avg_ms": 50, "jitter_max_ms": 29.99}, set()),
        ({"jitter_avg_ms": 50}, set()),
        ({"delayed_percent": 1}, set()),
        ({"delayed_percent": 1.01}, {"high jitter"}),
        ({"loss_percent": 4.99}, set()),
        ({"loss_percent": 5}, set()),
        ({"loss_percent": 5.01}, {"high packet loss"}),
        ({"rtt_avg_ms": 1000, "mos_avg": 1}, set()),
        ({}, set()),
    ],
)
def test_a_gateways_stream_is_judged_in_either_direction(
    edge: str, direction: str, values: dict[str, float], tags: set[str]
) -> None:
    """Jitter and loss; round trip and score are the SDK's matter."""
    assert found(values, edge, direction) == tags


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ({"latency_avg_ms": 150}, set()),
        ({"latency_avg_ms": 150.1}, {"high latency"}),
        ({"packets_received": 0}, {"silence"}),
        ({"packets_received": 1}, set()),
        ({"packets_received": 1, "audio_in_level": 0}, {"silence"}),
        ({"packets_received": 1, "audio_in_level": 0.1}, set()),
    ],
)
def test_what_a_gateway_receives_is_judged_for_silence_and_latency(values: dict[str, float], tags: set[str]) -> None:
    """What it sends is not, and silence is none in a call that nobody answered."""
    assert found(values) == tags
    assert found(values, direction="outbound") == set()
    assert found(values, answered=False) == tags - {"silence"}


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ({"rtt_avg_ms": 400}, set()),
        ({"rtt_avg_ms": 400.1}, {"sdk high latency"}),
        ({"mos_avg": 3.5}, set()),
        ({"mos_avg": 3.49}, {"sdk low mos"}),
        ({"jitter_avg_ms": 5, "jitter_max_ms": 30}, {"sdk high jitter"}),
        ({"jitter_avg_ms": 4.9, "jitter_max_ms": 30}, set()),
        ({"jitter_avg_ms": 5, "jitter_max_ms": 29}, set()),
        ({"delayed_percent": 50}, set()),
        ({"loss_percent": 5}, set()),
        ({"loss_percent": 5.1}, {"sdk high packet loss"}),
        ({"latency_avg_ms": 900, "packets_received": 0, "audio_in_level": 0}, set()),
    ],
)
def test_the_sdks_stream_has_rules_of_its_own(values: dict[str, float], tags: set[str]) -> None:
    """Latency and jitter mean other things there."""
    assert found(values, "sdk", "both") == tags
    assert found(values, "unknown", "both") == set()


@pytest.mark.parametrize(
    ("edge", "name", "count", "tags"),
    [
        ("sdk", "ice failed", 1, {"sdk ice failure"}),
        ("sdk", "ice-connection-state/failed", 2, {"sdk ice failure"}),
        ("sdk", "failed", 1, set()),
        ("sdk", "ice failed", 0, set()),
        ("client", "ice failed", 1, set()),
    ],
)
def test_a_failure_of_ice_is_told_by_an_event(edge: str, name: str, count: int, tags: set[str]) -> None:
    """It is the SDK's."""
    assert set(tags_of(RULES, LEG, {}, [Stream(edge=edge, name=name, values={"events": count})])) == tags


def test_a_call_is_short_under_ten_seconds_of_talk() -> None:
    """On the telephone network, when it was answered."""
    assert of_call({"talk_ms": 9_999.9}) == {"short duration"}
    assert of_call({"talk_ms": 10_000}) == set()
    assert of_call({"talk_ms": None}) == set()
    assert of_call({"talk_ms": 1}, answered=False) == set()
    assert of_call({"talk_ms": 1}, capability="webrtc") == set()
    assert of_call({"talk_ms": 1}, capability="") == {"short duration"}


def test_a_post_dial_delay_is_high_beyond_that_of_95_of_100_calls() -> None:
    """Where that is known, and the call was made by the account."""
    assert of_call({"dial_ms": 2000, "dial_p95_ms": 2000}) == set()
    assert of_call({"dial_ms": 2000.1, "dial_p95_ms": 2000}) == {"high post-dial delay"}
    assert of_call({"dial_ms": 2000.1, "dial_p95_ms": None}) == set()
    assert of_call({"dial_ms": 2000.1, "dial_p95_ms": 2000}, direction="inbound") == set()


def test_a_tag_tells_its_rule_and_its_values_and_where_else_it_held() -> None:
    """Compact JSON, which fits into a column's entry."""
    values = {"jitter_avg_ms": 7.123456, "jitter_max_ms": 41.0, "loss_percent": 1.0}
    streams = [Stream(edge=edge, direction="inbound", values=values) for edge in ["carrier", "sip"] * 20]
    text = written(tags_of(RULES, LEG, {}, streams)["high jitter"])
    told = json.loads(text)
    assert told["rule"] == "jitter_avg_ms >= 5 and jitter_max_ms >= 30"
    assert (told["edge"], told["direction"]) == ("carrier", "inbound")
    assert told["values"] == {"jitter_avg_ms": 7.1235, "jitter_max_ms": 41.0}
    assert told["also"][0]["edge"] == "sip"
    assert len(text) < 2000


@pytest.mark.parametrize(
    ("value", "at", "beyond", "name"),
    [
        ("jitter_avg_ms", 30, 30.1, "poor jitter"),
        ("loss_percent", 10, 10.1, "poor packet loss"),
        ("rtt_avg_ms", 500, 500.1, "poor round trip"),
        ("jitter_buffer_avg_ms", 200, 200.1, "poor jitter buffer"),
        ("jitter_buffer_max_ms", 200, 200.1, "poor jitter buffer"),
        ("healed_percent", 10, 10.1, "poor healing"),
    ],
)
def test_the_other_set_of_rules_is_about_every_edge(value: str, at: float, beyond: float, name: str) -> None:
    """Those of poor streams."""
    for edge in ("sdk", "carrier", "unknown"):
        assert tags_of(POOR, LEG, {}, [Stream(edge=edge, direction="both", values={value: at})]) == {}
        assert set(tags_of(POOR, LEG, {}, [Stream(edge=edge, direction="both", values={value: beyond})])) == {name}


@pytest.mark.parametrize(
    ("value", "at", "beyond", "name", "media"),
    [
        ("frames_per_second", 7, 6.9, "poor frame rate", ("", "video")),
        ("height_px", 240, 239.9, "poor height", ("", "video")),
        ("freeze_per_minute_ms", 6000, 6000.1, "poor freeze", ("", "video")),
        ("frames_per_second", 1, 0.9, "poor screen frame rate", ("screen",)),
        ("height_px", 768, 767.9, "poor screen height", ("screen",)),
        ("freeze_per_minute_ms", 25_000, 25_000.1, "poor screen freeze", ("screen",)),
    ],
)
def test_a_picture_has_other_bounds_than_a_screen(
    value: str, at: float, beyond: float, name: str, media: tuple[str, ...]
) -> None:
    """A picture is a camera's unless it is said to be a screen; sound has neither."""

    def poor(number: float, of: str) -> set[str]:
        one = Stream(edge="sdk", direction="inbound", media=of, values={value: number})
        return set(tags_of(POOR, LEG, {}, [one]))

    for of in media:
        assert poor(at, of) == set()
        assert poor(beyond, of) == {name}
    assert poor(beyond, "audio") == set()


def test_a_stream_is_poor_once_however_many_of_its_values_are_out_of_range() -> None:
    """And a call is impacted as soon as one is; what has no value of the rules is not counted."""
    good = Stream(edge="sdk", direction="inbound", values={"jitter_avg_ms": 30, "rtt_avg_ms": None})
    bad = Stream(edge="sdk", direction="outbound", media="video", id="7", values={"jitter_avg_ms": 31, "height_px": 1})
    silent = Stream(edge="sdk", direction="both", values={"packets_received": 5, "jitter_avg_ms": None})
    event = Stream(edge="sdk", name="ice failed", values={"events": 3})
    found = quality_of(POOR, LEG, [good, bad, silent, event])
    assert (found.streams, found.poor_streams, found.impacted) == (2, 1, True)
    assert found.findings.keys() == {"poor jitter", "poor height"}
    told = found.findings["poor height"]
    assert (told.media, told.stream, told.values) == ("video", "7", {"height_px": 1.0})
    spared = quality_of(POOR, LEG, [good])
    assert (spared.streams, spared.poor_streams, spared.impacted) == (1, 0, False)


# --- the values of a stream ---

NOTHING: dict[str, float | None] = dict.fromkeys(
    (
        *("jitter_avg", "jitter_max", "total_jitter_avg", "total_jitter_max", "latency_avg", "rtt_avg", "mos_avg"),
        *("loss_avg", "lost", "received", "sent", "total_lost", "total_received", "total_sent", "audio_in"),
        *("buffer_avg", "buffer_max", "healed", "frame_rate", "height", "freeze"),
    )
)


@pytest.mark.parametrize(
    ("measured", "direction", "expected"),
    [
        ({"lost": 5, "received": 95}, "inbound", {"loss_percent": 5.0, "packets_received": 95}),
        ({"total_lost": 1, "total_received": 99, "lost": 50, "received": 50}, "both", {"loss_percent": 1.0}),
        ({"total_lost": 5, "total_sent": 50}, "outbound", {"loss_percent": 10.0, "packets_received": None}),
        ({"total_lost": 5, "total_sent": 50, "total_received": 95}, "inbound", {"loss_percent": 5.0}),
        ({"lost": 0, "received": 0}, "inbound", {"loss_percent": None, "packets_received": 0}),
        ({"loss_avg": 7.0}, "inbound", {"loss_percent": 7.0}),
        ({"jitter_avg": 1, "jitter_max": 9}, "inbound", {"jitter_avg_ms": 1, "jitter_max_ms": 9}),
        ({"jitter_avg": 1, "total_jitter_avg": 2}, "inbound", {"jitter_avg_ms": 2}),
        ({"jitter_max": 9, "total_jitter_max": 8}, "inbound", {"jitter_max_ms": 9}),
        ({"mos_avg": 2.0, "rtt_avg": 81, "jitter_avg": 9, "loss_avg": 0}, "both", {"mos_avg": 2.0}),
        ({}, "both", {"mos_avg": None, "loss_percent": None, "packets_received": None}),
    ],
)
def test_the_values_of_a_stream_are_of_the_whole_call(
    measured: dict[str, float], direction: str, expected: dict[str, float | None]
) -> None:
    """What counts since the call began goes before what was read now and then."""
    values = values_of({**NOTHING, **measured}, direction, None)
    assert {name: values[name] for name in expected} == expected


def test_a_score_that_nobody_measured_is_computed() -> None:
    """From round trip, jitter and loss."""
    values = values_of({**NOTHING, "rtt_avg": 81, "jitter_avg": 9, "lost": 0, "received": 50}, "both", None)
    assert values["mos_avg"] == pytest.approx(4.3858, abs=0.0001)


def test_late_packets_are_a_share_of_those_that_came() -> None:
    """Of none there is no share."""
    assert values_of({**NOTHING, "total_received": 200}, "inbound", 3.0)["delayed_percent"] == 1.5
    assert values_of(NOTHING, "inbound", 3.0)["delayed_percent"] is None
    assert values_of({**NOTHING, "total_received": 200}, "inbound", None)["delayed_percent"] is None


# --- tags as they are kept ---

FINDINGS = st.dictionaries(
    st.sampled_from(["silence", "high jitter", "mine"]), st.builds(Finding, rule=st.sampled_from(["a > 1", "b < 2"]))
)
KEPT = st.dictionaries(
    st.sampled_from(["silence", "high jitter", "mine"]),
    st.sampled_from(["", "yes", '{"rule":"a > 1"}', '{"given":"yes"}', "{}", "[1]", '{"rule": 5}']),
)


@settings(deadline=None)
@given(KEPT, FINDINGS)
def test_judging_again_changes_nothing(kept: dict[str, str], findings: dict[str, Finding]) -> None:
    """Whatever stood there; what a maker gave is there still, and what is ours is what was found."""
    after = {**kept, **changes(kept, findings)}
    assert changes(after, findings) == {}
    for name, text in kept.items():
        known = read(text)
        if known is None:
            assert read(after[name]) == Finding(given=text)
        elif known.given:
            assert after[name] == text
        else:
            assert after[name] == (written(findings[name]) if name in findings else "")
    assert {name for name in findings if name not in kept} <= after.keys()
