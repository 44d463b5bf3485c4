"""Facts go when their time is over, with all that was made of them; the others stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.world import World
from trunkline.clock import rfc3339
from trunkline.errors import ConfigurationError
from trunkline.telemetry.forgetting import periods
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.stores.duckdb import store as duckdb_store

DAY_S = 86_400
WAYS = {"requests": "requests", "calls": "calls", "samples": "samples"}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds that end with the test."""
    made: list[World] = []

    def begin(**settings: Any) -> World:
        made.append(World(tmp_path, **settings))
        return made[-1]

    yield begin
    for world in made:
        world.close()


def posted(world: World, table: str, *ages_days: float) -> None:
    """Post facts of these ages, each with an id that tells its age."""
    lines = []
    for age in ages_days:
        moment = rfc3339(world.clock.now() - timedelta(days=age), 6)
        kinds: dict[str, dict[str, Any]] = {
            "requests": {"service": "chat", "operation": "SendChatMessage", "status": 201, "ms_cv": f"r{age}"},
            "calls": {"leg_id": f"c{age}", "outcome": "answered"},
            "samples": {"call_id": f"s{age}", "mos": 4.0},
        }
        lines.append(msgspec.json.encode({"happened_at": moment, **kinds[table]}))
    answer = world.call("POST", f"/api/v1/{WAYS[table]}?", body=b"\n".join(lines), headers=headers(world))
    assert (answer.status, answer.json["accepted"]) == (200, len(lines)), answer.body


def headers(world: World) -> dict[str, str]:
    """Return what the default account's owner sends."""
    return {"x-api-key": world.house.resources.get(world.house.resources.default).api_key}


def kept(world: World, question: str) -> int:
    """Ask the store itself for a number, in a thread as readers do."""
    with ThreadPoolExecutor(1) as reader:
        return int(reader.submit(world.house.store.answer, Plan(question)).result()[0][0] or 0)


def count(world: World, table: str) -> int:
    """Count the posted facts of a table in the store."""
    posted = " WHERE ms_cv LIKE 'r%'" if table == "requests" else ""
    return kept(world, f"SELECT count(*) FROM {table}{posted}")  # noqa: S608 - names only


def found(world: World, fact: str, wanted: str) -> int:
    """Count the facts that an id finds by the API."""
    asked = {"fact": fact, "id": wanted, "start": "2020-01-01T00:00:00Z"}
    answer = world.call("POST", "/api/v1/facts?", json=asked, headers=headers(world))
    assert answer.status == 200, answer.body
    return len(answer.json["rows"])


def asked(world: World, measure: str, **more: Any) -> float:
    """Ask a measure of all time."""
    body = {"measures": [measure], "start": "2020-01-01T00:00:00Z", **more}
    answer = world.call("POST", "/api/v1/ask?", json=body, headers=headers(world))
    assert answer.status == 200, answer.body
    return sum(point["values"][0] or 0 for point in answer.json["points"])


def test_facts_go_hourly_by_the_clock_each_kind_when_its_own_time_is_over(make: Callable[..., World]) -> None:
    """What is not named is kept for ever, and so is what is younger than its period."""
    world = make(retention_days=("calls=30", "samples=2"))
    posted(world, "calls", 29.9, 30.02, 100)
    posted(world, "samples", 0, 1.9, 2.02, 5)
    posted(world, "requests", 0, 1000)
    world.run(world.house.recorder.settled())
    world.advance(3600)
    world.until(lambda: (count(world, "calls"), count(world, "samples")) == (1, 2))
    assert [found(world, "calls", f"c{age}") for age in (29.9, 30.02, 100)] == [1, 0, 0]
    assert [found(world, "samples", f"s{age}") for age in (0, 1.9, 2.02)] == [1, 1, 0]
    world.advance(2.5 * 3600)
    world.until(lambda: (count(world, "calls"), count(world, "samples")) == (0, 1))
    assert count(world, "requests") == 2
    world.advance(2 * DAY_S)
    world.until(lambda: count(world, "samples") == 0)
    assert kept(world, "SELECT count(*) FROM ids.fresh WHERE fact IN (2, 3)") == 0


def test_a_rollup_and_its_facts_go_together(make: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of them a question reads, the answer is the same; many go in several steps."""
    monkeypatch.setattr(duckdb_store, "_FORGOTTEN", 3)
    world = make(retention_days=("10",))
    posted(world, "requests", *(age / 10 for age in range(90, 112)), *(10.2 + age / 1e5 for age in range(10)))
    world.run(world.house.recorder.settled())
    world.advance(3600)
    world.until(lambda: count(world, "requests") == 10)
    where = [{"column": "operation", "values": ["SendChatMessage"]}]
    assert asked(world, "requests.count", where=where) == 10
    assert kept(world, "SELECT sum(facts) FROM requests_by_minute WHERE operation = 'SendChatMessage'") == 10


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        ((), {}),
        (("0",), {}),
        (("calls=400", "samples = 90"), {"calls": 400, "samples": 90}),
        (("30", "calls=0", "requests=7"), {"requests": 7, "attempts": 30, "samples": 30}),
    ],
)
def test_periods_are_read_as_they_are_meant(texts: tuple[str, ...], days: dict[str, int]) -> None:
    """A fact's own period counts for more than the one for all; 0 is for ever."""
    found = periods(texts)
    assert {name: found[name] for name in days} == {name: timedelta(days=many) for name, many in days.items()}
    assert "calls" in days or "calls" not in found


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (("call=4",), "'call' .is calls meant"),
        (("calls=-1",), "can be days for every fact"),
        (("calls=99999",), "up to 36500"),
        (("calls=1", "calls=2"), "says twice how long calls"),
        (("a year",), "can be days for every fact"),
    ],
)
def test_a_period_that_is_none_ends_the_start_with_a_sentence(
    texts: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    """It names what is meant, and nothing is removed."""
    with pytest.raises(ConfigurationError, match=sentence):
        World(tmp_path, retention_days=texts)
