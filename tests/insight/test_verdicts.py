"""Verdicts from end to end: facts are posted, calls are judged, and questions find their tags."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clickhouse import Served
from tests.support.stores import STORES, Place
from tests.support.world import World
from trunkline.clock import rfc3339
from trunkline.errors import UnavailableError
from trunkline.insight import arrivals, verdicts

TOKEN = "k" * 40
ANSWERED = {"direction": "outbound", "capability": "phone", "outcome": "answered", "talk_ms": 60_000}


class Scene:
    """A world in which calls are posted and judged."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.clock.now()

    def at(self, seconds: float) -> str:
        """Write a moment."""
        return rfc3339(self.now + timedelta(seconds=seconds), 6)

    def post(self, fact: str, *lines: Mapping[str, Any], second: float = 0, **given: Any) -> None:
        """Post facts."""
        stamped = [{"happened_at": self.at(second), **line} for line in lines]
        answer = self.world.call("POST", f"/api/v1/{fact}", json=stamped, token=TOKEN, **given)
        assert answer.json["accepted"] == len(lines), answer.body

    def judge(self) -> int:
        """Judge what waits; returns how many verdicts were written."""
        before = self.world.house.verdicts.written
        self.world.run(self.world.house.verdicts.caught_up())
        return self.world.house.verdicts.written - before

    def rows(self, fact: str = "calls", **given: Any) -> list[dict[str, Any]]:
        """Ask for facts of the last year."""
        question = {"fact": fact, "start": self.at(-366 * 86_400), "end": self.at(86_400), **given}
        rows: list[dict[str, Any]] = self.world.call("POST", "/api/v1/facts", json=question, token=TOKEN).json["rows"]
        return rows

    def tags(self, leg_id: str = "l1") -> dict[str, Any]:
        """Judge, and return the tags of a leg: each as what it tells."""
        self.judge()
        (row,) = [row for row in self.rows(id=leg_id) if row["leg_id"] == leg_id]
        return {name: json.loads(text) for name, text in row.get("tags", {}).items() if text}


@pytest.fixture
def scene(make_world: Callable[..., World]) -> Scene:
    """Open a world with an API key."""
    return Scene(make_world(api_key=TOKEN))


def stream(**given: Any) -> dict[str, Any]:
    """Make a sample of a carrier's edge."""
    return {"call_id": "l1", "edge": "carrier", "direction": "inbound", **given}


BAD = stream(total_jitter_avg_ms=6, total_jitter_max_ms=31, total_packets_received=90, total_packets_lost=10)


@pytest.mark.parametrize("kind", STORES)
def test_a_call_is_judged_when_it_has_ended_and_again_when_something_comes_late(
    kind: str, make_world: Callable[..., World], tmp_path: Path, clickhouse: Callable[[], Served]
) -> None:
    """On either store; questions filter and split by the tags, and everything is still there after a restart."""
    scene = Scene(make_world(api_key=TOKEN, facts=Place(kind, tmp_path, clickhouse).setting))
    scene.post("calls", {"leg_id": "l1", "direction": "outbound"})
    scene.post("samples", BAD, second=5)
    assert scene.tags() == {}
    scene.post("calls", {"leg_id": "l1", **ANSWERED, "talk_ms": 9_000}, {"leg_id": "l2", **ANSWERED})
    assert scene.tags().keys() == {"high jitter", "high packet loss", "short duration"}
    assert scene.tags("l2") == {}
    scene.post("samples", {**BAD, "total_packets_received": 9_990, "total_packets_lost": 10}, second=70)
    scene.post("calls", {"leg_id": "l1", "talk_ms": 60_000, "revised_at": scene.at(60)})
    scene.post("samples", {**BAD, "call_id": "l2"})
    told = scene.tags()
    assert told == {
        "high jitter": {
            "rule": "jitter_avg_ms >= 5 and jitter_max_ms >= 30",
            "edge": "carrier",
            "direction": "inbound",
            "values": {"jitter_avg_ms": 6.0, "jitter_max_ms": 31.0},
        }
    }
    assert scene.tags("l2").keys() == {"high jitter", "high packet loss"}
    scene.world.restart()
    assert scene.judge() == 0
    assert scene.tags() == told
    where = [{"column": "tags.high packet loss", "op": "is not", "values": [""]}]
    assert [row["leg_id"] for row in scene.rows(where=where)] == ["l2"]
    question = {"measures": ["calls.count"], "where": where, "start": scene.at(-60), "end": scene.at(60)}
    answer = scene.world.call("POST", "/api/v1/ask", json=question, token=TOKEN)
    assert [point["values"] for point in answer.json["points"]] == [[1]], answer.body


