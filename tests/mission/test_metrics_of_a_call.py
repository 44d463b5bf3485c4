"""Both sample pages of the documentation on the metrics of a call, answered key for key by facts that were posted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.insights import BASE, HOST, Insights
from tests.support.world import World

SID = "CA7569efe0253644fa4a88aa97beca3310"
HERE = f"{BASE}/v1/Voice/{SID}/Metrics"
READING = {
    "call_id": SID,
    "edge": "sdk",
    "direction": "both",
    "mos": 4.39,
    "rtt_ms": 81,
    "jitter_ms": 9,
    "audio_in_level": 81,
    "audio_out_level": 5237,
    "packets_lost": 0,
    "packets_received": 50,
    "total_bytes_sent": 329425,
    "total_packets_lost": 0,
    "total_packets_sent": 3934,
    "total_bytes_received": 547788,
    "total_packets_received": 3900,
}
LAST = "2019-10-07T22:32:06Z"
INTERVAL = {
    "mos": {"value": 4.39},
    "rtt": {"value": 81},
    "jitter": {"value": 9},
    "audio_in": {"value": 81},
    "audio_out": {"value": 5237},
    "packets_lost": 0,
    "packets_received": 50,
}
CUMULATIVE = {
    "bytes_sent": 329425,
    "packets_lost": 0,
    "packets_sent": 3934,
    "bytes_received": 547788,
    "packets_received": 3900,
}


@pytest.fixture
def insights(make_world: Callable[..., World]) -> Insights:
    """Give a world in which the call of the samples was made."""
    given = Insights(make_world(host_names=(HOST,)))
    given.post("calls", {"leg_id": SID, "capability": "webrtc", "happened_at": "2019-10-07T22:31:00Z"})
    return given


def metric(insights: Insights) -> dict[str, Any]:
    """Return the reading that stands in both samples, of this world's account."""
    return {
        "edge": "sdk_edge",
        "call_sid": SID,
        "sdk_edge": {"interval": INTERVAL, "cumulative": CUMULATIVE},
        "sip_edge": None,
        "direction": "both",
        "timestamp": LAST,
        "account_sid": insights.sid,
        "client_edge": None,
        "carrier_edge": None,
    }


def types(value: Any) -> Any:
    """Return a value with its types instead of its texts and numbers: 81 and 81.0 are equal, but not the same."""
    if isinstance(value, dict):
        return {key: types(one) for key, one in value.items()}
    return [types(one) for one in value] if isinstance(value, list) else type(value)


def test_the_first_sample_page_is_answered_key_for_key(insights: Insights) -> None:
    """No parameters: fifty a page, the edge of a call by an SDK."""
    insights.post("samples", {**READING, "happened_at": LAST})
    answer = insights.get(f"{SID}/Metrics")
    expected = {
        "meta": {
            "key": "metrics",
            "url": f"{HERE}?PageSize=50&Page=0",
            "page": 0,
            "page_size": 50,
            "next_page_url": None,
            "first_page_url": f"{HERE}?PageSize=50&Page=0",
            "previous_page_url": None,
        },
        "metrics": [metric(insights)],
    }
    assert answer == expected
    assert types(answer) == types(expected)


def test_the_second_sample_page_is_answered_key_for_key(insights: Insights) -> None:
    """A later page: filters first in every address, then the size, the client's count, and where the page before is."""
    readings = [{**READING, "happened_at": f"2019-10-07T22:31:{second:02}Z"} for second in range(30, 45)]
    insights.post("samples", *readings, {**READING, "happened_at": LAST})
    answer = insights.get(f"{SID}/Metrics", Direction="both", Edge="sdk_edge", PageSize=5, Page=10, PageToken="PT15")
    expected = {
        "meta": {
            "key": "metrics",
            "url": f"{HERE}?Direction=both&Edge=sdk_edge&PageSize=5&Page=10",
            "page": 10,
            "page_size": 5,
            "next_page_url": None,
            "first_page_url": f"{HERE}?Direction=both&Edge=sdk_edge&PageSize=5&Page=0",
            "previous_page_url": f"{HERE}?Direction=both&Edge=sdk_edge&PageSize=5&Page=9&PageToken=PT10",
        },
        "metrics": [metric(insights)],
    }
    assert answer == expected
    assert types(answer) == types(expected)


def test_the_score_of_the_samples_follows_from_their_other_values(insights: Insights) -> None:
    """A round trip of 81 ms, 9 ms of jitter and nothing lost are 4.39, by the formula of the SDK."""
    reading = {name: value for name, value in READING.items() if name != "mos"}
    insights.post("samples", {**reading, "happened_at": LAST})
    (found,) = insights.get(f"{SID}/Metrics")["metrics"]
    assert found["sdk_edge"]["interval"] == INTERVAL


def test_the_pages_lead_from_one_to_the_next_and_back(insights: Insights) -> None:
    """Each reading once, in the order of time; the token says where a page is, the count says nothing."""
    moments = [f"2019-10-07T22:31:{second:02}Z" for second in range(12)]
    insights.post("samples", *({**READING, "happened_at": moment} for moment in moments))
    seen, back = [], []
    url = f"{HERE}?Edge=sdk_edge&PageSize=5&Page=7"
    while url:
        answer = insights.get(url)
        seen += [one["timestamp"] for one in answer["metrics"]]
        last, url = answer, answer["meta"]["next_page_url"]
    assert seen == moments
    assert last["meta"]["page"] == 9
    url = last["meta"]["previous_page_url"]
    while url:
        answer = insights.get(url)
        back = [one["timestamp"] for one in answer["metrics"]] + back
        url = answer["meta"]["previous_page_url"]
    assert back == moments[:10]
