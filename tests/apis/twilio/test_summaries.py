"""Summaries: one call as a whole, and lists chosen by every filter, worked out by hand from a small set of calls."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.clickhouse import Served
from tests.support.insights import BASE, HOST, Insights, error_of
from tests.support.specs import twilio
from tests.support.stores import STORES, Place
from tests.support.world import World
from trunkline.apis.twilio import summaries
from trunkline.catalogue.twilio.sids import derived
from trunkline.catalogue.twilio.words import words

# (leg, minute of the hour before noon, the call, what was said of it)
CALLS: dict[str, dict[str, Any]] = {
    "out": {"capability": "phone", "direction": "outbound", "sender": "+14155552671", "recipient": "+385911234567",
            "network_name": "A1", "outcome": "answered", "talk_ms": 20_400, "sip_code": 200, "answered_by": "human",
            "ended_at": "2026-11-21T11:30:00Z",
            "extra": {"caller_verified": "true", "branded": "true", "branded_type": "in_band",
                      "business_industry": "BANKING", "sender_network_name": "T-Mobile USA, Inc."}},
    "dial": {"capability": "phone", "direction": "outbound", "sender": "+385911234567", "recipient": "+16135550100",
             "outcome": "busy", "sip_code": 486, "ended_at": "2026-11-21T11:11:30Z", "extra": {"origin": "dial"}},
    "in": {"capability": "phone", "direction": "inbound", "sender": "+385911234567", "recipient": "+14155552671",
           "network_name": "A1", "outcome": "no answer", "sip_code": 480, "ended_at": "2026-11-21T11:12:30Z"},
    "sdk": {"capability": "webrtc", "direction": "outbound", "sender": "alice", "recipient": "client:bob",
            "outcome": "answered", "talk_ms": 5000, "sip_code": 200, "answered_by": "machine",
            "ended_at": "2026-11-21T11:13:30Z", "extra": {"machine_heard": "beep"}},
    "sip": {"capability": "sip", "direction": "inbound", "sender": "sip:a@b.example", "recipient": "+14155552671",
            "outcome": "cancelled", "ended_at": "2026-11-21T11:14:30Z", "extra": {"dialled": "false"}},
    "trunk": {"capability": "sip trunk", "direction": "outbound", "outcome": "failed", "sip_code": 503,
              "ended_at": "2026-11-21T11:15:30Z"},
    "back": {"capability": "sip trunk", "direction": "inbound", "outcome": "cancelled", "sip_code": 487,
             "ended_at": "2026-11-21T11:16:30Z"},
    "app": {"capability": "whatsapp", "direction": "outbound", "answered_by": "machine", "outcome": "answered",
            "talk_ms": 0, "ended_at": "2026-11-21T11:17:30Z"},
    "rings": {"capability": "phone", "direction": "outbound"},
    "talks": {"capability": "phone", "direction": "outbound", "answered_at": "2026-11-21T11:19:30Z"},
}  # fmt: skip
ENDED = [leg for leg, call in CALLS.items() if "ended_at" in call]
SAID: dict[str, dict[str, str]] = {
    "out": {"AnsweredBy": "human", "Spam": "true", "CallScore": "1", "QualityIssues": "echo,owa"},
    "in": {"AnsweredBy": "machine", "Spam": "false", "CallScore": "5", "ConnectivityIssue": "caller_id"},
    "sdk": {"QualityIssues": "latency", "CallScore": "5"},
    "talks": {"Spam": "true", "CallScore": "3"},
}


def filled(insights: Insights) -> Insights:
    """Return a world in which there are these calls, a minute apart from 11:10 on, and what was said of them."""
    insights.post(
        "calls",
        *(
            {"leg_id": leg, "happened_at": f"2026-11-21T11:{10 + number}:00Z", **call}
            for number, (leg, call) in enumerate(CALLS.items())
        ),
    )
    for leg, said in SAID.items():
        assert insights.form(f"{leg}/Annotation", **said).status == 200
    return insights


@pytest.fixture
def calls(insights: Insights) -> Insights:
    """Give a world of the test's own with these calls."""
    return filled(insights)