def test_judging_again_writes_nothing(scene: Scene) -> None:
    """Neither the same pieces again, nor what comes beside, nor a look at everything change a verdict."""
    lines = [{"leg_id": "l1", **ANSWERED, "talk_ms": 5}]
    scene.post("calls", *lines)
    scene.post("samples", BAD)
    assert scene.judge() == 1
    row = scene.rows(id="l1")
    scene.post("samples", BAD)
    scene.post("call-events", {"call_id": "l1", "name": "muted"})
    assert scene.judge() == 0
    assert scene.rows(id="l1") == row
    verdict = scene.world.house.verdicts
    before = verdict.judged
    verdict._left = verdicts.Left(scene.now - timedelta(days=1), scene.now + timedelta(days=1))
    assert scene.judge() == 0
    assert verdict.judged == before + 1


def test_what_a_maker_says_of_a_call_stays_and_is_marked_as_given(scene: Scene) -> None:
    """A rule of the same name does not speak over it."""
    given = {"short duration": "so they say", "my own": "noted"}
    scene.post("calls", {"leg_id": "l1", **ANSWERED, "talk_ms": 5, "tags": given})
    scene.post("samples", BAD)
    assert scene.rows(id="l1")[0]["tags"] == given
    tags = scene.tags()
    assert tags.pop("short duration") == {"given": "so they say"}
    assert tags.pop("my own") == {"given": "noted"}
    assert tags.keys() == {"high jitter", "high packet loss"}
    assert scene.judge() == 0


def test_a_reading_is_of_the_leg_that_it_names_or_of_all_legs_of_the_call(scene: Scene) -> None:
    """A call's id that is a leg's own means that leg; another system's id means the leg that bears it."""
    legs = [
        {"leg_id": "a-1", "call_id": "a"},
        {"leg_id": "a-2", "call_id": "a"},
        {"leg_id": "b"},
        {"leg_id": "b-child", "call_id": "b"},
        {"leg_id": "c", "foreign_ids": {"sip": "c@pbx"}},
    ]
    scene.post("calls", *({**ANSWERED, **leg} for leg in legs))
    scene.judge()
    scene.post("samples", *({**BAD, "call_id": one} for one in ("a", "b", "c@pbx", "nobody")))
    assert {leg["leg_id"]: bool(scene.tags(leg["leg_id"])) for leg in legs} == {
        "a-1": True,
        "a-2": True,
        "b": True,
        "b-child": False,
        "c": True,
    }


def test_readings_of_one_account_never_judge_anothers_call(scene: Scene) -> None:
    """Even where ids are the same."""
    scene.world.run(scene.world.house.resources.create("other"))
    scene.post("calls", {"leg_id": "l1", **ANSWERED}, {"leg_id": "l1", "resource": "other", **ANSWERED})
    scene.post("samples", {**BAD, "resource": "other"})
    scene.judge()
    tagged = {row["resource"]: bool(row.get("tags")) for row in scene.rows()}
    assert tagged.pop("other") is True
    assert [*tagged.values()] == [False]


def test_the_sdks_edge_is_told_by_samples_and_events(scene: Scene) -> None:
    """A score that nobody gave is computed, and a failure of ICE is an event."""
    scene.post("calls", {"leg_id": "l1", "capability": "webrtc", "outcome": "failed"})
    scene.post("samples", stream(edge="sdk", direction="both", rtt_ms=900, jitter_ms=4, loss_percent=0))
    scene.post("call-events", {"call_id": "l1", "name": "failed", "topic": "ice-connection-state", "edge": "sdk"})
    assert scene.tags().keys() == {"sdk high latency", "sdk low mos", "sdk ice failure", "poor round trip"}


def test_late_packets_are_told_by_an_entry_of_the_samples(scene: Scene) -> None:
    """More than 1 % of the packets delayed by 200 ms are high jitter, whatever the jitter was."""
    scene.post("calls", {"leg_id": "l1", **ANSWERED}, {"leg_id": "l2", **ANSWERED})
    for leg_id, late in (("l1", 11), ("l2", 10)):
        few = stream(call_id=leg_id, total_packets_received=500, extra={"delayed_200_ms": "1"})
        scene.post("samples", few, {**few, "total_packets_received": 1000, "extra": {"delayed_200_ms": str(late)}})
    assert scene.tags()["high jitter"]["values"] == {"delayed_percent": 1.1}
    assert scene.tags("l2") == {}


