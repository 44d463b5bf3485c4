"""Twilio's own SDK for Python, unchanged: every resource of Insights v1, sync and async."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from tests.support.twilio import Office, office
from trunkline.library.served import Server, serve

FOREIGN = "CA7569efe0253644fa4a88aa97beca3310"
UNKNOWN = "CA" + "0" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server of the module's own."""
    with serve(tmp_path_factory.mktemp("twilio")) as running:
        yield running


@pytest.fixture(scope="module")
def ours(server: Server) -> Office:
    """Give an account with calls: three that ended, one of which an SDK's own, and one that runs."""
    one = office(server, "ours")
    start = datetime.now(UTC) - timedelta(minutes=10)
    ended = {"capability": "phone", "direction": "outbound", "outcome": "answered", "talk_ms": 30_000, "sip_code": 200}
    one.post(
        "calls",
        {"leg_id": "a", "happened_at": start, "ended_at": start + timedelta(minutes=1), **ended},
        {"leg_id": "b", "happened_at": start + timedelta(minutes=1), "ended_at": start + timedelta(minutes=3), **ended},
        {
            "leg_id": "sdk",
            "foreign_ids": {"theirs": FOREIGN},
            "capability": "webrtc",
            "direction": "outbound",
            "sender": "alice",
            "happened_at": start + timedelta(minutes=2),
            "answered_at": start + timedelta(minutes=2, seconds=5),
            "ended_at": start + timedelta(minutes=3, seconds=5),
        },
        {"leg_id": "live", "capability": "webrtc", "direction": "inbound", "happened_at": start + timedelta(minutes=9)},
    )
    one.post(
        "samples",
        *(
            {"call_id": leg, "edge": "sdk", "direction": "both", "rtt_ms": 81, "jitter_ms": 9, "loss_percent": 0,
             "packets_received": 50, "happened_at": start + timedelta(minutes=2, seconds=10 + second)}
            for leg in ("sdk", "live")
            for second in range(7)
        ),
        {"call_id": "a", "edge": "carrier", "direction": "inbound", "happened_at": start + timedelta(seconds=10),
         "total_packets_received": 477},
    )  # fmt: skip
    one.post(
        "call-events",
        *(
            {"call_id": "sdk", "edge": "sdk", "topic": "connection", "name": name,
             "happened_at": start + timedelta(minutes=2, seconds=second)}
            for second, name in enumerate(("outgoing", "ringing", "accepted by remote"))
        ),
    )  # fmt: skip
    return one


@pytest.fixture(scope="module")
def client(ours: Office) -> Client:
    """Return the SDK's client, pointed here as the documentation says."""
    return ours.client()


def test_metrics_are_listed_streamed_and_paged(client: Client) -> None:
    """All of them, as many as wanted, and page by page, each in the order of time."""
    metrics = client.insights.v1.calls(FOREIGN).metrics
    every = metrics.list(page_size=3)
    assert len(every) == 7
    assert [one.timestamp for one in every] == sorted({one.timestamp for one in every})
    for one in every:
        assert (one.call_sid, one.edge, one.direction) == (FOREIGN, "sdk_edge", "both")
        assert one.sdk_edge["interval"]["mos"] == {"value": 4.39}
        assert (one.carrier_edge, one.sip_edge, one.client_edge) == (None, None, None)
    assert [one.timestamp for one in metrics.stream(page_size=2)] == [one.timestamp for one in every]
    assert len(metrics.list(limit=4)) == 4
    page = metrics.page(page_size=5)
    assert [one.timestamp for one in page] == [one.timestamp for one in every[:5]]
    following = page.next_page()
    assert [one.timestamp for one in following] == [one.timestamp for one in every[5:]]
    assert following.next_page() is None
    assert [one.timestamp for one in following.previous_page()] == [one.timestamp for one in every[:5]]
    again = metrics.get_page(page.next_page_url)
    assert [one.timestamp for one in again] == [one.timestamp for one in every[5:]]
    assert metrics.list(edge="client_edge") == []
    assert len(metrics.list(edge="all", direction="both")) == 7