NAMES = {derived(leg): leg for leg in CALLS}


def chosen(insights: Insights, **query: Any) -> list[str]:
    """Return which calls a list shows, in its order."""
    return [NAMES[one["call_sid"]] for one in insights.get("Summaries", **query)["call_summaries"]]


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set(ENDED)),
    ({"ProcessingState": "completed"}, set(ENDED)),
    ({"ProcessingState": "partial"}, {"rings", "talks"}),
    ({"ProcessingState": "started"}, {"rings", "talks"}),
    ({"ProcessingState": "all"}, set(CALLS)),
    ({"From": "+385911234567"}, {"dial", "in"}),
    ({"From": "client:alice"}, {"sdk"}),
    ({"To": "client:bob"}, {"sdk"}),
    ({"From": "sip:a@b.example"}, {"sip"}),
    ({"FromCarrier": "a1"}, {"in"}),
    ({"ToCarrier": "A1"}, {"out"}),
    ({"FromCarrier": "T-Mobile USA, Inc."}, {"out"}),
    ({"FromCountryCode": "us"}, {"out"}),
    ({"FromCountryCode": "HR"}, {"dial", "in"}),
    ({"ToCountryCode": "HR"}, {"out"}),
    ({"ToCountryCode": "CA"}, {"dial"}),
    ({"ToCountryCode": "US"}, {"in", "sip"}),
    ({"VerifiedCaller": "true"}, {"out"}),
    ({"VerifiedCaller": "false"}, set(ENDED) - {"out"}),
    ({"BrandedEnabled": "true"}, {"out"}),
    ({"BrandedLogo": "true"}, set()),
    ({"VoiceIntegrityEnabled": "false"}, set(ENDED)),
    ({"BrandedType": "in_band"}, {"out"}),
    ({"BusinessProfileIndustry": "banking"}, {"out"}),
    ({"HasTag": "true"}, set()),
    ({"HasTag": "false"}, set(ENDED)),
    ({"CallType": "carrier"}, {"out", "dial", "in"}),
    ({"CallType": "sip,trunking"}, {"sip", "trunk", "back"}),
    ({"CallType": "client,whatsapp"}, {"sdk", "app"}),
    ({"CallState": "completed"}, {"out", "sdk", "app"}),
    ({"CallState": "busy,noanswer"}, {"dial", "in"}),
    ({"CallState": "canceled"}, {"back"}),
    ({"CallState": "undialed"}, {"sip"}),
    ({"CallState": "fail"}, {"trunk"}),
    ({"CallState": "ringing"}, {"rings"}),
    ({"CallState": "answered"}, {"talks"}),
    ({"CallState": "answered", "ProcessingState": "completed"}, set()),
    ({"Direction": "outbound_api"}, {"out", "sdk", "app"}),
    ({"Direction": "outbound_dial"}, {"dial"}),
    ({"Direction": "inbound"}, {"in", "sip"}),
    ({"Direction": "trunking_originating"}, {"back"}),
    ({"Direction": "outbound_dial,trunking_terminating"}, {"dial", "trunk"}),
    ({"AbnormalSession": "true"}, {"dial", "in", "trunk", "back"}),
    ({"AbnormalSession": "false"}, {"out", "sdk", "sip", "app"}),
    ({"AnsweredBy": "human"}, {"out"}),
    ({"AnsweredBy": "machine_start"}, {"app"}),
    ({"AnsweredBy": "machine_end_beep"}, {"sdk"}),
    ({"AnsweredByAnnotation": "human"}, {"out"}),
    ({"AnsweredByAnnotation": "human,machine"}, {"out", "in"}),
    ({"ConnectivityIssueAnnotation": "caller_id"}, {"in"}),
    ({"QualityIssueAnnotation": "owa,latency"}, {"out", "sdk"}),
    ({"SpamAnnotation": "true"}, {"out"}),
    ({"SpamAnnotation": "true", "ProcessingState": "all"}, {"out", "talks"}),
    ({"SpamAnnotation": "false"}, {"in"}),
    ({"CallScoreAnnotation": "1,5"}, {"out", "in", "sdk"}),
    ({"CallScoreAnnotation": "5", "CallType": "client"}, {"sdk"}),
    ({"StartTime": "2026-11-21T11:16:00Z"}, {"back", "app"}),
    ({"StartTime": "45m"}, {"trunk", "back", "app"}),
    ({"StartTime": "1h", "EndTime": "2026-11-21T11:11:00Z"}, {"out"}),
    ({"StartTime": "1w", "EndTime": "48m"}, {"out", "dial"}),
    ({"StartTime": "0m"}, set()),
    ({"From": "+385911234567", "CallState": "busy", "Direction": "outbound_dial"}, {"dial"}),
]