def test_a_post_dial_delay_is_compared_with_the_country_as_it_stood_then(scene: Scene) -> None:
    """Calls of the 30 days before the call's day, at least 100 of them; what comes after does not change a verdict."""
    day = 86_400

    def dialled(leg_id: str, day_before: float, seconds: float, country: str = "HR") -> dict[str, Any]:
        at = -day * day_before
        line = {"leg_id": leg_id, "country": country, "happened_at": scene.at(at), "seized_at": scene.at(at + seconds)}
        return {**ANSWERED, **line}

    history = [dialled(f"h{number}", 2 + number / 10, 1 + number / 100) for number in range(100)]
    fewer = [dialled(f"f{number}", 2, 1, "DE") for number in range(99)]
    old = [dialled(f"o{number}", 40, 9, "HR") for number in range(100)]
    scene.post("calls", *history, *fewer, *old)
    scene.judge()
    calls = [("above", 0, 1.95, "HR"), ("below", 0, 1.94, "HR"), ("few", 0, 5, "DE"), ("early", 60, 99, "HR")]
    scene.post("calls", *(dialled(name, before, seconds, country) for name, before, seconds, country in calls))
    told = scene.tags("above")
    assert told["high post-dial delay"]["values"] == {"dial_ms": 1950.0, "dial_p95_ms": pytest.approx(1940.5)}
    assert [scene.tags(name) for name in ("below", "few", "early")] == [{}, {}, {}]
    scene.post("calls", *(dialled(f"n{number}", 3, 9) for number in range(100)))
    scene.world.restart()
    scene.post("calls", {"leg_id": "above", "mos": 4.0, "happened_at": scene.at(0)})
    assert scene.tags("above") == told


def test_calls_are_judged_as_time_goes_by(scene: Scene) -> None:
    """Nobody has to ask for it."""
    scene.post("calls", {"leg_id": "l1", **ANSWERED, "talk_ms": 5})
    for _ in range(3):
        scene.world.run(scene.world.house.recorder.settled())
        scene.world.advance(verdicts.PERIOD_S)
    scene.world.until(lambda: scene.world.house.verdicts.written == 1)


# --- after an end ---


def kill(scene: Scene) -> None:
    """End the house as a crash would: what judged is cut off, and notes nothing."""
    judge = scene.world.house.verdicts
    if judge._task is not None:
        judge._task.cancel()
    judge._task = None
    scene.world.restart()


def test_what_was_not_judged_before_a_crash_is_judged_after_it(scene: Scene) -> None:
    """A call, and a late sample of one that was judged long before; calls from before that are not looked at again."""
    day = 86_400
    scene.post("calls", *({"leg_id": f"old{n}", **ANSWERED} for n in range(5)), second=-9 * day)
    scene.post("calls", {"leg_id": "l0", **ANSWERED}, second=-3 * day)
    scene.judge()
    kill(scene)
    assert scene.judge() == 0
    scene.post("calls", {"leg_id": "l1", **ANSWERED, "talk_ms": 5})
    scene.post("samples", {**BAD, "call_id": "l0"}, second=-3 * day + 9)
    scene.world.run(scene.world.house.recorder.settled())
    kill(scene)
    assert scene.judge() == 2
    assert scene.world.house.verdicts.judged == 2
    assert scene.tags("l0").keys() == {"high jitter", "high packet loss"}
    assert scene.tags("l1").keys() == {"short duration"}
    kill(scene)
    assert scene.judge() == 0


def test_what_an_older_version_kept_is_judged_once(scene: Scene) -> None:
    """It left no note of how far it went, so everything is looked at."""
    scene.post("calls", *({"leg_id": f"l{n}", **ANSWERED} for n in range(3)), second=-86_400 * 300)
    scene.judge()
    judge = scene.world.house.verdicts
    scene.world.run(judge._database.write(lambda unit: unit.hand(verdicts._drop, of_process=judge._process)))
    kill(scene)
    scene.judge()
    assert scene.world.house.verdicts.judged == 3
    kill(scene)
    scene.judge()
    assert scene.world.house.verdicts.judged == 0


