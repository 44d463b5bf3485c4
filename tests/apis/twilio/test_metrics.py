"""The metrics of a call: which edge and direction are shown, what stands in each shape, and pages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.insights import Insights, error_of
from trunkline.catalogue.twilio.sids import derived
from trunkline.catalogue.twilio.words import words

SID = "CA" + "1" * 32
AT = "2026-11-21T11:59:00Z"
EDGES = ("carrier", "sip", "client", "sdk", "unknown")
GATEWAY = {
    "codec": "pcmu",
    "packets_received": 500,
    "packets_sent": 501,
    "packets_lost": 0,
    "loss_percent": 0.0,
    "total_packets_received": 477,
    "total_packets_sent": 478,
    "total_packets_lost": 0,
    "total_jitter_max_ms": 0.122655,
    "total_jitter_avg_ms": 0.0292324,
    "extra": {"region": "us1", "media_ip": "192.0.2.1", "external_ip": "192.0.2.2", "edge_location": "ashburn"},
}


def call(insights: Insights, capability: str, direction: str = "outbound", **given: Any) -> None:
    """Post a call, and a reading of every edge for each direction that it has."""
    insights.post(
        "calls",
        {
            "leg_id": "leg",
            "foreign_ids": {"theirs": SID},
            "capability": capability,
            "direction": direction,
            "happened_at": AT,
            **given,
        },
    )
    insights.post(
        "samples",
        *(
            {"call_id": "leg", "edge": edge, "direction": stream, "happened_at": AT, **GATEWAY}
            for edge in EDGES
            for stream in (("both",) if edge == "sdk" else ("inbound", "outbound"))
        ),
    )  # fmt: skip


def edges(page: Any) -> set[str]:
    """Return which edges a page shows."""
    return {one["edge"] for one in page["metrics"]}


@pytest.mark.parametrize(
    ("capability", "direction", "edge"),
    [
        ("phone", "outbound", "carrier_edge"),
        ("", "inbound", "carrier_edge"),
        ("sip", "inbound", "sip_edge"),
        ("webrtc", "outbound", "sdk_edge"),
        ("sip trunk", "inbound", "carrier_edge"),
        ("sip trunk", "outbound", "sip_edge"),
    ],
)
def test_the_edge_of_the_call_s_type_is_shown_by_default(
    insights: Insights, capability: str, direction: str, edge: str
) -> None:
    """A call that came over a trunk originates there: its carrier's side is shown, else the trunk's."""
    call(insights, capability, direction)
    assert edges(insights.get(f"{SID}/Metrics")) == {edge}


def test_each_edge_is_shown_when_it_is_asked_for(insights: Insights) -> None:
    """Exactly one of the four blocks is there, but for an edge that is not known; `all` shows every edge."""
    call(insights, "phone")
    for edge in words().edges:
        page = insights.get(f"{SID}/Metrics", Edge=edge)
        assert edges(page) == {edge}
        for one in page["metrics"]:
            blocks = [name for name in words().edges if name != "unknown_edge" and one[name] is not None]
            assert blocks == ([] if edge == "unknown_edge" else [edge])
    assert edges(insights.get(f"{SID}/Metrics", Edge="all")) == set(words().edges)


def test_a_direction_chooses_the_readings(insights: Insights) -> None:
    """Gateways have one reading a direction, sensors in applications one of both."""
    call(insights, "phone")
    for stream in words().streams:
        page = insights.get(f"{SID}/Metrics", Edge="all", Direction=stream)
        assert {one["direction"] for one in page["metrics"]} == ({stream} - {"unknown"})


def test_a_sensor_s_reading_without_a_direction_is_one_of_both(insights: Insights) -> None:
    """It is found by the direction that it is shown with, and by no other; a gateway's stays unknown."""
    insights.post("calls", {"leg_id": "leg", "capability": "webrtc", "happened_at": AT})
    insights.post("samples", *({"call_id": "leg", "edge": edge, "happened_at": AT} for edge in ("sdk", "client")))

    def found(**query: str) -> list[tuple[str, str]]:
        page = insights.get("leg/Metrics", Edge="all", **query)
        return sorted((one["edge"], one["direction"]) for one in page["metrics"])

    assert found() == [("client_edge", "unknown"), ("sdk_edge", "both")]
    assert found(Direction="both") == [("sdk_edge", "both")]
    assert found(Direction="unknown") == [("client_edge", "unknown")]
    assert found(Direction="inbound") == []


