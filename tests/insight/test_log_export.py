"""What was recorded is written to where settings say: every hour, each row once, whatever fails in between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.insight import log_writer
from tests.support import states
from tests.support.blobs import storage
from tests.support.world import World
from trunkline.catalogue.facts import Call, Request, Sample
from trunkline.clock import TurnedClock
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError, UnavailableError
from trunkline.insight.logs.destinations import Destinations, FolderDestination
from trunkline.insight.logs.settings import LogSetting

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHAT, CALLS, UPDATES, STREAMS = (
    *("ACSChatIncomingOperations", "ACSCallSummary", "ACSCallSummaryUpdates", "ACSCallDiagnostics"),
)
Records = list[dict[str, Any]]


class Fragile(FolderDestination):
    """A folder that fails when it is told to: before it has written, or after."""

    trouble = ""

    async def append(self, container: str, name: str, position: int, content: bytes) -> int:
        """Append, or fail."""
        if self.trouble == "before":
            raise UnavailableError("The disk is full.")
        if self.trouble == "halfway":
            await super().append(container, name, position, content[: len(content) // 2])
            raise UnavailableError("The disk is full.")
        end = await super().append(container, name, position, content)
        if self.trouble == "after":
            raise UnavailableError("The power is out.")
        return end


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder to write to."""
    return tmp_path / "out"


@pytest.fixture
def world(make_world: Callable[..., World], out: Path) -> World:
    """Give a world that writes to the folder."""
    return make_world(log_destinations=(f"logs={out}",))


def put(world: World, *tables: str, name: str = "all", **given: Any) -> LogSetting:
    """Make a setting of some tables."""
    setting = LogSetting(resource="trunkline", name=name, destination="logs", tables=tables, **given)
    return world.run(world.house.log_settings.put(setting))


def request(world: World, ms_cv: str, at: datetime | None = None, **given: Any) -> None:
    """Let a request of chat be answered, now or at another moment."""
    row: dict[str, Any] = {"resource": "trunkline", "service": "chat", "operation": "SendChatMessage", "status": 200}
    moment = at or world.clock.now()
    world.house.recorder.record(Request(happened_at=moment, status_class="2xx", ms_cv=ms_cv, **{**row, **given}))


def call(world: World, leg_id: str, at: datetime, **given: Any) -> None:
    """Tell of a leg that was answered."""
    row: dict[str, Any] = {"resource": "trunkline", "direction": "outbound", "answered_at": at, "revised_at": at}
    world.house.recorder.record(Call(happened_at=at, leg_id=leg_id, **{**row, **given}))


def turn(world: World, *, hours: int = 1) -> bool:
    """Turn the clock to ten minutes after an hour, and write what is to be written then."""
    now = world.clock.now()
    wanted = now.replace(minute=10, second=0, microsecond=0) + hours * HOUR
    world.clock._now = wanted  # nobody who sleeps is woken: the test runs the export itself
    return world.run(world.house.log_export.run())


def written(out: Path) -> dict[str, Records]:
    """Return the records of every file, by its container and hour."""
    found = {}
    for file in sorted(out.rglob("PT1H.json")):
        container, hour = file.relative_to(out).parts[0], file.parts[-3]
        lines = file.read_bytes().splitlines()
        found[f"{container} {hour}"] = [msgspec.json.decode(line) for line in lines]
    return found


def vectors(out: Path) -> dict[str, list[str]]:
    """Return the correlation ids of each file of chat."""
    return {name.split()[1]: [one["correlationId"] for one in those] for name, those in written(out).items()}


def test_an_hour_is_written_once_it_has_ended(world: World, out: Path) -> None:
    """As records in the file of the hour; the running hour is not."""
    put(world, CHAT)
    request(world, "one.0", api_version="2024-03-07", duration_ms=12.0, caller="8:acs:x")
    world.run(world.house.log_export.run())
    assert written(out) == {}
    assert turn(world)
    ((name, (record,)),) = written(out).items()
    assert name == "insights-logs-chatoperational h=12"
    resource = world.house.resources.get("trunkline")
    wanted = (
        f"/SUBSCRIPTIONS/{resource.subscription_id}/RESOURCEGROUPS/TRUNKLINE/PROVIDERS/MICROSOFT.COMMUNICATION/"
        "COMMUNICATIONSERVICES/TRUNKLINE"
    ).upper()
    assert record == {
        "time": "2026-11-21T12:00:00.000000Z",
        "resourceId": wanted,
        "operationName": "SendChatMessage",
        "operationVersion": "2024-03-07",
        "category": "ChatOperational",
        "resultType": "Succeeded",
        "resultSignature": "200",
        "durationMs": 12,
        "correlationId": "one.0",
        "level": "Informational",
        "properties": {"UserId": "8:acs:x"},
    }
    assert (
        out / "insights-logs-chatoperational" / f"resourceId={wanted}/y=2026/m=11/d=21/h=12/m=00/PT1H.json"
    ).exists()
    request(world, "two.0")
    turn(world)
    assert vectors(out) == {"h=12": ["one.0"], "h=13": ["two.0"]}