def test_a_look_at_everything_goes_on_from_where_it_was_noted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It judges some at a time; a crash on the way repeats little."""
    monkeypatch.setattr(verdicts, "AT_ONCE", 2)
    monkeypatch.setattr(verdicts, "_LOTS", 2)
    scene.post("calls", *({"leg_id": f"l{n}", **ANSWERED, "talk_ms": n} for n in range(7)), second=-99)
    scene.post("calls", *({"leg_id": f"m{n}", **ANSWERED, "talk_ms": n} for n in range(3)), second=-86_400 * 300)
    scene.world.run(scene.world.house.recorder.settled())
    judge = scene.world.house.verdicts
    judge._arrivals.take()
    judge._arrivals.done()
    judge._left = verdicts.Left(scene.now - timedelta(days=999), scene.now)
    scene.world.run(judge._go_on())
    assert judge._left is not None
    scene.world.run(judge._note())
    looked_at = judge.judged
    assert 0 < looked_at < 10
    kill(scene)
    scene.judge()
    assert scene.world.house.verdicts.judged <= 10 - looked_at + 7
    assert sum(bool(row.get("tags")) for row in scene.rows()) == 10


def test_more_than_fits_into_memory_is_judged_by_its_span(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then all calls of the span are looked at; nothing is forgotten."""
    scene.post("calls", {"leg_id": "beside", **ANSWERED}, second=-3)
    scene.judge()
    monkeypatch.setattr(arrivals, "MOST_ROWS", 6)
    scene.post("calls", *({"leg_id": f"l{n}", **ANSWERED, "talk_ms": n} for n in range(7)))
    assert scene.judge() == 7
    assert scene.world.house.verdicts.judged == 1 + 8


def test_many_readings_of_few_calls_wait_by_their_ids(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each id is remembered once, with its first and its last moment; other calls are left alone."""
    calls = [{"leg_id": "l1", **ANSWERED}, {"leg_id": "l2", **ANSWERED}, {"leg_id": "beside", **ANSWERED}]
    scene.post("calls", *calls)
    scene.judge()
    monkeypatch.setattr(arrivals, "MOST_ROWS", 6)
    for second in (1, 2):
        scene.post("samples", *({**BAD, "call_id": f"l{n % 2 + 1}"} for n in range(8)), second=second)
        scene.world.run(scene.world.house.recorder.settled())
    assert scene.judge() == 2
    assert scene.world.house.verdicts.judged == 3 + 2


def test_a_store_that_fails_holds_a_verdict_up_and_loses_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken is judged once the store answers again."""
    judge = scene.world.house.verdicts
    scene.post("calls", {"leg_id": "l1", **ANSWERED, "talk_ms": 5})

    async def fails(*_: Any) -> None:
        raise UnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(judge._readings, "legs", fails)
        with pytest.raises(UnavailableError):
            scene.judge()
    assert scene.judge() == 1


def test_a_call_is_impacted_by_a_poor_stream_and_no_longer_when_it_is_none(scene: Scene) -> None:
    """It tells how many of its streams were poor; measures and conditions go by it, and the story by the values."""
    scene.post("calls", {"leg_id": "l1", "call_id": "c1", **ANSWERED}, {"leg_id": "l2", "call_id": "c2", **ANSWERED})
    scene.post("calls", {"leg_id": "l3", "call_id": "c1", **ANSWERED})
    video = stream(edge="sdk", media="video", stream="7", frames_per_second=6)
    scene.post(
        "samples", video, stream(edge="sdk", media="screen", frames_per_second=1), stream(edge="unknown", jitter_ms=30)
    )
    scene.post("samples", stream(call_id="l2", edge="sdk", jitter_ms=30, rtt_ms=500, loss_percent=10))
    assert scene.tags()["poor frame rate"]["values"] == {"frames_per_second": 6.0}
    told = {row["leg_id"]: [row.get(name) for name in ("streams", "poor_streams", "impacted")] for row in scene.rows()}
    assert told == {"l1": [3, 1, True], "l2": [1, 0, False], "l3": [None, None, None]}
    names = ("calls.impacted", "calls.impacted_rate", "calls.impacted_legs", "streams.poor", "streams.count")
    answer = scene.world.call("POST", "/api/v1/ask", json={"measures": names, "since": "1h"}, token=TOKEN)
    assert answer.json["points"][0]["values"] == [1, 0.5, 1, 1, 4]
    impacted = [{"column": "impacted", "values": ["true"]}]
    assert [row["leg_id"] for row in scene.rows(where=impacted)] == ["l1"]
    story = scene.world.call("GET", "/api/v1/search?q=l1", token=TOKEN).json["story"]
    text = next(entry["text"] for entry in story if entry.get("fact") == "calls" and entry["row"]["leg_id"] == "l1")
    assert text.endswith("1 of its 3 streams were poor: frames_per_second 6 (sdk inbound video 7).")
    scene.post("samples", {**video, "frames_per_second": 8})
    assert scene.tags() == {}
    (row,) = scene.rows(id="l1", where=[{"column": "leg_id", "values": ["l1"]}])
    assert [row[name] for name in ("streams", "poor_streams", "impacted")] == [3, 0, False]
