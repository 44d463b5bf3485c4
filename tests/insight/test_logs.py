"""The log tables are written from facts, and read a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.world import World
from trunkline.catalogue.facts import Call, CallEvent, Fact, Feedback, Message, Request, Sample
from trunkline.catalogue.load import load
from trunkline.catalogue.log_tables import read
from trunkline.clock import from_microseconds
from trunkline.insight.logs.places import Place, from_text, written
from trunkline.insight.logs.reader import LogQuestion

DAY = datetime(2026, 11, 21, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)
SECOND = timedelta(seconds=1)
Rows = list[dict[str, Any]]


def request(second: int, service: str, operation: str, **given: Any) -> Request:
    """Return a request."""
    row: dict[str, Any] = {"resource": "trunkline", "status": 200, "status_class": "2xx", "duration_ms": 12.4}
    return Request(happened_at=NOON + second * SECOND, service=service, operation=operation, **{**row, **given})


def message(second: int, **given: Any) -> Message:
    """Return a text message."""
    row: dict[str, Any] = {"resource": "trunkline", "channel": "sms", "direction": "outbound", "segments": 2}
    return Message(happened_at=NOON + second * SECOND, **{**row, **given})


def call(second: int, leg_id: str, **given: Any) -> Call:
    """Return a leg that was answered and has ended."""
    began = NOON + second * SECOND
    row: dict[str, Any] = {
        "resource": "trunkline",
        "direction": "outbound",
        "capability": "phone",
        "sender": "+18005550199",
        "recipient": "+14255550123",
        "answered_at": began + 5 * SECOND,
        "ended_at": began + 65 * SECOND,
        "answered": True,
        "talk_ms": 60_000.0,
        "outcome": "answered",
    }
    return Call(happened_at=began, leg_id=leg_id, **{**row, **given})


def sample(second: int, call_id: str, **given: Any) -> Sample:
    """Return a reading."""
    row: dict[str, Any] = {"resource": "trunkline", "edge": "sdk", "direction": "inbound"}
    return Sample(happened_at=NOON + second * SECOND, call_id=call_id, **{**row, **given})


def event(second: int, call_id: str, name: str, **given: Any) -> CallEvent:
    """Return an event within a call."""
    return CallEvent(happened_at=NOON + second * SECOND, resource="trunkline", call_id=call_id, name=name, **given)


FACTS: list[Fact] = [
    request(1, "sms", "SMSMessageSent", ms_cv="one.0", sdk="azsdk-python-communication-sms/1.1.0", caller_ip="::1"),
    message(1, message_id="m1", recipient="+14255550123", sender="+18005550199", correlation_id="one.0"),
    message(1, message_id="m2", recipient="+14255550124", sender="+18005550199", correlation_id="one.0"),
    request(2, "sms", "SMSMessageSent", status=401, status_class="4xx", extra={"error_code": "Denied"}),
    request(2, "sms", "OptOutsAdd", ms_cv="two.0"),
    request(3, "chat", "SendChatMessage", ms_cv="three.0", caller="8:acs:x", api_version="2024-03-07"),
    message(3, message_id="17", channel="chat", thread_id="19:t", correlation_id="three.0", recipient="a"),
    message(3, message_id="17", channel="chat", thread_id="19:t", correlation_id="three.0", recipient="b"),
    call(10, "L1", call_id="C1", extra={"participant_id": "P1"}),
    call(10, "L2", call_id="C1", direction="inbound", capability="webrtc"),
    call(20, "L3", outcome="busy", answered=False, answered_at=None, talk_ms=None, sip_code=486, error_code="x"),
    call(30, "L4", outcome="", ended_at=None, talk_ms=None),
    *(sample(10 + each, "L1", jitter_ms=5.0 + each, loss_percent=2.0, rtt_ms=40.0) for each in range(5)),
    *(sample(10 + each, "L1", direction="outbound", packets_sent=10) for each in range(5)),
    sample(13, "L1", media="video", stream="7", frames_per_second=24.0, height_px=720.0, freeze_per_minute_ms=50.0),
    sample(14, "L1", media="screen", healed_percent=5.0, jitter_buffer_ms=80.0, jitter_buffer_max_ms=90.0),
    sample(4000, "orphan", edge="carrier", mos=4.0, codec="opus"),
    event(11, "L1", "createView", edge="sdk", topic="view", extra={"operation_id": "o1", "duration_ms": "7"}),
    event(12, "L1", "RecordingEnded", topic="recording", extra={"recording_id": "r1", "recording_length": "9.5"}),
    Feedback(
        happened_at=NOON + 90 * SECOND,
        resource="trunkline",
        call_id="L1",
        survey_id="s1",
        audio_score=4,
        audio_highest=5,
        overall_issues="Echo",
    ),
    message(40, message_id="e1", channel="email", sender="a@b.example", recipient="c@d.example", status="failed"),
]


@pytest.fixture(scope="module")
def facts(shared_world: World) -> World:
    """Record what happened."""
    for fact in FACTS:
        shared_world.house.recorder.record(fact)
    return shared_world


@pytest.fixture
def table(facts: World) -> Callable[..., Rows]:
    """Read a table of the day to its end."""

    def rows(name: str, **given: Any) -> Rows:
        return list(paged(facts, name, **given))

    return rows


def paged(world: World, name: str, **given: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, page after page."""
    after, wanted = "", {"start": DAY, "end": DAY + timedelta(days=1), "limit": 100, **given}
    for _ in range(200):
        question = LogQuestion(table=read().named(name), next=after, **wanted)
        page = world.run(world.house.log_reader.page(question))
        assert len(page.entries) <= wanted["limit"]
        yield from (one.columns for one in page.entries)
        after = page.next
        if not after:
            return
    pytest.fail("it has no end")