def test_what_comes_late_is_written_later_to_its_own_hour(world: World, out: Path) -> None:
    """For two days; what happened before the setting was made is not written at all."""
    put(world, CHAT)
    request(world, "one.0")
    turn(world)
    request(world, "late.0", at=NOON + timedelta(minutes=30))
    request(world, "old.0", at=NOON - HOUR)
    turn(world)
    assert vectors(out) == {"h=12": ["one.0", "late.0"]}
    turn(world, hours=60)
    request(world, "too late.0", at=NOON + timedelta(minutes=40))
    turn(world)
    assert vectors(out) == {"h=12": ["one.0", "late.0"]}


def test_a_call_is_written_when_it_has_ended(world: World, out: Path) -> None:
    """To the hour in which it began, once; its updates again when more is known of it."""
    put(world, CALLS, UPDATES)
    call(world, "L1", NOON)
    turn(world)
    assert written(out) == {}
    end = NOON + timedelta(minutes=65)
    call(world, "L1", NOON, ended_at=end, revised_at=end, outcome="answered", talk_ms=1000.0)
    turn(world)
    call(world, "L1", NOON, ended_at=end, revised_at=end + HOUR, outcome="answered", talk_ms=2000.0)
    call(world, "L2", NOON, outcome="busy", sip_code=486)
    turn(world)
    found = written(out)
    summary = [(one["properties"]["ParticipantId"]) for one in found["insights-logs-callsummary h=12"]]
    assert summary == ["L1", "L2"]
    updates = [
        (one["properties"]["ParticipantId"], one["properties"]["CallUpdatesVersion"])
        for one in found["insights-logs-callsummaryupdates h=12"]
    ]
    assert updates == [("L1", 3900), ("L1", 7500), ("L2", 0)]


def test_a_stream_is_written_when_it_is_over(world: World, out: Path) -> None:
    """With all of its readings, to the hour of the first."""
    put(world, STREAMS)
    for minute in range(58, 70, 2):
        at = NOON + timedelta(minutes=minute)
        world.house.recorder.record(
            Sample(happened_at=at, resource="trunkline", call_id="L1", edge="sdk", jitter_ms=float(minute))
        )
    turn(world)
    assert written(out) == {}
    turn(world)
    ((name, (record,)),) = written(out).items()
    assert name == "insights-logs-calldiagnostics h=12"
    assert (record["properties"]["JitterAvg"], record["properties"]["JitterMax"]) == (63, 68)


@pytest.mark.parametrize("trouble", ["before", "after", "halfway"])
def test_nothing_is_lost_and_nothing_written_twice_when_writing_fails(world: World, out: Path, trouble: str) -> None:
    """Not after a restart in between either."""
    put(world, CHAT)
    fragile = break_down(world, out, trouble)
    request(world, "one.0")
    request(world, "two.0")
    assert turn(world) is False
    world.restart()
    fragile = break_down(world, out, trouble)
    assert world.run(world.house.log_export.run()) is False
    request(world, "late.0", at=NOON + timedelta(minutes=1))
    fragile.trouble = ""
    assert turn(world)
    assert turn(world)
    assert vectors(out) == {"h=12": ["one.0", "two.0", "late.0"]}


def break_down(world: World, out: Path, trouble: str) -> Fragile:
    """Let the folder fail."""
    fragile = Fragile(out)
    fragile.trouble = trouble
    world.house.log_export._destinations = Destinations({"logs": fragile})
    return fragile


def test_any_order_of_facts_failures_and_restarts_writes_each_row_once(world: World, out: Path) -> None:
    """Held against what was recorded, hour by hour."""
    put(world, CHAT)
    chance, recorded = random.Random(11), []
    fragile = break_down(world, out, "")
    for step in range(40):
        for number in range(chance.randrange(4)):
            at = max(NOON, world.clock.now() - chance.randrange(5) * HOUR)
            name = f"{step}-{number}"
            recorded.append((f"h={at.hour:02}", name))
            request(world, name, at=at)
            if chance.random() < 0.1:  # the same in every way, and yet another one
                recorded.append((f"h={at.hour:02}", name))
                request(world, name, at=at)
        if chance.random() < 0.1:
            world.restart()
            fragile = break_down(world, out, "")
        fragile.trouble = chance.choice(["", "", "before", "after", "halfway"])
        if world.clock.now() < NOON + 9 * HOUR and chance.random() < 0.3:
            turn(world)
        else:
            world.run(world.house.log_export.run())
    fragile.trouble = ""
    assert turn(world)
    assert Counter((hour, one) for hour, those in vectors(out).items() for one in those) == Counter(recorded)