def test_a_gateway_shows_what_it_counted_of_its_direction(insights: Insights) -> None:
    """Received packets of what came in, sent ones of what went out; no score, no round trip."""
    call(insights, "sip")
    received, sent = insights.get(f"{SID}/Metrics")["metrics"]
    metadata = {"region": "us1", "edge_location": "ashburn", "twilio_ip": "192.0.2.1", "external_ip": "192.0.2.2"}
    jitter = {"max": 0.122655, "avg": 0.0292324}
    shared = {"codec": 0, "codec_name": "pcmu", "metadata": metadata}
    interval = {"packets_lost": 0, "packets_loss_percentage": 0}
    assert received["sip_edge"] == {
        **shared,
        "cumulative": {"packets_lost": 0, "jitter": jitter, "packets_received": 477},
        "interval": {**interval, "packets_received": 500},
    }
    assert sent["sip_edge"] == {
        **shared,
        "cumulative": {"packets_lost": 0, "jitter": jitter, "packets_sent": 478},
        "interval": {**interval, "packets_sent": 501},
    }


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"Edge": "nowhere"}, 400, 20001),
        ({"Edge": ""}, 400, 20001),
        ({"Edge": "SDK_EDGE"}, 400, 20001),
        ({"Direction": "sideways"}, 400, 20001),
        ({"PageSize": "0"}, 400, 20001),
        ({"PageSize": "1001"}, 400, 20001),
        ({"PageSize": "x"}, 400, 20001),
        ({"PageSize": "\u0661"}, 400, 20001),
        ({"Page": "-1"}, 400, 20001),
        ({"PageToken": "10"}, 400, 20001),
        ({"PageToken": "PT"}, 400, 20001),
        ({"PageToken": "PT-1"}, 400, 20001),
        ({"PageToken": "PTe30=x"}, 400, 20001),
        ({"PageToken": "PT99999999999"}, 400, 20001),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_sentence(
    insights: Insights, query: dict[str, str], status: int, code: int
) -> None:
    """Each by its name."""
    call(insights, "phone")
    answer = insights.ask(f"{SID}/Metrics", **query)
    assert error_of(answer) == (status, code)
    assert next(iter(query)) in answer.json["message"]


def test_calls_from_elsewhere_are_found_by_a_sid_made_of_their_id(insights: Insights) -> None:
    """And by that id itself; both show the same SID, in whatever case of letters it is asked for."""
    insights.post("calls", {"leg_id": "theirs-1", "capability": "phone", "happened_at": AT})
    insights.post("samples", {"call_id": "theirs-1", "edge": "carrier", "direction": "inbound", "happened_at": AT})
    sid = derived("theirs-1")
    for wanted in (sid, "CA" + sid[2:].upper(), "theirs-1"):
        (found,) = insights.get(f"{wanted}/Metrics")["metrics"]
        assert found["call_sid"] == sid
    assert insights.get("theirs-1")["sid"] == sid


def test_a_call_s_own_sid_is_shown_wherever_it_stands(insights: Insights) -> None:
    """As another system's id, as the leg's, or as the call's; the made one finds each as well, and none other."""
    sids = [f"CA{digit * 32}" for digit in "abc"]
    insights.post(
        "calls",
        {"leg_id": "foreign", "foreign_ids": {"theirs": sids[0]}, "happened_at": AT},
        {"leg_id": sids[1], "happened_at": AT},
        {"leg_id": "third", "call_id": sids[2], "happened_at": AT},
        {"leg_id": "fourth", "call_id": sids[2], "foreign_ids": {"theirs": "CA" + "d" * 32}, "happened_at": AT},
    )
    for leg, sid in zip(("foreign", sids[1], "third"), sids, strict=True):
        for wanted in (sid, leg, derived(leg)):
            assert insights.get(wanted)["sid"] == sid
    assert insights.get("fourth")["sid"] == "CA" + "d" * 32