def some(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """Return some columns of a row."""
    return tuple(row[name] for name in names)


def test_a_text_message_is_a_row_with_the_id_of_its_request(table: Any) -> None:
    """One for each recipient; a request that sent nothing is one, too, and those about opting out stand elsewhere."""
    first, second, refused = table("ACSSMSIncomingOperations")
    names = ("OperationName", "CorrelationId", "MessageId", "PhoneNumber", "ResultType", "ResultSignature", "Level")
    assert some(first, *names) == (
        *("SMSMessagesSent", "one.0", "m1", "+18005550199", "Succeeded", "200", "Informational"),
    )
    assert second["MessageId"] == "m2"
    assert some(refused, *names) == ("SMSMessagesSent", None, None, None, "Failed", "401", "Warning")
    assert some(first, "SdkType", "PlatformType", "DurationMs", "CallerIpAddress", "Category", "Type") == (
        *("azsdk-python-communication-sms", "Python", 12, "::1", "SMSOperational", "ACSSMSIncomingOperations"),
    )
    assert (refused["ResultDescription"], first["TimeGenerated"]) == ("Denied", "2026-11-21T12:00:01.000000Z")
    assert [one["OperationName"] for one in table("ACSOptOutManagementOperations")] == ["OptOutsAdd"]


def test_a_chat_message_s_request_tells_of_thread_and_message(table: Any) -> None:
    """Once, however many get it."""
    (row,) = table("ACSChatIncomingOperations")
    names = ("UserId", "ChatThreadId", "ChatMessageId", "OperationVersion")
    assert some(row, *names) == ("8:acs:x", "19:t", 17, "2024-03-07")


def test_a_report_and_a_text_that_came_in_are_rows_of_their_messages(make_world: Any) -> None:
    """By the message's own id, once, though a report bears the vector of the request that sent it."""
    world: World = make_world()
    to = [{"to": "+14255550123"}, {"to": "+14255550124"}]
    body = {"from": "+18005550199", "smsRecipients": to, "message": "hello"}
    sent = world.call("POST", "/sms", json=body | {"smsSendOptions": {"enableDeliveryReport": True}}, key=True)
    for _ in range(100):
        world.advance(0.3)
        if sum(one.name == "sms.report.received" for one in world.happenings()) == len(to):
            break
    text = {"from": "+14255550123", "to": "+18005550199", "text": "hi"}
    key = world.house.resources.get("trunkline").api_key
    assert world.call("POST", "/api/v1/inbox/sms?", json=text, token=key).status == 202
    rows = list(paged(world, "ACSSMSIncomingOperations"))
    ids = sorted(one["messageId"] for one in sent.json["value"])
    vector = sent.headers["ms-cv"]
    for name, *wanted in (("SMSMessagesSent", 5, None, None), ("SMSDeliveryReportsReceived", None, None, 1)):
        those = sorted((row for row in rows if row["OperationName"] == name), key=lambda row: row["MessageId"])
        assert [(row["MessageId"], row["CorrelationId"]) for row in those] == [(one, vector) for one in ids]
        lengths = ("OutgoingMessageLength", "IncomingMessageLength", "DeliveryAttempts")
        assert [some(row, "PhoneNumber", *lengths) for row in those] == [("+18005550199", *wanted)] * 2
    (came,) = [row for row in rows if row["OperationName"] == "SMSMessagesReceived"]
    assert some(came, "PhoneNumber", "IncomingMessageLength") == ("+18005550199", 2)


def test_requests_name_their_thread_their_message_and_their_scopes(make_world: Any) -> None:
    """Whatever was asked of them."""
    world: World = make_world()
    user = world.user("chat", "voip")
    path = world.thread(user)
    thread_id = unquote(path.rpartition("/")[2])
    sent = world.call("POST", f"{path}/messages", json={"content": "hi"}, token=user.token).json["id"]
    world.call("GET", f"{path}/messages/{sent}", token=user.token)
    world.call("GET", path, token=user.token)
    rows = {row["OperationName"]: row for row in paged(world, "ACSChatIncomingOperations")}
    assert {name: some(row, "ChatThreadId", "ChatMessageId") for name, row in rows.items()} == {
        "CreateChatThread": (thread_id, None),
        "SendChatMessage": (thread_id, int(sent)),
        "GetChatMessage": (thread_id, int(sent)),
        "GetChatThread": (thread_id, None),
    }
    (made,) = paged(world, "ACSAuthIncomingOperations")
    assert made["Scopes"] == ["chat", "voip"]


def test_every_row_says_whose_it_is(table: Any, facts: World) -> None:
    """By the ids of resource and subscription; nobody is billed."""
    (row,) = table("ACSChatIncomingOperations")
    account = facts.house.resources.get("trunkline")
    assert row["_SubscriptionId"] == account.subscription_id
    assert row["_ResourceId"].endswith("/Microsoft.Communication/communicationServices/trunkline")
    assert some(row, "_IsBillable", "SourceSystem", "TenantId") == ("false", "Azure", None)


def test_each_leg_that_ended_is_a_participant(table: Any) -> None:
    """With who took part, for how long, and how it ended; a call that runs has no row."""
    rows = table("ACSCallSummary")
    names = ("CorrelationId", "Identifier", "ParticipantId", "CallDuration", "ParticipantDuration", "ResultCategory")
    assert [some(row, *names) for row in rows] == [
        ("C1", "+14255550123", "P1", 65, 60, "Success"),
        ("C1", "+18005550199", "L2", 65, 60, "Success"),
        ("L3", "+14255550123", "L3", 65, None, "ExpectedError"),
    ]
    assert [some(row, "EndpointType", "ParticipantEndReason") for row in rows] == [
        ("PSTN", "0"),
        ("VoIP", "0"),
        ("PSTN", "486"),
    ]
    assert [one["CallUpdatesVersion"] for one in table("ACSCallSummaryUpdates")] == [0, 0, 0]


def test_each_stream_is_a_row_where_it_begins(table: Any) -> None:
    """With averages and peaks of its readings, and the leg that it is of."""
    names = ("ParticipantId", "StreamDirection", "JitterAvg", "JitterMax", "PacketLossRateAvg", "PacketUtilization")
    assert [some(row, *names) for row in table("ACSCallDiagnostics")] == [
        ("P1", "inbound", 7, 9, 0.02, None),
        ("P1", "outbound", None, None, None, 50),
        ("P1", "inbound", None, None, None, None),
        ("P1", "inbound", None, None, None, None),
        (None, "inbound", None, None, None, None),
    ]
    assert [one["CorrelationId"] for one in table("ACSCallDiagnostics")] == ["C1"] * 4 + ["orphan"]
    _, _, video, screen, _ = table("ACSCallDiagnostics")
    names = ("MediaType", "StreamId", "VideoFrameRateAvg", "RecvResolutionHeight", "RecvFreezeDurationPerMinuteInMs")
    assert some(video, *names) == ("Video", 7, 24.0, 720, 50.0)
    names = ("MediaType", "HealedDataRatioAvg", "JitterBufferSizeAvg", "JitterBufferSizeMax", "StreamId")
    assert some(screen, *names) == ("VBSS", 0.05, 80, 90, None)


def test_each_value_of_a_reading_is_a_row(table: Any) -> None:
    """Over time, under the name of its metric."""
    rows = table("ACSCallClientMediaStatsTimeSeries", where={"MetricName": "JitterInMs"})
    assert [some(row, "CallId", "Average", "Count", "MediaStreamDirection") for row in rows] == [
        ("L1", 5.0 + each, 1, "recv") for each in range(5)
    ]
    assert len(table("ACSCallClientMediaStatsTimeSeries")) == 15 + 5 + 1 + 3


def test_a_day_of_calls_is_a_row_for_each_measure_and_direction(table: Any) -> None:
    """At midnight, with how many calls and legs there were."""
    rows = table("ACSCallingMetrics", where={"MetricName": "CallDuration"})
    names = ("CallType", "Platform", "MetricValueAvg", "LegsDcount", "SuccessLegsDcount", "Unit", "TimestampBin")
    assert [some(row, *names) for row in rows] == [
        ("inbound", "VoIP", 60_000, 1, 1, "ms", "2026-11-21T00:00:00.000000Z"),
        ("outbound", "PSTN", 60_000, 3, 2, "ms", "2026-11-21T00:00:00.000000Z"),
    ]


def test_what_was_used_are_minutes_and_parts_of_messages(table: Any) -> None:
    """Of answered calls that ended and of messages, in order of time."""
    rows = table("ACSBillingUsage")
    names = ("UsageType", "UnitType", "Quantity", "RecordId", "UserIdA")
    assert [some(row, *names) for row in rows] == [
        ("SMS", "Messages", 2.0, "m1", "+18005550199"),
        ("SMS", "Messages", 2.0, "m2", "+18005550199"),
        ("Chat", "Messages", 2.0, "17", None),
        ("Chat", "Messages", 2.0, "17", None),
        ("PSTN", "Minutes", 1.0, "L1", "+18005550199"),
        ("VoIP", "Minutes", 1.0, "L2", "+18005550199"),
        ("Email", "Messages", 2.0, "e1", "a@b.example"),
    ]


def test_events_of_a_kind_stand_in_their_table(table: Any) -> None:
    """What a client did, a recording, what a participant said."""
    (did,) = table("ACSCallClientOperations")
    names = ("OperationName", "OperationType", "OperationId", "DurationMs")
    assert some(did, *names) == ("createView", "view", "o1", 7)
    assert did["OperationPayload"] == {"operation_id": "o1", "duration_ms": "7"}
    (recording,) = table("ACSCallRecordingSummary")
    assert some(recording, "RecordingId", "RecordingLength") == ("r1", 9.5)
    (survey,) = table("ACSCallSurvey")
    assert some(
        survey, "SurveyId", "AudioRatingScore", "AudioRatingScoreUpperBound", "OverallCallIssues", "CallId"
    ) == (*("s1", 4, 5, "Echo", "L1"),)


def test_what_became_of_an_e_mail_is_a_row(table: Any) -> None:
    """With the domain and the name of its sender."""
    (row,) = table("ACSEmailStatusUpdateOperational")
    assert some(row, "CorrelationId", "RecipientId", "DeliveryStatus", "SenderDomain", "SenderUsername") == (
        *("e1", "c@d.example", "Failed", "b.example", "a"),
    )


def test_requests_of_services_that_are_not_built_come_out(make_world: Any) -> None:
    """Each in the table of its service, as soon as they were posted."""
    world: World = make_world()
    wanted = {}
    for number, service in enumerate(load().of_vendor("acs")):
        if service.name != "network_traversal":
            operation = next(name for name in service.operations if not name.startswith("OptOuts"))
            world.house.recorder.record(request(number, service.name, operation, ms_cv=f"{service.name}.0"))
            wanted[service.name] = f"{service.name}.0"
    parts = {one.name: part for one in read().tables.values() for part in one.parts if part.of == "requests"}
    found = {}
    for name, part in parts.items():
        for row in paged(world, name):
            found[part.where["service"][0]] = row["CorrelationId"]
    assert found == wanted


@pytest.mark.parametrize("name", list(read().tables))
def test_pages_of_any_size_are_the_same_rows(table: Any, name: str) -> None:
    """In order of time, none twice and none left out."""
    whole = table(name)
    assert [row["TimeGenerated"] for row in whole] == sorted(row["TimeGenerated"] for row in whole)
    for limit in (1, 3):
        assert table(name, limit=limit) == whole


def test_rows_that_lie_far_apart_are_found(make_world: Any) -> None:
    """A year and a minute, one at a time and together."""
    world: World = make_world()
    for second in (0, 60, 86_400, 86_400 * 400):
        world.house.recorder.record(request(-second, "rooms", "GetRoom", ms_cv=f"{second}.0"))
    span = {"start": NOON - timedelta(days=1000), "end": datetime.max.replace(tzinfo=UTC)}
    for limit in (1, 2, 100):
        rows = paged(world, "ACSRoomsIncomingOperations", limit=limit, **span)
        assert [row["CorrelationId"] for row in rows] == [f"{86_400 * 400}.0", "86400.0", "60.0", "0.0"]


def test_columns_say_which_rows_are_wanted(table: Any) -> None:
    """In the table's words, in any case of the column's name; what is not known is nothing."""
    assert len(table("ACSSMSIncomingOperations", where={"operationname": "SMSMessagesSent"})) == 3
    assert len(table("ACSSMSIncomingOperations", where={"MessageId": "m2", "ResultType": "Succeeded"})) == 1
    assert len(table("ACSSMSIncomingOperations", where={"ResultSignature": "401"})) == 1
    assert len(table("ACSSMSIncomingOperations", where={"CorrelationId": "one.0"})) == 2
    assert [row["ParticipantId"] for row in table("ACSCallSummary", where={"ParticipantId": "L2"})] == ["L2"]
    assert table("ACSCallSummary", where={"ParticipantId": "L1"}) == []
    assert len(table("ACSSMSIncomingOperations", where={"CorrelationId": ""})) == 1
    assert table("ACSSMSIncomingOperations", where={"OperationName": "nothing"}) == []


def test_accounts_see_their_own(table: Any) -> None:
    """And nothing is of another one."""
    assert table("ACSCallSummary", accounts=("other",)) == []
    assert len(table("ACSCallSummary", accounts=("other", "trunkline"))) == 3


def test_where_it_goes_on_is_read_as_it_was_written() -> None:
    """At the end there is nothing."""
    places = [Place(1_700_000_000_000_000, 3, 1), None]
    assert from_text(written(places), 2) == places
    assert written([None, None]) == ""
    assert from_microseconds(places[0].at_us).year == 2023  # type: ignore[union-attr]


def test_the_list_of_columns_is_not_read_at_run_time() -> None:
    """It is only held against what is there."""
    assert not list((Path(__file__).parents[2] / "src").rglob("log_columns.tsv"))
