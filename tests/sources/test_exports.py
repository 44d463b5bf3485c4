"""Exports of log tables: each becomes facts and lines of a log, found by every id, and the same only once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.exported import Brought, Row, ask, bring, lines, only, record_of, row_of
from tests.support.world import World
from trunkline.catalogue.exports import read
from trunkline.cli.main import app
from trunkline.library.served import Server

TOKEN = "k" * 40
VECTOR = "dDRmubfpNZZZZZnxBtw3QA.0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Open a world that the tests of the module share; each brings files of its own."""
    opened = World(tmp_path_factory.mktemp("exports"), api_key=TOKEN)
    yield opened
    opened.close()


def brought(world: World, folder: Path, *rows: Row, name: str = "rows.json") -> Brought:
    """Import rows, one a line."""
    (folder / name).write_text(lines(*rows))
    return bring(world, folder / name, TOKEN)


def facts(world: World, fact: str, **given: Any) -> list[Row]:
    """List facts."""
    answer = world.call("POST", "/api/v1/facts", json={"fact": fact, "since": "400d", **given}, token=TOKEN)
    assert answer.status == 200, answer.body
    rows: list[Row] = answer.json["rows"]
    return rows


def story(world: World, wanted: str) -> Row:
    """Search an id."""
    answer = world.call("GET", f"/api/v1/search?q={wanted}", token=TOKEN)
    assert answer.status == 200, answer.body
    found: Row = answer.json
    return found


@pytest.mark.parametrize("table", sorted(read().tables))
def test_a_row_of_each_table_is_found_by_every_id_in_it(world: World, tmp_path: Path, table: str) -> None:
    """As a line of a log that has the row as it was, column for column."""
    row = row_of(table, world.clock.now())
    found = brought(world, tmp_path, row)
    assert found.refused == []
    assert found.accepted["log_lines"] == 1
    ids = [str(row[name]) for name in read().forms.ids if isinstance(row.get(name), str)]
    for wanted in ids:
        told = [entry["row"] for entry in story(world, wanted)["story"] if entry.get("fact") == "log_lines"]
        assert row in [json.loads(line["body"]) for line in told if line["log_table"] == table], wanted


@pytest.mark.parametrize("table", sorted(read().tables))
def test_a_table_gives_back_the_rows_that_came_in(world: World, tmp_path: Path, table: str) -> None:
    """Column for column, each once: what facts they became is not told besides."""
    at = world.clock.now() - timedelta(days=20)
    rows = [row_of(table, at + timedelta(seconds=second), SourceSystem=f"system {second}") for second in range(3)]
    brought(world, tmp_path, *rows)
    since, until = (f"{at + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}" for second in (0, 60))
    found = []
    path = f"/api/v1/logs/tables/{table}?since={since}&until={until}&limit=2"
    while path:
        answer = world.call("GET", path, token=TOKEN)
        assert answer.status == 200, answer.body
        found += answer.json["rows"]
        path = answer.json.get("next", "") and f"{path.partition('&next')[0]}&next={answer.json['next']}"
    assert found == rows


def test_requests_are_counted_by_their_operations(world: World, tmp_path: Path) -> None:
    """The log's names are the metric's but for case, spaces and one that differs; statuses are those of the answers."""
    at = world.clock.now()
    before = ask(world, TOKEN, "requests.count", by=["service", "operation", "status"])
    given = [
        ("ACSSMSIncomingOperations", "SMSMessagesSent", 202, "sms", "SMSMessageSent"),
        ("ACSChatIncomingOperations", "CreateChatThread", "201", "chat", "CreateChatThread"),
        ("ACSChatIncomingOperations", "CreateChatThread", "403", "chat", "CreateChatThread"),
        ("ACSAuthIncomingOperations", "CreateIdentity", "201", "authentication", "CreateIdentity"),
        ("ACSRoomsIncomingOperations", "CreateRoom", "201", "rooms", "CreateRoom"),
        ("ACSJobRouterIncomingOperations", "UpsertJob", "200", "router", "UpsertJob"),
        ("ACSCallAutomationIncomingOperations", "CreateCall", 201, "call_automation", "Create Call"),
        ("ACSEmailSendMailOperational", "SendMail", None, "email", "SendMail"),
        ("ACSOptOutManagementOperations", "OptOutsAdd", "200", "sms", "OptOutsAdd"),
    ]
    rows = [
        row_of(table, at, OperationName=operation, **({} if status is None else {"ResultSignature": status}))
        for table, operation, status, _, _ in given
    ]
    assert brought(world, tmp_path, *rows).accepted["requests"] == len(given)
    after = ask(world, TOKEN, "requests.count", by=["service", "operation", "status"])
    for _, _, status, service, name in given:
        split = (service, name, str(status or 202))
        assert after[split] - before.get(split, 0) == 1, split