def test_events_are_listed_streamed_and_paged(client: Client) -> None:
    """Like the metrics."""
    events = client.insights.v1.calls(FOREIGN).events
    names = ["outgoing", "ringing", "accepted-by-remote"]
    assert [(one.group, one.name, one.level) for one in events.list()] == [
        ("connection", name, "INFO") for name in names
    ]
    assert [one.name for one in events.stream(edge="sdk_edge", page_size=1)] == names
    assert [one.name for one in events.page(page_size=2).next_page()] == names[2:]


def test_a_call_leads_to_its_parts(client: Client, ours: Office) -> None:
    """By the SID that it has, and by one that was made for it."""
    call = client.insights.v1.calls(FOREIGN).fetch()
    assert call.sid == FOREIGN
    assert call.url == f"{ours.base}/v1/Voice/{FOREIGN}"
    assert set(call.links) == {"events", "metrics", "summary", "annotation"}
    (theirs,) = client.insights.v1.calls(ours.sid_of("a")).metrics.list()
    assert theirs.carrier_edge["cumulative"] == {"packets_received": 477}
    assert len(call.metrics.list()) == 7


def test_a_summary_is_fetched(client: Client, ours: Office) -> None:
    """Moments come as such; who called stands where the SDK looks for it; a call that runs is partial."""
    summary = client.insights.v1.calls(FOREIGN).summary().fetch()
    assert isinstance(summary.start_time, datetime)
    assert (summary.end_time - summary.start_time, summary.duration) == (timedelta(minutes=1, seconds=5), 65)
    assert (summary.call_type, summary.call_state, summary.processing_state) == ("client", "completed", "complete")
    assert (summary._from["caller"], summary.connect_duration) == ("client:alice", 60)
    assert summary.sdk_edge["metrics"]["inbound"]["mos"] == {"max": 4.39, "avg": 4.39, "min": 4.39}
    live = client.insights.v1.calls(ours.sid_of("live")).summary()
    with pytest.raises(TwilioRestException) as refused:
        live.fetch()
    assert (refused.value.status, refused.value.code) == (404, 17001)
    assert live.fetch(processing_state="partial").processing_state == "partial"


def test_summaries_are_listed_streamed_and_paged(client: Client, ours: Office) -> None:
    """Newest first, and chosen by filters."""
    summaries = client.insights.v1.call_summaries
    ended = [FOREIGN, ours.sid_of("b"), ours.sid_of("a")]
    assert [one.call_sid for one in summaries.list()] == ended
    assert [one.call_sid for one in summaries.stream(page_size=1)] == ended
    page = summaries.page(page_size=2)
    assert [one.call_sid for one in page] == ended[:2]
    assert [one.call_sid for one in page.next_page()] == ended[2:]
    assert [one.call_sid for one in summaries.list(call_type="client", has_tag=False)] == [FOREIGN]
    assert [one.call_sid for one in summaries.list(processing_state="all", start_time="5m")] == [ours.sid_of("live")]
    assert [one.call_sid for one in summaries.list(sort_by="end_time", limit=1)] == [FOREIGN]
    assert isinstance(summaries.list(limit=1)[0].created_time, datetime)


def test_annotations_are_written_and_read(client: Client, ours: Office) -> None:
    """Bit by bit, and found by."""
    annotation = client.insights.v1.calls(ours.sid_of("b")).annotation()
    assert annotation.fetch().spam is None
    said = annotation.update(answered_by="human", quality_issues="echo,owa", spam=True, call_score=4)
    assert (said.answered_by, said.quality_issues, said.spam, said.call_score) == ("human", ["echo", "owa"], True, 4)
    assert annotation.update(comment="again").call_score == 4
    assert annotation.fetch().comment == "again"
    found = client.insights.v1.call_summaries.list(spam_annotation=True, quality_issue_annotation="owa")
    assert [one.call_sid for one in found] == [ours.sid_of("b")]
    assert found[0].annotation["comment"] == "again"
    with pytest.raises(TwilioRestException) as refused:
        annotation.update(call_score=9)
    assert (refused.value.status, refused.value.code) == (400, 20001)