@pytest.fixture(scope="module", params=STORES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clickhouse: Callable[[], Served]
) -> Iterator[Insights]:
    """Share a world among the filters, which leave it as it was: on each store of facts."""
    place = Place(request.param, tmp_path_factory.mktemp("facts"), clickhouse)
    world = World(tmp_path_factory.mktemp("summaries"), host_names=(HOST,), facts=place.setting)
    yield filled(Insights(world))
    world.close()


@pytest.mark.parametrize(("query", "expected"), FILTERS, ids=[str(query) for query, _ in FILTERS])
def test_a_filter_chooses_the_calls_that_it_says(shared: Insights, query: dict[str, Any], expected: set[str]) -> None:
    """Newest first, whatever is filtered by; also page by page."""
    newest = [leg for leg in reversed(CALLS) if leg in expected]
    assert chosen(shared, **query) == newest
    page = shared.get("Summaries", **query, PageSize=3)
    seen = [NAMES[one["call_sid"]] for one in page["call_summaries"]]
    while page["meta"]["next_page_url"]:
        page = shared.get(page["meta"]["next_page_url"])
        seen += [NAMES[one["call_sid"]] for one in page["call_summaries"]]
    assert seen == newest


def test_every_filter_of_the_description_is_worked_out_here() -> None:
    """But for those that compare one text as the others of their kind do."""
    declared = {one["name"] for one in twilio()["paths"]["/v1/Voice/Summaries"]["get"]["parameters"]}
    worked = set(itertools.chain.from_iterable(query for query, _ in FILTERS))
    alike = set(words().filters["text"]) - worked
    assert declared - worked - alike == {"SortBy", "Subaccount", "PageSize", "Page", "PageToken"}
    assert worked <= declared


def test_a_list_is_sorted_by_when_calls_ended(shared: Insights) -> None:
    """Newest end first; those that run come last, also where people's words choose."""
    by_end = sorted(ENDED, key=lambda leg: str(CALLS[leg]["ended_at"]), reverse=True)
    assert by_end[0] == "out"
    assert chosen(shared, SortBy="end_time") == by_end
    assert chosen(shared, SortBy="end_time", ProcessingState="all")[: len(ENDED)] == by_end
    assert chosen(shared, SortBy="start_time") == ENDED[::-1]
    assert chosen(shared, SortBy="end_time", CallScoreAnnotation="1,3,5", ProcessingState="all") == [
        "out", "sdk", "in", "talks"]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"From": "1415*"}, 17400),
        ({"From": "14155552671"}, 17400),
        ({"To": ""}, 17400),
        ({"FromCountryCode": "USA"}, 17400),
        ({"ToCountryCode": "1"}, 17400),
        ({"FromCarrier": "T%"}, 17400),
        ({"StartTime": "yesterday"}, 17400),
        ({"EndTime": "4y"}, 17400),
        ({"StartTime": "1h", "EndTime": "2h"}, 17400),
        ({"HasTag": "perhaps"}, 20001),
        ({"CallType": "fax"}, 20001),
        ({"CallState": "completed,x"}, 20001),
        ({"Direction": "outbound"}, 20001),
        ({"AnsweredBy": "x"}, 20001),
        ({"ProcessingState": "complete"}, 20001),
        ({"SortBy": "duration"}, 20001),
        ({"Subaccount": "AC1"}, 20001),
        ({"CallScoreAnnotation": "6"}, 20001),
        ({"SpamAnnotation": "x"}, 20001),
        ({"QualityIssueAnnotation": "x"}, 20001),
        ({"VerifiedCaller": "yes"}, 20001),
        ({"PageSize": "0"}, 20001),
        ({"PageToken": "x"}, 20001),
    ],
)
def test_a_filter_that_cannot_be_is_refused_by_its_name(shared: Insights, query: dict[str, str], code: int) -> None:
    """With the original's code and a sentence."""
    answer = shared.ask("Summaries", **query)
    assert error_of(answer) == (400, code)
    assert next(iter(query)) in answer.json["message"]