def test_a_request_keeps_what_its_row_tells(world: World, tmp_path: Path) -> None:
    """Its correlation vector, the client library, who asked, from where, and how long it took."""
    row = row_of(
        "ACSSMSIncomingOperations",
        world.clock.now(),
        OperationName="SMSDeliveryReportsReceived",
        CorrelationId=VECTOR,
        DurationMs=130,
        CallerIpAddress="127.0.0.1",
        SdkType="azsdk-net-Communication.Sms",
    )
    brought(world, tmp_path, row)
    (found,) = facts(world, "requests", id=VECTOR)
    told = {name: found[name] for name in ("ms_cv", "correlation_id", "duration_ms", "caller_ip", "sdk", "status")}
    assert told == {
        "ms_cv": VECTOR,
        "correlation_id": VECTOR,
        "duration_ms": 130.0,
        "caller_ip": "127.0.0.1",
        "sdk": "azsdk-net-Communication.Sms",
        "status": 200,
    }
    assert found["extra"]["log_table"] == "ACSSMSIncomingOperations"


def call(world: World, call_id: str, version: int | None = None, **given: Any) -> Row:
    """Make a row of a participant of a call."""
    table = "ACSCallSummary" if version is None else "ACSCallSummaryUpdates"
    began = world.clock.now() - timedelta(hours=2)
    usual = {"CorrelationId": call_id, "ParticipantId": f"{call_id}-p", "ParticipantDuration": 60}
    row = row_of(table, began, **(usual | given))
    return row if version is None else {**row, "CallUpdatesVersion": version}


def test_a_participant_is_a_leg_of_a_call(world: World, tmp_path: Path) -> None:
    """With its duration; a call that failed says why, in the words of its table."""
    good = call(world, "c1", EndpointType="VoIP", Identifier="8:acs:u1", ResultCategory="Success")
    ends = {"ParticipantEndReason": "487", "ParticipantEndSubCode": "540487", "ResultCategory": "ExpectedError"}
    bad = call(
        world, "c2", EndpointType="PSTN", PstnParticipantCallType="Outbound", Identifier="4:+12065550100", **ends
    )
    brought(world, tmp_path, good, {**bad, "ParticipantDuration": 0})
    answered, cancelled = (facts(world, "calls", id=one)[0] for one in ("c1", "c2"))
    told = [answered[name] for name in ("leg_id", "call_id", "capability", "sender", "talk_ms", "outcome")]
    assert told == ["c1-p", "c1", "webrtc", "8:acs:u1", 60_000.0, "answered"]
    told = [cancelled[name] for name in ("recipient", "outcome", "sip_code", "error_code", "status")]
    assert told == ["4:+12065550100", "cancelled", 487, "487/540487", "ExpectedError"]
    where = [{"column": "call_id", "values": ["c1", "c2"]}]
    assert only(ask(world, TOKEN, "calls.count", where=where)) == 2
    assert only(ask(world, TOKEN, "calls.duration_total", where=where)) == 60_000
    assert only(ask(world, TOKEN, "calls.duration_avg", where=where)) == 60_000
    assert "the id of one leg of a call" in [one["text"] for one in story(world, "c1-p")["found"]]


def test_the_last_version_of_a_leg_wins_in_any_order(world: World, tmp_path: Path) -> None:
    """And what is final wins of all; versions of a leg are one call, in one file or in several."""
    versions = [call(world, "v1", number, ParticipantDuration=10 * number) for number in (2, 3, 1)]
    brought(world, tmp_path, *versions)
    (found,) = facts(world, "calls", id="v1")
    assert found["talk_ms"] == 30_000
    brought(world, tmp_path, call(world, "v1", ParticipantDuration=40), name="final.json")
    brought(world, tmp_path, call(world, "v1", 4, ParticipantDuration=5), name="late.json")
    (found,) = facts(world, "calls", id="v1")
    assert found["talk_ms"] == 40_000


