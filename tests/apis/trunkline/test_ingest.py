"""Facts that others measured: posted in every form, refused line by line, durable, and asked for at once."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.world import World
from trunkline.apis.trunkline import ingest
from trunkline.apis.trunkline.body import LONGEST_LINE, Body
from trunkline.apis.trunkline.ingest import OPERATIONS
from trunkline.apis.trunkline.posted import EXAMPLES, MOST_LISTED, Reading
from trunkline.catalogue.facts import Call, Fact, Request, Sample
from trunkline.catalogue.load import load
from trunkline.errors import ForbiddenError, InvalidError, OverloadedError
from trunkline.telemetry.batches import facts_of

CALL = {
    "happened_at": "2026-11-21T11:59:00Z",
    "leg_id": "l1",
    "direction": "outbound",
    "recipient": "+385911234567",
    "seized_at": "2026-11-21T11:59:01Z",
    "answered_at": "2026-11-21T11:59:03Z",
    "ended_at": "2026-11-21T11:59:30Z",
}
SAMPLES = [{"call_id": "c", "edge": "sdk", "mos": 4.0 + n / 10, "jitter_ms": n} for n in range(5)]


def lines(rows: list[Any]) -> bytes:
    """Write one JSON object a line."""
    return b"\n".join(map(msgspec.json.encode, rows)) + b"\n"


def arrow(rows: list[Any], *, as_file: bool = False, **options: Any) -> bytes:
    """Write rows as Arrow."""
    table = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    make = pa.ipc.new_file if as_file else pa.ipc.new_stream
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def ask(own: Any, *measures: str, **given: Any) -> Any:
    """Ask for measures of the last hour, all together unless told otherwise."""
    answer = own("POST", "/ask", json={"measures": measures, **given})
    assert answer.status == 200, answer.body
    return [(*point["split"], *point["values"]) for point in answer.json["points"]]


def post(own: Any, what: str, body: bytes, **headers: str) -> Any:
    """Post a body with the default account's key."""
    return own("POST", f"/{what}", body=body, headers={"x-api-key": own.key, **headers})


@pytest.fixture(name="own")
def keyed(own: Any, world: World) -> Any:
    """Let the key be at hand for requests with headers of their own."""
    own.key = world.house.resources.get("trunkline").api_key
    return own


def test_lines_of_logs_are_told_in_the_story_of_a_call(own: Any) -> None:
    """In their order, though they were written at one moment."""
    at = "2026-11-21T11:59:00Z"
    call = {"leg_id": "l7", "call_id": "c7", "happened_at": "2026-11-21T11:58:00Z"}
    line = {"call_id": "c7", "ms_cv": "cv.1", "session_id": "s", "happened_at": at, "logger": "azure:ACS:warning"}
    logged = [{**line, "sequence": n, "text": f"{n}. try", "level": "warning"} for n in (2, 1, 3)]
    assert post(own, "calls", lines([call])).json["accepted"] == 1
    assert post(own, "logs", lines(logged)).json["accepted"] == 3
    for wanted in ("l7", "cv.1", "s"):
        answer = own("GET", f"/search?q={wanted}").json
        told = [entry["text"] for entry in answer["story"] if entry.get("fact") == "log_lines"]
        assert told == [f"A client logged (azure:ACS:warning): {n}. try" for n in (1, 2, 3)], wanted
        assert [entry["level"] for entry in answer["story"] if entry.get("fact") == "log_lines"] == ["warning"] * 3


def test_feedback_stands_in_the_story_of_its_call(own: Any) -> None:
    """With its scores, and as a warning where one is not above its threshold."""
    said = {
        "call_id": "c8",
        "survey_id": "s8",
        "participant_id": "p8",
        "overall_score": 2,
        "overall_lowest": 1,
        "overall_highest": 5,
        "overall_threshold": 3,
        "audio_issues": "NoLocalAudio",
        "text": "They heard\nnothing.",
    }
    assert post(own, "feedback", lines([said, {"call_id": "c8", "overall_score": 9}])).json["accepted"] == 2
    for wanted in ("c8", "s8", "p8"):
        story = own("GET", f"/search?q={wanted}").json["story"]
        assert ("p8 judged the call, overall 2 of 5, audio (NoLocalAudio): They heard nothing.", "warning") in [
            (entry["text"], entry["level"]) for entry in story
        ], wanted
    assert ask(own, "feedback.count", "feedback.overall_avg") == [(2, 5.5)]