def test_the_sides_of_a_call_are_told_by_their_numbers(shared: Insights) -> None:
    """Number, prefix, country, carrier and connection; a user of an application is a client."""
    found = {NAMES[one["call_sid"]]: one for one in shared.get("Summaries")["call_summaries"]}
    assert found["out"]["from"] == {
        "caller": "+14155552671", "carrier": "T-Mobile USA, Inc.", "connection": "pstn", "number_prefix": "1415",
        "country_code": "US"}  # fmt: skip
    assert found["out"]["to"] == {
        "callee": "+385911234567", "carrier": "A1", "connection": "mobile", "number_prefix": "385911",
        "country_code": "HR"}  # fmt: skip
    assert found["sdk"]["from"] == {"caller": "client:alice", "connection": "twilio_sdk"}
    assert found["sip"]["from"] == {"caller": "sip:a@b.example", "connection": "sip_interface"}
    assert found["trunk"]["from"] == {"caller": None, "connection": None}
    for leg, call in CALLS.items():
        if leg in found:
            assert found[leg]["url"] == f"{BASE}/v1/Voice/Summaries"
            assert found[leg]["properties"].get("last_sip_response_num", 0) == call.get("sip_code", 0)
            assert found[leg]["annotation"] is None or leg in SAID
    assert found["out"]["trust"] == {
        "verified_caller": {"verified": True},
        "branded": {"enabled": True, "type": "in_band"},
        "business_profile": {"industry": "BANKING"},
    }
    assert (found["out"]["duration"], found["out"]["connect_duration"]) == (1200, 20)
    assert (found["dial"]["duration"], found["dial"]["connect_duration"]) == (30, 0)


def test_a_running_call_has_no_complete_summary(calls: Insights) -> None:
    """17001 tells so; what there is comes to who asks for it, and all of it once the call has ended."""
    assert error_of(calls.ask("talks/Summary")) == (404, 17001)
    partial = calls.get("talks/Summary", ProcessingState="partial")
    assert (partial["processing_state"], partial["call_state"]) == ("partial", "answered")
    assert [partial[name] for name in ("end_time", "duration", "connect_duration")] == [None, None, None]
    calls.post("calls", {"leg_id": "talks", "ended_at": "2026-11-21T11:19:50Z"})
    whole = calls.get("talks/Summary")
    assert (whole["processing_state"], whole["call_state"], whole["connect_duration"]) == ("complete", "completed", 20)
    assert calls.get("talks/Summary", ProcessingState="partial") == whole
    assert error_of(calls.ask("talks/Summary", ProcessingState="completed")) == (400, 20001)
    assert error_of(calls.ask("CA" + "0" * 32 + "/Summary")) == (404, 20404)


def test_later_pages_are_about_the_time_of_the_first(calls: Insights) -> None:
    """Hours may pass, and newer calls come: neither drops a call from the pages nor shows one twice."""
    page = calls.get("Summaries", PageSize=3)
    seen = [NAMES[one["call_sid"]] for one in page["call_summaries"]]
    calls.world.advance(5 * 3600)
    calls.post("calls", {"leg_id": "newer", "happened_at": "2026-11-21T12:30:00Z", "ended_at": "2026-11-21T12:31:00Z"})
    while page["meta"]["next_page_url"]:
        page = calls.get(page["meta"]["next_page_url"])
        seen += [NAMES[one["call_sid"]] for one in page["call_summaries"]]
    assert seen == ENDED[::-1]
    back = calls.get(page["meta"]["previous_page_url"])
    assert [NAMES[one["call_sid"]] for one in back["call_summaries"]] == seen[3:6]


