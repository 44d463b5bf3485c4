"""Backups of a server that goes on: one moment of both stores, whole or not there, nothing lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import msgspec
import pytest

from tests.crash import judge
from tests.crash.caller import Caller, UnansweredError, UnsentError
from tests.crash.chats import Chats
from tests.crash.life import Life
from tests.crash.posts import Batches, Imports, Singles
from tests.crash.texts import Texts
from tests.crash.traffic import Traffic
from tests.support.world import World
from trunkline.errors import ConflictError, UnavailableError
from trunkline.services.backups import FOLDER, UNFINISHED
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.stores.duckdb import frozen

KINDS: tuple[type[Traffic], ...] = (Chats, Texts, Singles, Batches, Imports)
BACKUPS = "/api/v1/backups"


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[list[Life]]:
    """Hold lives that end with the test."""
    started: list[Life] = []
    yield started
    for life in started:
        life.kill()


@asynccontextmanager
async def busy(caller: Caller, kinds: list[Traffic], life: str) -> AsyncIterator[None]:
    """Let traffic of every kind run."""
    over = False

    async def send(kind: Traffic, client: int) -> None:
        chance = random.Random(client)
        for turn in itertools.count():
            if over or not await kind.attempt(caller, f"{life}.{client}.{turn}"):
                return
            await asyncio.sleep(chance.uniform(0, 0.06))

    workers = [asyncio.create_task(send(kind, client)) for kind in kinds for client in range(2)]
    try:
        yield
    finally:
        over = True
        await asyncio.gather(*workers)


def test_a_restored_backup_of_a_busy_server_has_all_that_was_acknowledged_before_it(
    lives: list[Life], tmp_path: Path
) -> None:
    """Chats, texts, posts and imports go on meanwhile; the copy has nothing twice, and goes on by itself."""
    kinds = [kind() for kind in KINDS]
    copies: list[tuple[Path, list[dict[str, str]]]] = []

    async def work() -> None:
        life = Life(tmp_path / "data", tmp_path / "server.log", fast=1)
        lives.append(life)
        async with Caller(await life.ready()) as caller:
            for kind in kinds:
                await kind.prepare(caller)
            async with busy(caller, kinds, "0"):
                for _ in range(2):
                    await asyncio.sleep(0.7)
                    before = [dict(kind.ledger.acknowledged) for kind in kinds]
                    answer = await caller.own("POST", BACKUPS)
                    assert answer.status == 201, answer
                    copies.append((Path(answer.body["folder"]), before))
            for kind in kinds:
                assert judge.things(kind, await kind.find(caller)) == []
        assert life.stop() == 0
        for number, (folder, before) in enumerate(copies):
            assert {file.name for file in folder.iterdir()} == {"state.sqlite", "facts.duckdb", "tls"}
            assert all(file.stat().st_mode & 0o077 == 0 for file in (folder, *folder.glob("*.*")))
            for kind, acknowledged in zip(kinds, before, strict=True):
                kind.ledger.acknowledged = acknowledged
            await goes_on(folder, f"{number + 1}")

    async def goes_on(folder: Path, name: str) -> None:
        life = Life(folder, tmp_path / f"copy-{name}.log")
        lives.append(life)
        async with Caller(await life.ready()) as caller:
            for kind in kinds:
                assert judge.things(kind, await kind.find(caller)) == []
            async with busy(caller, kinds, name):
                await asyncio.sleep(0.3)
            for kind in kinds:
                assert judge.things(kind, await kind.find(caller)) == []
                kind.ledger.sent = {word for word in kind.ledger.sent if word.startswith("0.")}
        assert life.stop() == 0

    asyncio.run(work())
    assert all(any(acknowledged for acknowledged in before) for _, before in copies)


def test_a_server_killed_while_it_is_backed_up_is_sound_and_leaves_no_half_backup(
    lives: list[Life], tmp_path: Path
) -> None:
    """What was begun has another name, and goes at the next start."""
    kind = Singles()

    async def work() -> None:
        found = False
        for number in range(20):
            life = Life(tmp_path / "data", tmp_path / "server.log")
            lives.append(life)
            async with Caller(await life.ready()) as caller:
                assert not list((life.data / FOLDER).glob(f"*{UNFINISHED}"))
                assert judge.things(kind, await kind.find(caller)) == []
                if found:
                    break
                await kind.attempt(caller, f"{number}.0")
                asked = asyncio.create_task(caller.own("POST", BACKUPS))
                while not (begun := list((life.data / FOLDER).glob(f"*{UNFINISHED}"))) and not asked.done():  # noqa: ASYNC110
                    await asyncio.sleep(0)
                life.kill()
                with contextlib.suppress(UnansweredError, UnsentError):
                    await asked
            for whole in (life.data / FOLDER).iterdir():
                if not whole.name.endswith(UNFINISHED):
                    with duckdb.connect(str(whole / "facts.duckdb"), read_only=True) as facts:
                        facts.execute("SELECT count(*) FROM requests")
            found = any(one.exists() for one in begun)
        assert found, "no kill came while a backup was made"

    asyncio.run(work())


def headers(world: World) -> dict[str, str]:
    """Return what the default account's owner sends."""
    return {"x-api-key": world.house.resources.get(world.house.resources.default).api_key}