def test_of_a_streams_versions_in_a_file_only_the_last_is_a_reading(world: World, tmp_path: Path) -> None:
    """Loss comes as a share, and is kept in percent; each version stays a line of a log."""
    usual = {"CorrelationId": "s1", "ParticipantId": "s1-p", "StreamDirection": "inbound", "EndpointType": "VoIP"}
    table, at = "ACSCallDiagnosticsUpdates", world.clock.now()
    rows = [
        row_of(table, at, **usual, StreamId=1, CallUpdatesVersion=number, PacketLossRateAvg=share, JitterAvg=12)
        for number, share in ((2, 0.125), (1, 0.9))
    ]
    found = brought(world, tmp_path, *rows, row_of(table, at, **usual, StreamId=2, PacketLossRateAvg=0))
    assert found.accepted == {"log_lines": 3, "samples": 2}
    readings = facts(world, "samples", id="s1-p")
    assert sorted((one["loss_percent"], one["edge"], one["direction"]) for one in readings) == [
        (0.0, "sdk", "inbound"),
        (12.5, "sdk", "inbound"),
    ]


def test_readings_and_operations_of_a_client_belong_to_its_call(world: World, tmp_path: Path) -> None:
    """Whether they name its participant or its endpoint; they are found by the call's id."""
    at = world.clock.now()
    usual = {"CallId": "m1", "EndpointId": "e1", "ParticipantId": "m1-p"}
    series = {"MediaStreamDirection": "recv", "Average": 31.5, "Sum": 14.0}
    rows = [
        call(world, "m1", EndpointId="e1"),
        row_of("ACSCallClientMediaStatsTimeSeries", at, **usual, **series, MetricName="JitterInMs"),
        row_of("ACSCallClientMediaStatsTimeSeries", at, **usual, **series, MetricName="packetsLostPerSecond"),
        row_of("ACSCallClientMediaStatsTimeSeries", at, **usual, **series, MetricName="PairRttInMs"),
        row_of("ACSCallClientOperations", at, **usual, OperationName="Join", ResultType="Failed", ResultSignature=408),
    ]
    assert brought(world, tmp_path, *rows).accepted == {"log_lines": 5, "calls": 1, "samples": 2, "call_events": 1}
    readings = facts(world, "samples", id="m1-p")
    assert {one.get("jitter_ms"): one.get("packets_lost") for one in readings} == {31.5: None, None: 14}
    (event,) = facts(world, "call_events", id="m1")
    assert [event[name] for name in ("name", "level", "code", "edge")] == ["Join", "error", "408", "sdk"]


def test_messages_have_what_became_of_them(world: World, tmp_path: Path) -> None:
    """A text message that was sent, one that came in, and a mail by its recipients."""
    at = world.clock.now()
    sms, mail = "ACSSMSIncomingOperations", "ACSEmailStatusUpdateOperational"
    told = {"CorrelationId": "mail-1", "SenderUsername": "news", "SenderDomain": "shop.example"}
    rows = [
        row_of(sms, at, OperationName="SMSMessagesSent", MessageId="t1", PhoneNumber="+1844", ResultType="Succeeded"),
        row_of(sms, at, OperationName="SMSDeliveryReportsReceived", MessageId="t1", PhoneNumber="+1844"),
        row_of(sms, at, OperationName="SMSMessagesReceived", MessageId="t2", PhoneNumber="+1844"),
        row_of(mail, at, **told, RecipientId="a@b.example", DeliveryStatus="Delivered"),
        row_of(mail, at, **told, RecipientId="c@d.example", DeliveryStatus="Bounced", EnhancedSmtpStatusCode="5.1.1"),
        row_of(mail, at, **told, RecipientId="", DeliveryStatus="OutForDelivery"),
    ]
    brought(world, tmp_path, *rows)
    (sent,), (came,) = facts(world, "messages", id="t1"), facts(world, "messages", id="t2")
    assert [sent[name] for name in ("sender", "status", "direction", "channel")] == ["+1844", "sent", "outbound", "sms"]
    assert [came[name] for name in ("recipient", "status", "direction")] == ["+1844", "received", "inbound"]
    mails = {one["recipient"]: (one["status"], one["sender"]) for one in facts(world, "messages", id="mail-1")}
    assert mails == {
        "a@b.example": ("delivered", "news@shop.example"),
        "c@d.example": ("failed", "news@shop.example"),
    }


def test_a_file_that_is_imported_again_adds_nothing(world: World, tmp_path: Path) -> None:
    """Whatever it is called by then."""
    rows = [record_of(row_of(table, world.clock.now(), CorrelationId="again")) for table in sorted(read().tables)]
    first = brought(world, tmp_path, *rows)
    assert sum(first.accepted.values()) > len(rows)
    where = [{"column": "extra.log_table", "op": "is not", "values": [""]}]
    of = {fact: {} if fact == "log_lines" else {"where": where} for fact in first.accepted}
    before = {fact: only(ask(world, TOKEN, f"{fact}.count", **said)) for fact, said in of.items()}
    again = brought(world, tmp_path, *rows, name="other.json")
    assert set(again.accepted.values()) == {0}
    assert {fact: only(ask(world, TOKEN, f"{fact}.count", **said)) for fact, said in of.items()} == before