def test_a_sid_is_shown_of_one_leg_alone(insights: Insights) -> None:
    """Of several that share it by their call, of the first without one of its own; each is found by what is shown."""
    shared, taken = "CA" + "a" * 32, "CA" + "b" * 32
    insights.post(
        "calls",
        *(
            {"leg_id": leg, "call_id": call, "happened_at": f"2026-11-21T11:{minute}:00Z", "ended_at": AT, **more}
            for leg, call, minute, more in (
                ("second", shared, 52, {}),
                ("first", shared, 51, {}),
                ("zeroth", shared, 50, {"foreign_ids": {"theirs": "CA" + "c" * 32}}),
                ("borrower", taken, 50, {}),
                ("owner", taken, 55, {"foreign_ids": {"theirs": taken}}),
            )
        ),
    )
    expected = {
        "second": derived("second"),
        "first": shared,
        "zeroth": "CA" + "c" * 32,
        "borrower": derived("borrower"),
        "owner": taken,
    }
    listed = [one["call_sid"] for one in insights.get("Summaries")["call_summaries"]]
    assert sorted(listed) == sorted(expected.values())
    for leg, sid in expected.items():
        for wanted in (leg, sid, derived(leg)):
            assert insights.get(wanted)["sid"] == sid
            assert insights.get(f"{wanted}/Summary")["call_sid"] == sid


def test_each_leg_of_a_call_shows_its_own_readings(insights: Insights) -> None:
    """What bears the leg's id stands at it alone; what bears an id that is no leg's stands at every leg."""
    insights.post(
        "calls",
        {"leg_id": "parent", "call_id": "parent", "capability": "phone", "happened_at": AT},
        {"leg_id": "child", "call_id": "parent", "capability": "phone", "happened_at": AT},
        {"leg_id": "a", "call_id": "both", "capability": "phone", "happened_at": AT},
        {"leg_id": "b", "call_id": "both", "capability": "phone", "happened_at": AT},
    )
    insights.post(
        "samples",
        *(
            {"call_id": one, "edge": "carrier", "direction": "inbound", "happened_at": AT, "packets_received": number}
            for number, one in enumerate(("parent", "child", "a", "b", "both"))
        ),
    )

    def seen(leg: str) -> set[int]:
        page = insights.get(f"{leg}/Metrics")
        return {one["carrier_edge"]["interval"]["packets_received"] for one in page["metrics"]}

    assert [seen(leg) for leg in ("parent", "child", "a", "b")] == [{0}, {1}, {2, 4}, {3, 4}]


def test_metrics_are_there_while_the_call_runs(insights: Insights) -> None:
    """As soon as they were posted."""
    insights.post("calls", {"leg_id": "now", "capability": "webrtc", "answered_at": AT})
    for many in (1, 2):
        insights.post("samples", {"call_id": "now", "edge": "sdk", "direction": "both"})
        assert len(insights.get("now/Metrics")["metrics"]) == many


def test_the_metrics_of_an_unknown_call_are_not_found(insights: Insights) -> None:
    """A SID of nobody is 404; what is no SID and no call's id is 400."""
    assert error_of(insights.ask("CA" + "0" * 32 + "/Metrics")) == (404, 20404)
    for wrong in ("CA" + "0" * 31, "CB" + "0" * 32, "CA" + "g" * 32, "x", "x" * 300, "%20"):
        assert error_of(insights.ask(f"{wrong}/Metrics")) == (400, 20001)


def test_a_page_holds_as_many_as_asked_for_whatever_their_number(insights: Insights) -> None:
    """The pages of a size tell every reading once, in order; no page is empty but the first of nothing."""
    insights.post("calls", {"leg_id": "leg", "capability": "webrtc", "happened_at": AT})
    insights.post(
        "samples",
        *({"call_id": "leg", "edge": "sdk", "direction": "both", "happened_at": f"2026-11-21T11:59:{n:02}Z"}
          for n in range(20)),
    )  # fmt: skip

    @settings(max_examples=15, deadline=None)
    @given(size=st.integers(1, 25))
    def holds(size: int) -> None:
        pages = [insights.get("leg/Metrics", PageSize=size)]
        while url := pages[-1]["meta"]["next_page_url"]:
            pages.append(insights.get(url))
        moments = [one["timestamp"] for page in pages for one in page["metrics"]]
        assert moments == sorted(set(moments))
        assert [len(page["metrics"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert [page["meta"]["page"] for page in pages] == list(range(len(pages)))
        assert len(moments) == 20

    holds()