def put(world: World, count: int) -> None:
    """Post samples in one large body."""
    lines = b"\n".join(
        msgspec.json.encode({"call_id": f"c{one}", "mos": 4.0, "codec": "x" * 60}) for one in range(count)
    )
    answer = world.call("POST", "/api/v1/samples?", body=lines, headers=headers(world))
    assert (answer.status, answer.json["accepted"]) == (200, count), answer.body


def test_facts_come_in_while_the_file_is_copied_and_the_copy_is_of_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is loaded, forgotten and gathered between two pieces: the copy is of the one moment."""
    monkeypatch.setattr(frozen, "_PIECE", 64 * 1024)
    put(world, 5000)

    async def work() -> Any:
        store = world.house.store
        held = await world.house.loader.between(store.freeze)
        with pytest.raises(ConflictError):
            await world.house.loader.between(store.freeze)
        seen = 0

        def check() -> None:
            nonlocal seen
            seen += 1
            if seen % 10 == 1:
                rows = store.table(Plan("SELECT * FROM samples LIMIT 4000"))
                store.append({"samples": rows}, {"other": seen})
                store._sort_out()
                store._gather("requests")
                store.checkpoint()

        await asyncio.to_thread(held.copy, world.folder / "copy.duckdb", check)
        assert seen > 10
        held.release()
        held.release()
        store.checkpoint()

    world.run(work())
    with duckdb.connect(str(world.folder / "copy.duckdb"), read_only=True) as copy:
        assert copy.execute("SELECT count(*), count(DISTINCT call_id) FROM samples").fetchall() == [(5000, 5000)]
    assert not (world.folder / "facts.duckdb.wal").exists() or not (world.folder / "facts.duckdb.wal").stat().st_size


def test_a_store_that_is_closed_meanwhile_ends_the_copy(world: World) -> None:
    """The copy says so instead of being of two moments."""
    put(world, 2000)

    async def work() -> None:
        held = await world.house.loader.between(world.house.store.freeze)
        with pytest.raises(UnavailableError, match="closed while it was copied"):
            await asyncio.to_thread(held.copy, world.folder / "copy.duckdb", world.house.store.close)
        held.release()

    world.run(work())


def test_only_one_is_made_at_a_time_by_owners_of_the_whole_server(world: World) -> None:
    """Others hear why not; nobody can say where it is written; names never collide."""

    async def work() -> list[int]:
        answers = await asyncio.gather(
            *(world.request("POST", f"{BACKUPS}?", headers=headers(world)) for _ in range(3))
        )
        return sorted(answer.status for answer in answers)

    assert world.run(work()) == [201, 409, 409]
    again = world.call("POST", f"{BACKUPS}?name=../../evil", json={"folder": "/tmp/evil"}, headers=headers(world))  # noqa: S108
    assert again.status == 201
    folder = world.folder.absolute() / FOLDER
    assert sorted(str(one) for one in folder.iterdir()) == [str(folder / "2026-11-21T12-00-00Z"), again.json["folder"]]
    other = world.run(world.house.resources.create("other")).api_key
    assert world.call("POST", f"{BACKUPS}?", headers={"x-api-key": other}).status == 403
    bearer = world.call("POST", "/api/v1/tokens?", json={"role": "contributor"}, headers=headers(world)).json["token"]
    assert world.call("POST", f"{BACKUPS}?", token=bearer).status == 403


def test_a_backup_that_cannot_be_written_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the reason, before it fills the disk; the next one finds everything as it was."""
    place = world.folder / FOLDER
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        answer = world.call("POST", f"{BACKUPS}?", headers=headers(world))
    assert (answer.status, place.exists()) == (503, False)
    assert "0 MiB are free" in answer.json["detail"]
    place.write_text("in the way")
    answer = world.call("POST", f"{BACKUPS}?", headers=headers(world))
    assert answer.status == 503, answer.body
    place.unlink()
    assert world.call("POST", f"{BACKUPS}?", headers=headers(world)).status == 201
    assert [one.name for one in place.iterdir()] == ["2026-11-21T12-00-00Z"]


def test_a_server_that_stops_does_not_wait_for_a_backup(world: World) -> None:
    """Who asked hears so, and nothing half made stays."""
    backups = world.house.backups

    async def work() -> None:
        making = asyncio.create_task(backups.make())
        await asyncio.sleep(0)
        await backups.stop()
        with pytest.raises(UnavailableError, match="The server stops"):
            await making

    world.run(work())
    assert list((world.folder / FOLDER).iterdir()) == []