def test_the_command_imports_an_export_and_again_nothing(served: Server, tmp_path: Path) -> None:
    """It says which tables it holds, tells each row that is none, and ends with 1 if there is one."""
    at = datetime.now(UTC) - timedelta(hours=1)
    rows = [row_of("ACSChatIncomingOperations", at, CorrelationId=f"command-{number}") for number in range(3)]
    path = tmp_path / "PT1H.json.gz"
    path.write_bytes(gzip.compress((lines(*map(record_of, rows)) + "nonsense\n").encode()))
    words = ["import", str(path), "--url", served.connection.http, "--api-key", served.api_key, "--json"]
    first, again = CliRunner().invoke(app, words), CliRunner().invoke(app, words)
    assert (first.exit_code, again.exit_code) == (1, 0), first.output
    assert "3 rows of ACSChatIncomingOperations" in first.stderr
    assert f"{path}:4: This is not JSON" in first.stderr
    told = [json.loads(line) for line in first.stdout.splitlines()]
    assert {one["fact"]: (one["accepted"], one["rejected"]) for one in told} == {
        "log_lines": (3, 1),
        "requests": (3, 0),
    }
    assert [json.loads(line)["accepted"] for line in again.stdout.splitlines()] == [0, 0]


def test_what_a_survey_asked_is_feedback_on_its_call(world: World, tmp_path: Path) -> None:
    """With the scale of each score, and what was wrong."""
    given = {"OverallRatingScore": 4, "OverallRatingScoreLowerBound": 1, "OverallRatingScoreUpperBound": 5}
    row = row_of("ACSCallSurvey", world.clock.now(), **given, CallId="f1", SurveyId="f1-s", AudioIssues="Echo,Noise")
    assert brought(world, tmp_path, row).accepted == {"log_lines": 1, "feedback": 1}
    (found,) = facts(world, "feedback", id="f1-s")
    told = [found[name] for name in ("call_id", "overall_score", "overall_lowest", "overall_highest", "audio_issues")]
    assert told == ["f1", 4, 1, 5, "Echo,Noise"]


def test_an_imported_call_with_a_poor_stream_is_impacted(world: World, tmp_path: Path) -> None:
    """By the values of its diagnostics, of which a shared screen has bounds of its own."""
    at = world.clock.now() - timedelta(hours=1)
    usual: Row = {"CorrelationId": "q1", "ParticipantId": "q1-p", "EndpointType": "VoIP", "StreamDirection": "inbound"}
    good: Row = {"JitterAvg": 30, "RoundTripTimeAvg": 500, "PacketLossRateAvg": 0.1, "HealedDataRatioAvg": 0.1}
    good |= {"JitterBufferSizeAvg": 200, "JitterBufferSizeMax": 200, "VideoFrameRateAvg": 1.0}
    good |= {"RecvResolutionHeight": 768, "RecvFreezeDurationPerMinuteInMs": 25_000.0, "MediaType": "VBSS"}
    rows = [
        row_of("ACSCallDiagnostics", at, **usual, **good, StreamId=1),
        row_of("ACSCallDiagnostics", at, **usual, **(good | {"RecvFreezeDurationPerMinuteInMs": 25_001}), StreamId=2),
        row_of("ACSCallDiagnostics", at, **usual, **(good | {"MediaType": "Video"}), StreamId=3),
    ]
    brought(world, tmp_path, {**call(world, "q1"), "CallStartTime": rows[0]["TimeGenerated"]}, *rows)
    world.run(world.house.verdicts.caught_up())
    (found,) = facts(world, "calls", id="q1")
    assert [found[name] for name in ("streams", "poor_streams", "impacted")] == [3, 2, True]
    assert {name for name, text in found["tags"].items() if text and name.startswith("poor")} == {
        "poor screen freeze",
        "poor frame rate",
        "poor freeze",
    }
    where = [{"column": "call_id", "values": ["q1"]}]
    assert only(ask(world, TOKEN, "calls.impacted", where=where)) == 1
    assert only(ask(world, TOKEN, "streams.poor", where=where)) == 2


def test_an_id_that_is_longer_than_ours_is_found(world: World, tmp_path: Path) -> None:
    """A server call id is an address, and as long as that."""
    wanted = "aHR0cHM6Ly9h" + "b" * 400
    brought(world, tmp_path, row_of("ACSCallAutomationIncomingOperations", world.clock.now(), ServerCallId=wanted))
    assert [one["text"] for one in story(world, wanted)["found"]] == ["the server call in a line of a log"]