FORMS = {
    "lines": (lines(SAMPLES), {}),
    "array": (msgspec.json.encode(SAMPLES), {"content-type": "application/json"}),
    "pretty array": (json.dumps(SAMPLES, indent=2).encode(), {}),
    "gzip": (gzip.compress(lines(SAMPLES)), {"content-encoding": "gzip"}),
    "zstd": (pa.compress(lines(SAMPLES), "zstd", asbytes=True), {"content-encoding": "zstd"}),
    "arrow stream": (arrow(SAMPLES), {"content-type": "application/vnd.apache.arrow.stream"}),
    "arrow file": (arrow(SAMPLES, as_file=True), {}),
    "packed arrow": (gzip.compress(arrow(SAMPLES)), {"content-encoding": "gzip"}),
    "windows lines": (lines(SAMPLES).replace(b"\n", b"\r\n"), {}),
    "gaps": (b"\n\n" + lines(SAMPLES).replace(b"\n", b"\n \n"), {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_facts_are_taken_in_every_form(own: Any, form: str) -> None:
    """Lines, an array, Arrow; plain or packed."""
    body, headers = FORMS[form]
    answer = post(own, "samples", body, **headers)
    assert (answer.status, answer.json) == (200, {"accepted": 5, "rejected": [], "rejected_total": 0})
    assert ask(own, "samples.count", "samples.mos_avg", "samples.jitter_max", by=["edge"]) == [("sdk", 5, 4.2, 4.0)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_documented_line_of_each_fact_is_taken(own: Any, operation: str) -> None:
    """And can be asked for."""
    path = load().services["api"].operations[operation].path.rpartition("/")[2]
    assert post(own, path, EXAMPLES[operation].encode()).json["accepted"] == 1
    where = [{"column": "service", "values": ["chat"]}] if operation == "PostRequests" else []
    assert ask(own, f"{OPERATIONS[operation].table}.count", where=where) == [(1,)]


def test_one_object_over_several_lines_is_taken(own: Any) -> None:
    """As people paste it."""
    assert post(own, "calls", json.dumps(CALL, indent=2).encode()).json["accepted"] == 1


def test_a_wrong_line_is_told_and_the_others_are_taken(own: Any) -> None:
    """With its number, the field and why."""
    body = b"\n".join(
        [
            msgspec.json.encode(CALL),
            b"{",
            b'{"leg_id": ""}',
            b'{"leg_id": "a", "direction": "outwards"}',
            b'{"leg_id": "a", "callid": "b"}',
            b'{"leg_id": "a", "mos": 6}',
            b'{"leg_id": "a", "ended_at": "2026-11-21T12:05:01Z"}',
            b'{"leg_id": "a", "ended_at": "1996-11-21T12:05:00Z"}',
            b'{"leg_id": "a", "resource": "nobody"}',
            b'{"leg_id": "a", "extra": {"a": {"b": 1}}}',
            b'{"leg_id": "' + b"x" * LONGEST_LINE + b'"}',
            b"[]",
        ]
    )
    answer = post(own, "calls", body)
    assert answer.status == 200
    assert (answer.json["accepted"], answer.json["rejected_total"]) == (1, 11)
    told = [(row["line"], row["path"]) for row in answer.json["rejected"]]
    assert told == [
        *((2, ""), (3, "leg_id"), (4, "direction"), (5, "callid"), (6, "mos"), (7, "ended_at")),
        *((8, "ended_at"), (9, "resource"), (10, "extra[...]"), (11, ""), (12, "")),
    ]
    why = {row["line"]: row["why"] for row in answer.json["rejected"]}
    assert why[4] == "It is one of: inbound, outbound."
    assert "call_id" in why[5]
    assert "clock" in why[7]


def test_at_most_so_many_wrong_lines_are_listed(own: Any) -> None:
    """And all are counted."""
    answer = post(own, "calls", lines([{"leg_id": ""}] * 250 + [CALL]))
    assert (len(answer.json["rejected"]), answer.json["rejected_total"]) == (MOST_LISTED, 250)
    assert answer.json["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b" \n", {}),
        (b"{\n", {}),
        (b"hello\nworld\n", {}),
        (b"[", {}),
        (b"[" * 100_000, {}),
        (b"[{}", {}),
        (b"\xff\xff\xff\xff\x00", {}),
        (b"ARROW1\x00\x00", {}),
        (arrow(SAMPLES)[:-300], {}),
        (arrow(SAMPLES, compression="zstd"), {}),
        (arrow([{"call_id": "c", "mos": [1]}]), {}),
        (b"{}", {"content-encoding": "gzip"}),
        (b"{}", {"content-encoding": "br"}),
        (gzip.compress(gzip.compress(lines(SAMPLES))), {"content-encoding": "gzip, gzip"}),
        (lines(SAMPLES), {"idempotency-key": "x" * 129}),
        (b"{}", {"content-type": "application/vnd.apache.arrow.stream"}),
        (b'{"call_id": ""}', {}),
        (b'{"call_id": "a", "resource": "nobody"}', {}),
        (b"null", {}),
        (b"[{}]", {}),
    ],
)
def test_a_body_of_which_nothing_can_be_read_is_refused(own: Any, body: bytes, headers: dict[str, str]) -> None:
    """400 with a sentence."""
    answer = post(own, "samples", body, **headers)
    assert answer.status == 400, answer.body
    assert answer.json["detail"]
    assert ask(own, "samples.count") in ([], [(0,)])


def test_a_body_that_unpacks_to_too_much_is_refused(own: Any) -> None:
    """Before it has filled the memory."""
    answer = post(own, "samples", gzip.compress(b" " * 100_000_000), **{"content-encoding": "gzip"})
    assert answer.status == 413


def test_a_post_with_a_key_is_done_once(own: Any, world: World) -> None:
    """Answered alike the second time, also after a restart; another body under the same key is a conflict."""
    headers = {"idempotency-key": "one"}
    first = post(own, "samples", lines([*SAMPLES, {"call_id": ""}]), **headers)
    world.restart()
    second = post(own, "samples", lines([*SAMPLES, {"call_id": ""}]), **headers)
    assert (first.json, first.status) == (second.json, second.status)
    assert first.json["rejected_total"] == 1
    assert ask(own, "samples.count") == [(5,)]
    assert post(own, "samples", lines(SAMPLES), **headers).status == 409
    assert post(own, "samples", lines(SAMPLES)).json["accepted"] == 5
    assert ask(own, "samples.count") == [(10,)]


def test_pieces_of_a_call_become_one_record(own: Any) -> None:
    """In one post or in several, out of order, some of them twice."""
    begun = {
        "leg_id": "l",
        "happened_at": "2026-11-21T11:00:01Z",
        "direction": "outbound",
        "recipient": "+385911234567",
    }
    rang = {"leg_id": "l", "seized_at": "2026-11-21T11:00:02Z"}
    answered = {"leg_id": "l", "answered_at": "2026-11-21T11:00:05Z", "call_id": "c"}
    ended = {"leg_id": "l", "ended_at": "2026-11-21T11:00:35Z", "q850_cause": 16}
    post(own, "calls", lines([ended]))
    assert ask(own, "calls.count", "calls.attempted", "calls.answered") == [(1, 0, 0)]
    post(own, "calls", lines([rang, begun]))
    assert ask(own, "calls.count", "calls.not_answered", by=["country"]) == [("HR", 1, 1)]
    post(own, "calls", lines([answered]))
    post(own, "calls", lines([begun, ended]))
    measures = ("calls.count", "calls.answered", "calls.duration_total", "calls.ring_avg", "calls.hung_up_normally")
    assert ask(own, *measures, by=["call_id", "outcome"]) == [("c", "answered", 1, 1, 30_000.0, 3_000.0, 1)]


def test_posted_requests_appear_in_the_original_metrics(own: Any, world: World) -> None:
    """Like served ones; an operation that the service has not is a bad route there."""
    rows = [
        {"service": "chat", "operation": "SendChatMessage", "status": 201, "happened_at": "2026-11-21T11:58:00Z"},
        {"service": "chat", "operation": "SendChatMessage", "status": 429, "happened_at": "2026-11-21T11:58:30Z"},
        {"service": "chat", "operation": "Nonsense", "status": 404, "happened_at": "2026-11-21T11:58:30Z"},
        {"service": "rooms", "operation": "CreateRoom", "status": 201, "happened_at": "2026-11-21T11:58:30Z"},
        {"service": "theirs", "operation": "Anything", "status": 200, "happened_at": "2026-11-21T11:58:30Z"},
    ]
    assert post(own, "requests", lines(rows)).json["accepted"] == 5
    world.advance(1)
    assert metric(own, world, "APIRequestChat") == {
        ("sendchatmessage", "201"): 1,
        ("sendchatmessage", "429"): 1,
        ("bad route", "404"): 1,
    }
    assert metric(own, world, "APIRequestRooms") == {("createroom", "201"): 1}
    assert ("theirs", 1) in ask(own, "requests.count", by=["service"])


def metric(own: Any, world: World, name: str) -> dict[tuple[str, ...], int]:
    """Ask the original's metrics for the counts by operation and status code."""
    token = own("POST", "/tokens", json={"role": "reader"}).json["token"]
    resource = world.house.connection(world.house.resources.get("trunkline")).resource_id
    answer = world.call(
        "GET",
        f"{resource}/providers/Microsoft.Insights/metrics?api-version=2018-01-01&metricnames={name}"
        "&timespan=2026-11-21T11:00:00Z/2026-11-21T13:00:00Z&interval=P1D&aggregation=Count"
        "&$filter=Operation%20eq%20'*'%20and%20StatusCode%20eq%20'*'",
        token=token,
    )
    assert answer.status == 200, answer.body
    found = {}
    for series in answer.json["value"][0]["timeseries"]:
        labels = {value["name"]["value"].lower(): value["value"].lower() for value in series["metadatavalues"]}
        count = sum(point.get("count", 0) for point in series["data"])
        if count:
            found[labels["operation"], labels["statuscode"]] = count
    return found


def test_a_confined_key_writes_to_its_own_account_only(own: Any, world: World) -> None:
    """A line for another account is refused, one without an account is its own."""
    own("PUT", "/accounts/shop")
    theirs = world.house.resources.get("shop").api_key
    rows = [{"call_id": "a"}, {"call_id": "b", "resource": "shop"}, {"call_id": "c", "resource": "trunkline"}]
    answer = own("POST", "/samples", body=lines(rows), token=theirs)
    assert (answer.json["accepted"], [row["line"] for row in answer.json["rejected"]]) == (2, [3])
    assert ask(own, "samples.count", by=["resource"]) == [("shop", 2)]
    assert post(own, "samples", lines(rows)).json["accepted"] == 3
    reader = own("POST", "/tokens", json={"role": "reader"}).json["token"]
    assert own("POST", "/samples", body=lines(rows), token=reader).status == 403


def test_what_was_acknowledged_is_there_after_a_restart(own: Any, world: World) -> None:
    """Once: it is numbered like everything that goes through the inbox."""
    for number in range(20):
        assert post(own, "samples", lines([{"call_id": str(number)}] * 300)).json["accepted"] == 300
    world.restart()
    assert ask(own, "samples.count", "samples.calls") == [(6000, 20)]


# --- large bodies, and chunks of files ---

FILE = "ab" * 32


def test_a_large_body_goes_straight_and_is_asked_for_at_once(own: Any, world: World) -> None:
    """It never stands in the inbox, wrong lines are told all the same, and a restart loses nothing."""
    rows = [{"call_id": f"c{n % 7}", "mos": 4.0, "codec": "opus"} for n in range(3000)]
    body = lines(rows[:1500]) + b'{"call_id": 5}\n' + lines(rows[1500:])
    answer = post(own, "samples", body)
    assert (answer.json["accepted"], answer.json["rejected_total"]) == (3000, 1)
    assert answer.json["rejected"][0]["line"] == 1501
    assert world.house.inbox.durable == world.house.loader.loaded == 0
    assert ask(own, "samples.count", "samples.calls") == [(3000, 7)]
    world.restart()
    assert ask(own, "samples.count") == [(3000,)]


@pytest.mark.parametrize("at_once", [300, 10_000])
def test_large_bodies_of_pieces_become_whole_records(own: Any, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some whole at once, some in two bodies, some twice in one; brought in together or in parts."""
    monkeypatch.setattr(ingest, "RECORDS_AT_ONCE", at_once)
    starts = [
        {"leg_id": f"l{n}", "direction": "outbound", "happened_at": "2026-11-21T11:40:00Z", "extra": {"n": str(n)}}
        for n in range(1200)
    ]
    ends = [{"leg_id": f"l{n}", "answered_at": "2026-11-21T11:41:00Z", "sip_code": 200} for n in range(0, 1200, 2)]
    assert post(own, "calls", lines(starts)).json["accepted"] == 1200
    assert post(own, "calls", lines(ends) + lines(ends[:10]) * 100).json["accepted"] == 1600
    assert ask(own, "calls.count", "calls.answered", "calls.attempted") == [(1200, 600, 1200)]
    found = own("POST", "/facts", json={"fact": "calls", "id": "l8"}).json["rows"]
    assert [(row["extra"], row["answered"]) for row in found] == [({"n": "8"}, True)]


def test_a_chunk_of_a_file_is_taken_once(own: Any, world: World) -> None:
    """Also after a restart; where to go on is told, and a gap is refused."""
    chunks = [lines([{"call_id": f"{n}", "mos": 4.0}]) for n in range(1, 4)]

    def chunk(number: int) -> Any:
        return post(own, "samples", chunks[number - 1], **{"trunkline-chunk": f"{FILE}/{number}"})

    assert chunk(1).json == {"accepted": 1, "rejected": [], "rejected_total": 0}
    assert chunk(3).status == 409
    assert chunk(2).json["accepted"] == 1
    world.restart()
    assert own("GET", f"/imports/{FILE}?fact=samples").json == {"file": FILE, "fact": "samples", "chunks": 2}
    assert own("GET", f"/imports/{FILE}?fact=calls").json["chunks"] == 0
    assert chunk(2).json == {"accepted": 0, "rejected": [], "rejected_total": 0, "again": True}
    assert chunk(3).json["accepted"] == 1
    assert ask(own, "samples.count", "samples.calls") == [(3, 3)]


def test_a_chunk_of_records_is_loaded_in_parts(own: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last part says that it is there; sent again after a half of it was loaded, it changes nothing."""
    monkeypatch.setattr(ingest, "RECORDS_AT_ONCE", 2)
    brought = []
    load = world.house.recorder.load

    def failing(table: str, rows: Any, *chunk: Any) -> Any:
        brought.append(len(rows))
        if len(brought) == 2:
            raise OverloadedError("Too many facts are waiting to be loaded.", retry_after_s=1)
        return load(table, rows, *chunk)

    monkeypatch.setattr(world.house.recorder, "load", failing)
    body = lines([{"leg_id": f"l{n}", "direction": "outbound"} for n in range(5)])
    answers = [post(own, "calls", body, **{"trunkline-chunk": f"{FILE}/1"}) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 200, 200]
    assert [answer.json.get("again") for answer in answers[1:]] == [None, True]
    assert brought == [2, 2, 2, 2, 1, 2, 2, 1]
    assert ask(own, "calls.count") == [(5,)]


def test_a_chunk_of_which_nothing_can_be_taken_is_done_with(own: Any) -> None:
    """Else no import would come past it."""
    answer = post(own, "samples", b"{}\n", **{"trunkline-chunk": f"{FILE}/1"})
    assert (answer.status, answer.json["accepted"], answer.json["rejected_total"]) == (200, 0, 1)
    assert own("GET", f"/imports/{FILE}?fact=samples").json["chunks"] == 1


@pytest.mark.parametrize("given", ["1", f"{FILE}/0", f"{FILE}/-1", f"{FILE.upper()}/1", f"{FILE}/1/2", "x" * 500])
def test_a_chunk_that_is_none_is_refused(own: Any, given: str) -> None:
    """Before anything is taken."""
    answer = post(own, "samples", lines(SAMPLES), **{"trunkline-chunk": given})
    assert (answer.status, answer.json["target"]) == (400, "Trunkline-Chunk")
    assert own("GET", "/imports/short?fact=samples").status == 400
    assert own("GET", f"/imports/{FILE}?fact=nonsense").status == 400


def tabled(count: int, **columns: Any) -> bytes:
    """Write so many samples as Arrow that have the same in each column, given as an array of one."""
    each = {name: pa.concat_arrays([array] * count) for name, array in columns.items()}
    table = pa.table({"call_id": [str(number) for number in range(count)], **each})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("count", [3, 5000])
def test_of_two_entries_of_one_name_the_last_counts(own: Any, count: int) -> None:
    """As in JSON, also in Arrow, whose maps may have both; nothing that comes beside them suffers."""
    extra = pa.array([[("region", "a"), ("host", "b"), ("region", "c")]], pa.map_(pa.string(), pa.string()))
    assert post(own, "samples", tabled(count, extra=extra)).json["accepted"] == count
    assert ask(own, "samples.count", by=["extra.region", "extra.host"]) == [("c", "b", count)]


@pytest.mark.parametrize("count", [3, 5000])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize(("number", "why"), [(2**62, "lies ahead"), (-(2**62), "ten years ago")])
def test_moments_of_arrow_beyond_the_calendar_are_refused(
    own: Any, count: int, unit: str, number: int, why: str
) -> None:
    """Like every other moment that is none, in whichever unit."""
    answer = post(own, "samples", tabled(count, happened_at=pa.array([number], pa.timestamp(unit))))
    assert (answer.status, answer.json["target"]) == (400, "happened_at")
    assert why in answer.json["detail"]


@pytest.mark.parametrize("count", [3, 5000])
def test_moments_of_arrow_are_taken_to_the_microsecond(own: Any, count: int) -> None:
    """In whichever unit and zone, known here or not."""
    for zone in (None, "Europe/Zagreb", "Nowhere/Land"):
        happened = pa.array([1_795_262_340_123_456_789], pa.timestamp("ns", zone))
        assert post(own, "samples", tabled(count, happened_at=happened)).json["accepted"] == count
    found = own("POST", "/facts", json={"fact": "samples", "limit": 1000}).json["rows"]
    assert {row["happened_at"] for row in found} == {"2026-11-21T11:59:00.123456Z"}


# --- the parser, whatever comes ---

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def read(kind: type[Fact], body: bytes, media_type: str = "") -> tuple[Reading, list[Fact]]:
    """Read a body whole."""

    def account(name: str) -> str:
        if name not in {"", "r"}:
            raise ForbiddenError
        return "r"

    reading = Reading(kind, account, NOW)
    facts = [fact for some in reading.facts(Body(body, media_type, "").items()) for fact in some]
    by_columns = Reading(kind, account, NOW)
    rows = by_columns.batch(Body(body, media_type, ""))
    assert facts_of(kind, rows) == facts
    assert (by_columns.accepted, by_columns.rejected) == (reading.accepted, reading.rejected)
    return reading, facts


def test_bodies_of_ever_other_sizes_leave_no_memory_behind() -> None:
    """As the parts of a file are, whose lines are not all as long."""
    before = pa.total_allocated_bytes()
    for many in range(20_000, 20_015):
        assert len(Reading(Sample, lambda _: "r", NOW).batch(Body(b'{"call_id":"c"}\n' * many, "", ""))) == many
    assert pa.total_allocated_bytes() - before < 20_000_000


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=300) | st.lists(st.sampled_from([b"{", b"}", b"[", b'"', b"\n", b":", b"1"])).map(b"".join)
)
def test_no_body_breaks_the_parser(body: bytes) -> None:
    """It is read, or refused in our own words."""
    for kind in (Call, Sample):
        try:
            reading, facts = read(kind, body)
        except InvalidError:
            continue
        else:
            assert reading.accepted == len(facts)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_change_to_arrow_breaks_the_parser(data: st.DataObject) -> None:
    """Bytes changed anywhere in a stream or a file are read, or refused in our own words."""
    body = bytearray(arrow(SAMPLES, as_file=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
    try:
        _, facts = read(Sample, bytes(body))
    except InvalidError:
        return
    assert len(facts) <= 1000


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"service": st.just("chat"), "operation": st.text(max_size=20), "status": st.integers(0, 999)},
            optional={
                "duration_ms": st.integers(0, 1000),
                "extra": st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3),
            },
        ),
        min_size=1,
        max_size=10,
    )
)
def test_every_form_gives_the_same_facts(rows: list[dict[str, Any]]) -> None:
    """A line, a part of an array."""
    _, of_lines = read(Request, lines(rows))
    _, of_array = read(Request, msgspec.json.encode(rows))
    assert of_lines == of_array
    assert [(fact.status, fact.status_class) for fact in of_lines] == [  # type: ignore[attr-defined]
        (row["status"], f"{row['status'] // 100}xx") for row in rows
    ]