def test_a_server_that_is_killed_goes_on_where_it_was(
    make_world: Callable[..., World], tmp_path: Path, out: Path
) -> None:
    """In the middle of a write: each row is there once."""
    folder = tmp_path / "world-0"
    words = [sys.executable, "-m", "tests.insight.log_writer", str(folder), str(out)]
    env = {**os.environ, "STATE_URL": states.url_for(folder)}
    killed = subprocess.run(words, check=False, capture_output=True, timeout=60, env=env)  # noqa: S603 - our own
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    world = make_world(log_destinations=(f"logs={out}",))
    assert turn(world)
    assert vectors(out) == {"h=12": [f"{number}.0" for number in range(log_writer.ROWS)]}


def test_what_passed_while_the_server_was_down_is_written(world: World, out: Path) -> None:
    """However long that was."""
    put(world, CHAT)
    turn(world)
    request(world, "one.0")
    turn(world, hours=24 * 9)
    assert vectors(out) == {"h=13": ["one.0"]}


def test_large_hours_are_written_in_pieces(world: World, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of which is larger than it may be."""
    monkeypatch.setattr("trunkline.insight.logs.export.LARGEST", 2000)
    put(world, CHAT)
    for number in range(40):
        request(world, f"{number}.0", at=NOON + timedelta(seconds=number))
    turn(world)
    assert vectors(out) == {"h=12": [f"{number}.0" for number in range(40)]}


def test_it_runs_by_the_clock(world: World, out: Path) -> None:
    """Five minutes after each hour."""
    put(world, CHAT)
    request(world, "one.0")
    world.advance(3600)
    assert written(out) == {}
    world.advance(301)
    world.until(lambda: vectors(out) == {"h=12": ["one.0"]})


def test_logs_go_to_a_storage_account_too(make_world: Callable[..., World]) -> None:
    """In blobs that grow; what cannot be written now is tried again."""
    with storage() as place:
        world = make_world(log_destinations=(f"LOGS={place.connection_string}",))
        put(world, CHAT)
        request(world, "one.0")
        place.trouble = "after"
        assert turn(world) is False
        place.trouble = ""
        request(world, "late.0", at=NOON + timedelta(minutes=1))
        assert turn(world)
        ((name, body),) = place.blobs().items()
    assert name.startswith("insights-logs-chatoperational/resourceId=/SUBSCRIPTIONS/")
    assert [msgspec.json.decode(line)["correlationId"] for line in body.splitlines()] == ["one.0", "late.0"]


def test_only_the_account_s_own_rows_are_written(world: World, out: Path) -> None:
    """Not those of one below it."""
    world.run(world.house.resources.create("child", "trunkline"))
    put(world, CHAT)
    request(world, "one.0")
    request(world, "two.0", resource="child")
    turn(world)
    assert vectors(out) == {"h=12": ["one.0"]}


def test_a_setting_that_is_replaced_goes_on_where_it_was(world: World, out: Path) -> None:
    """One that is made anew begins with its own hour; there are five of an account at most."""
    put(world, CHAT)
    request(world, "one.0")
    turn(world)
    put(world, CHAT, CALLS, name="ALL")
    request(world, "late.0", at=NOON + timedelta(minutes=1))
    turn(world)
    assert vectors(out) == {"h=12": ["one.0", "late.0"]}
    assert world.run(world.house.log_settings.remove("trunkline", "All"))
    assert not world.run(world.house.log_settings.remove("trunkline", "all"))
    request(world, "unwritten.0", at=NOON + timedelta(minutes=2))
    put(world, CHAT)
    turn(world)
    assert vectors(out) == {"h=12": ["one.0", "late.0"]}
    for number in range(4):
        put(world, CHAT, name=f"more {number}")
    with pytest.raises(ConflictError):
        put(world, CHAT, name="one too many")
    with pytest.raises(NotFoundError):
        world.run(world.house.log_settings.get("trunkline", "nothing"))
    with pytest.raises(InvalidError):
        put(world, CHAT, name="x" * 300)


def test_a_setting_whose_destination_is_gone_holds_nobody_up(world: World, out: Path) -> None:
    """It is said in the log, and the others are written."""
    other = LogSetting(resource="trunkline", name="a", destination="gone", tables=(CHAT,))
    world.run(world.house.log_settings.put(other))
    put(world, CHAT)
    request(world, "one.0")
    assert turn(world) is False
    assert vectors(out) == {"h=12": ["one.0"]}


def test_a_destination_that_is_none_is_refused() -> None:
    """Without showing what stood there."""
    for entry in ("logs", "=x", "logs=AccountName=a;AccountKey=secret"):
        with pytest.raises(ConfigurationError) as told:
            Destinations.of_settings([entry], TurnedClock())
        assert "secret" not in told.value.message
