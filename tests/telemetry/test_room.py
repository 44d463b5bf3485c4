"""What questions and posts may use of the machine: memory and disk have bounds, and going beyond them harms nobody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.world import World
from tests.telemetry.batched import append
from tests.telemetry.test_recorder import fact, opened
from trunkline.catalogue.facts import Request
from trunkline.errors import OverloadedError, UnavailableError
from trunkline.telemetry import straight
from trunkline.telemetry.batches import batch
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.stores.duckdb import DuckDBStore, room

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MANY = 800_000
GREEDY = Plan(
    "SELECT count(n), count(z) FROM (SELECT row_number() OVER (ORDER BY md5(range::VARCHAR)) AS n, "  # noqa: S608 - a number
    f"repeat(md5(range::VARCHAR), 4) AS z FROM range({MANY})) WHERE z <> ''"
)


@pytest.mark.parametrize(("machine_mb", "mb"), [(512, 256), (2048, 512), (65_536, 4096)])
def test_the_store_takes_a_quarter_of_the_memory_within_bounds(machine_mb: int, mb: int) -> None:
    """A small machine keeps room for the rest, a large one is not eaten up."""
    assert room.a_quarter(machine_mb) == mb
    assert room.memory_of_machine() > 0


def test_a_question_that_needs_too_much_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    """It may use the disk as far as that is allowed; what a killed server left there goes at the start."""
    file = tmp_path / "facts.duckdb"
    left = tmp_path / "facts.tmp" / "left"
    left.parent.mkdir()
    left.touch()
    store = DuckDBStore(file, memory_mb=48, temp_mb=1)
    assert not left.exists()
    append(store, {"requests": [fact()]})
    with pytest.raises(UnavailableError, match="cannot be read now"):
        store.answer(GREEDY)
    append(store, {"requests": [fact()]}, number=2)
    assert store.answer(Plan("SELECT count(*) FROM requests")) == [(2,)]
    store.close()
    store = DuckDBStore(file, memory_mb=48, temp_mb=2000)
    assert store.answer(GREEDY) == [(MANY, MANY)]
    store.close()
    assert [one.name for one in tmp_path.iterdir()] == ["facts.duckdb"]


def test_large_posts_wait_only_as_far_as_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too large by itself is taken when nothing else waits; the next hears that it comes too early."""
    monkeypatch.setattr(straight, "MOST_BYTES_WAITING", 100)
    rows = batch(Request, [fact(number) for number in range(100)])

    async def work() -> None:
        async with opened(tmp_path) as rooms:
            rooms.store.slow.clear()
            first = asyncio.ensure_future(rooms.recorder.load("requests", rows))
            while not rooms.store.entered.is_set():  # noqa: ASYNC110 - set by a thread
                await asyncio.sleep(0.01)
            second = asyncio.ensure_future(rooms.recorder.load("requests", rows))
            await asyncio.sleep(0)
            assert (rooms.loader.straight.rows, rooms.loader.straight.bytes) == (100, rows.nbytes)
            with pytest.raises(OverloadedError):
                await rooms.recorder.load("requests", rows)
            rooms.store.slow.set()
            assert await asyncio.gather(first, second) == [True, True]
            assert (rooms.loader.straight.rows, rooms.loader.straight.bytes) == (0, 0)
            assert await rooms.count() == 200

    asyncio.run(work())


def test_the_state_page_tells_of_the_store(world: World) -> None:
    """Its size, the ids that wait, the rollups' loose rows."""
    world.user()
    world.run(world.house.recorder.settled())
    page = world.call("GET", "/metrics?").body.decode()
    found = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("trunkline_"))
    assert float(found["trunkline_fact_store_bytes"]) > 10_000
    assert float(found["trunkline_fact_store_fresh_ids"]) > 0
    assert float(found["trunkline_fact_store_loose_rollup_rows"]) > 0
    assert found["trunkline_straight_waiting_bytes"] == found["trunkline_straight_waiting_rows"] == "0"