MOMENTS = st.sampled_from(
    [
        "2026-11-21T11:00:00Z",
        "2026-11-21T11:00:00.123456+02:00",
        "2026-11-21T11:00:00",
        "2026-11-21",
        "2036-01-01T00:00:00Z",
        "x",
    ]
)
ODD = st.none() | st.integers(-5, 200) | st.text(max_size=4) | st.floats(allow_nan=False) | st.booleans()
CALLS = st.fixed_dictionaries(
    {"leg_id": st.sampled_from(["l1", "l2", "", "x" * 201])},
    optional={
        "happened_at": MOMENTS,
        "ended_at": MOMENTS | st.none(),
        "resource": st.sampled_from(["r", "", "other"]),
        "direction": st.sampled_from(["inbound", "", "sideways"]) | st.none(),
        "country": st.sampled_from(["HR", "hr", ""]),
        "sip_code": st.integers(-1, 1000) | ODD,
        "mos": st.floats(0, 6) | st.none() | ODD,
        "amd_processed": st.booleans() | ODD,
        "foreign_ids": st.dictionaries(st.sampled_from(["a", "", "b"]), st.sampled_from(["1", "é"]), max_size=2),
        "unknown": st.just(1),
    },
)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(CALLS, min_size=1, max_size=4), as_arrow=st.booleans())
@example(rows=[{"leg_id": "1"}, {"leg_id": "1", "happened_at": "2026-11-21"}], as_arrow=False)
@example(rows=[{"leg_id": "1"}, {"leg_id": "1", "ended_at": "2026-11-21T11:00:00"}], as_arrow=False)
def test_rows_read_by_columns_are_those_read_one_by_one(rows: list[dict[str, Any]], as_arrow: bool) -> None:
    """Whatever is wrong with any of them: `read` compares the two."""
    if not as_arrow:
        read(Call, lines(rows))
        return
    with contextlib.suppress(pa.ArrowException, OverflowError, InvalidError):  # columns of mixed or of other types
        read(Call, arrow(rows))