def test_settings_are_read_and_written(client: Client, ours: Office) -> None:
    """Also a subaccount's."""
    settings = client.insights.v1.settings()
    assert settings.fetch().advanced_features is True
    assert settings.update(voice_trace=False).voice_trace is False
    child = office(ours.server, "below-ours", "ours")
    assert settings.fetch(subaccount_sid=child.sid).voice_trace is True
    assert settings.update(advanced_features=False, subaccount_sid=child.sid).account_sid == child.sid
    assert child.client().insights.v1.settings().fetch().advanced_features is False


def test_errors_come_as_the_sdk_s_own(client: Client, ours: Office) -> None:
    """With status, code and a sentence; a page that cannot be had names both in its text."""
    for sid, status, code in ((UNKNOWN, 404, 20404), ("CA1", 400, 20001)):
        with pytest.raises(TwilioRestException) as refused:
            client.insights.v1.calls(sid).summary().fetch()
        assert (refused.value.status, refused.value.code) == (status, code)
        with pytest.raises(TwilioException, match=re.escape(f'"code":{code}')):
            client.insights.v1.calls(sid).metrics.list()
    with pytest.raises(TwilioException, match=r"20001.*PageSize"):
        client.insights.v1.calls(FOREIGN).metrics.page(page_size=1001)
    stranger = office(ours.server, "stranger").client()
    with pytest.raises(TwilioRestException) as refused:
        stranger.insights.v1.calls(FOREIGN).fetch()
    assert (refused.value.status, refused.value.code) == (403, 17000)
    wrong = ours.client(secret="0" * 32)
    with pytest.raises(TwilioRestException) as refused:
        wrong.insights.v1.settings().fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)
    with pytest.raises(TwilioException, match="501"):
        client.insights.v1.conferences.list()


def test_an_api_key_s_sid_and_secret_open_the_same(ours: Office) -> None:
    """As the documentation of the SDK has them: `Client(key, secret, account)`."""
    made = ours.request("POST", "/api/v1/keys", {"name": "sdk", "role": "read", "account": "ours"})
    client = ours.client(made["sid"], made["secret"], ours.sid)
    assert len(client.insights.v1.calls(FOREIGN).metrics.list()) == 7
    assert made["sid"] in {one["sid"] for one in ours.request("GET", "/api/v1/keys")["keys"]}


def test_the_asynchronous_client_does_all_of_it_too(ours: Office) -> None:
    """Lists, streams, pages, fetches, updates and errors, awaited."""

    async def journey() -> list[Any]:
        http = AsyncTwilioHttpClient()
        try:
            insights = ours.client(http_client=http).insights.v1
            call = insights.calls(FOREIGN)
            found: list[Any] = [len(await call.metrics.list_async(page_size=2))]
            found.append([one.name async for one in await call.events.stream_async(page_size=1)])
            page = await call.metrics.page_async(page_size=5)
            following = await page.next_page_async()
            found.append(len(list(following)))
            found.append((await call.fetch_async()).sid)
            found.append((await call.summary().fetch_async()).duration)
            found.append((await call.annotation().update_async(incident="i-1")).incident)
            found.append((await call.annotation().fetch_async()).incident)
            found.append(len(await insights.call_summaries.list_async(page_size=1)))
            found.append((await insights.settings().fetch_async()).advanced_features)
            found.append((await insights.settings().update_async(voice_trace=True)).voice_trace)
            with pytest.raises(TwilioRestException) as refused:
                await insights.calls(UNKNOWN).fetch_async()
            found.append(refused.value.code)
        finally:
            await http.close()
        return found

    names = ["outgoing", "ringing", "accepted-by-remote"]
    assert asyncio.run(journey()) == [7, names, 2, FOREIGN, 65, "i-1", "i-1", 3, True, True, 20404]


def test_addresses_lead_back_to_where_the_client_is(ours: Office, client: Client) -> None:
    """Not to the original's host."""
    payload = client.insights.v1.calls(FOREIGN).metrics.page(page_size=2)._payload["meta"]
    for name in ("url", "first_page_url", "next_page_url"):
        assert payload[name].startswith(f"{ours.base}/v1/Voice/{FOREIGN}/Metrics?PageSize=2&")
    assert msgspec.json.encode(payload)