@pytest.mark.parametrize("end", [253_402_300_800_000_000, 2**62, -1])
def test_a_token_of_no_time_is_refused(calls: Insights, end: int) -> None:
    """Nobody was given one; the last moment that there is makes an empty page."""
    token = base64.b64encode(f'{{"start":0,"end":{end}}}'.encode()).decode()
    assert error_of(calls.ask("Summaries", PageToken=f"PT{token}")) == (400, 20001)
    last = base64.b64encode(b'{"start":253402300799999999,"end":253402300799999999}').decode()
    assert calls.get("Summaries", PageToken=f"PT{last}")["call_summaries"] == []


def test_what_was_said_is_found_after_a_piece_came_late(calls: Insights) -> None:
    """It was said when only the end of the call was known; then came when it began, hours before."""
    calls.post("calls", {"leg_id": "late", "outcome": "answered", "ended_at": "2026-11-21T11:50:00Z"})
    assert calls.form("late/Annotation", Incident="known", CallScore="4").status == 200
    calls.post("calls", {"leg_id": "late", "happened_at": "2026-11-21T09:00:00Z"})
    for said in ({}, {"CallScoreAnnotation": "4"}):
        page = calls.get("Summaries", StartTime="4h", EndTime="2h", **said)
        assert [one["call_sid"] for one in page["call_summaries"]] == [derived("late")]


def test_a_list_is_of_one_account(calls: Insights) -> None:
    """The caller's own, or a subaccount that it names; never a parent's, a sibling's or a stranger's."""
    child = calls.of("child", "trunkline")
    other = calls.of("other", "trunkline")
    child.post("calls", {"leg_id": "theirs", "happened_at": "2026-11-21T11:30:00Z", "ended_at": "2026-11-21T11:31:00Z"})
    assert chosen(calls) == ENDED[::-1]
    (found,) = calls.get("Summaries", Subaccount=child.sid)["call_summaries"]
    assert (found["account_sid"], found["call_sid"]) == (child.sid, derived("theirs"))
    assert [one["call_sid"] for one in child.get("Summaries")["call_summaries"]] == [derived("theirs")]
    assert other.get("Summaries")["call_summaries"] == []
    for viewer, account in ((child, calls), (other, child), (child, other)):
        assert error_of(viewer.ask("Summaries", Subaccount=account.sid)) == (403, 17000)
    assert calls.get("Summaries", Subaccount=calls.sid)["call_summaries"]


def test_pages_of_annotated_calls_hold_however_many_there_are(
    insights: Insights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for in several parts, and put together in order."""
    monkeypatch.setattr(summaries, "_LEGS_AT_ONCE", 3)
    legs = [f"leg-{number:02}" for number in range(14)]
    insights.post(
        "calls",
        *(
            {"leg_id": leg, "happened_at": f"2026-11-21T11:{number:02}:00Z",
             "ended_at": f"2026-11-21T11:{59 - number:02}:00Z"}
            for number, leg in enumerate(legs)
        ),
    )  # fmt: skip
    for leg in legs[::-2]:
        insights.form(f"{leg}/Annotation", Spam="true")
    names = {derived(leg): leg for leg in legs}
    for order, expected in (("start_time", legs[1::2][::-1]), ("end_time", legs[1::2])):
        page = insights.get("Summaries", SpamAnnotation="true", SortBy=order, PageSize=2)
        seen = [names[one["call_sid"]] for one in page["call_summaries"]]
        while page["meta"]["next_page_url"]:
            page = insights.get(page["meta"]["next_page_url"])
            seen += [names[one["call_sid"]] for one in page["call_summaries"]]
        assert seen == expected
