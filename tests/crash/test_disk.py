"""A disk that is full or read-only, a folder in use, under a whole server: a clear sentence, and nothing lost."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash import judge
from tests.crash.caller import Answer, Caller
from tests.crash.chats import Chats
from tests.crash.disks import Disk, Quota, Volume, volume
from tests.crash.life import Life
from tests.crash.posts import Imports, Straight
from tests.crash.receiver import Receiver, receiving
from tests.crash.traffic import Found
from trunkline.clock import monotonic

PATIENCE_S = 20.0
Start = Callable[..., Life]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Volume]:
    """Give a small file system."""
    with volume(tmp_path / "volume") as mounted:
        yield mounted


@pytest.fixture(params=["quota", "volume"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """Give a disk that can be filled, of either kind."""
    if request.param == "quota":
        return Quota(tmp_path)
    found: Disk = request.getfixturevalue("small")
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers on a data folder; the logs are in the test's folder, and whatever lives in the end is killed."""
    started: list[Life] = []

    def begin(data: Path, log: str = "server.log") -> Life:
        started.append(Life(data, tmp_path / log))
        return started[-1]

    yield begin
    for life in started:
        life.kill()


async def subscribed(caller: Caller, receiver: Receiver, chats: Chats) -> None:
    """Let the receiver hear of the chats."""
    wanted = {"name": "witness", "url": receiver.url, "types": chats.event_types}
    assert (await caller.own("POST", "/api/v1/subscriptions", wanted)).status == 201
    await chats.prepare(caller)


async def sent(chats: Chats, caller: Caller, life: str, many: int) -> None:
    """Send messages, eight at a time; the ledger knows what came of them."""
    for first in range(0, many, 8):
        numbers = range(first, min(first + 8, many))
        answered = await asyncio.gather(*(chats.attempt(caller, f"{life}.{number}") for number in numbers))
        assert all(answered)


async def ready(caller: Caller) -> Answer:
    """Wait until the server says that it is ready."""
    deadline = monotonic() + PATIENCE_S
    while (answer := await caller.own("GET", "/readyz")).status != 200:
        assert monotonic() < deadline, answer
        await asyncio.sleep(0.05)
    return answer


async def told(chats: Chats, found: list[Found], receiver: Receiver) -> None:
    """Wait until every event has arrived, and judge them."""
    deadline = monotonic() + PATIENCE_S
    while judge.missing([chats], [found], [one.event for one in receiver.arrived()]):
        assert monotonic() < deadline, "events are missing"
        await asyncio.sleep(0.05)
    assert judge.events([chats], [found], [one.event for one in receiver.deliveries]) == []


async def statuses(caller: Caller) -> Counter[int]:
    """Ask how many messages were sent, by the status of the answer."""
    where = [{"column": "operation", "values": [Chats.operation]}]
    answer = await caller.own("POST", "/api/v1/ask", {"measures": ["requests.count"], "by": ["status"], "where": where})
    assert answer.status == 200, answer
    return Counter({int(point["split"][0]): round(point["values"][0]) for point in answer.body["points"]})


async def is_refused(caller: Caller, method: str, target: str, body: object) -> None:
    """Check that a request hears in the vendor's words that it cannot be taken now, and when to come back."""
    answer = await caller.signed(method, target, body)
    assert answer.status == 503, answer
    assert answer.body["error"]["code"] == "ServiceUnavailable"
    assert "disk may be full" in answer.body["error"]["message"]
    assert int(answer.headers["retry-after"]) >= 1


def test_a_server_on_a_full_disk_says_so_loses_nothing_and_goes_on(disk: Disk, start: Start, tmp_path: Path) -> None:
    """Whatever was acknowledged, before, meanwhile and after, is there once, told and measured; reads always work."""
    log = tmp_path / "server.log"

    async def work() -> None:
        chance, chats = random.Random(1), Chats()
        ledger = chats.ledger
        life = start(disk.path / "data")
        async with receiving(chance) as receiver, Caller(await life.ready()) as caller:
            await subscribed(caller, receiver, chats)
            await sent(chats, caller, "0", 20)
            assert not ledger.refused
            disk.fill(life)
            await sent(chats, caller, "1", 150)
            refused = len(ledger.refused)
            assert refused
            assert all("503" in one and "ServiceUnavailable" in one for one in ledger.refused)
            await is_refused(caller, "POST", "/identities", {"createTokenWithScopes": ["chat"]})
            waits = await caller.own("GET", "/readyz")
            assert (waits.status, len(waits.body["reasons"])) == (503, 1)
            ledger.refused.clear()
            assert judge.things(chats, await chats.find(caller)) == []
            disk.free(life)
            await ready(caller)
            await sent(chats, caller, "2", 20)
            found = await chats.find(caller)
            assert judge.things(chats, found) == []
            await told(chats, found, receiver)
            assert await statuses(caller) == {201: len(ledger.acknowledged), 503: refused}
        assert life.stop() == 0

    asyncio.run(work())
    lines = log.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "Traceback" in line]
    assert len([line for line in lines if "the state cannot be written" in line]) == 2, lines


def test_large_posts_and_chunks_of_files_are_refused_on_a_full_disk_and_none_is_marked(
    disk: Disk, start: Start, tmp_path: Path
) -> None:
    """They go straight into the store: 503 with Retry-After; then the same chunk is new, and each is there once."""

    async def work() -> None:
        chunks, straight = Imports(), Straight()
        life = start(disk.path / "data")
        async with Caller(await life.ready()) as caller:
            for number in range(3):
                assert await chunks.attempt(caller, f"0.0.{number}")
                assert await straight.attempt(caller, f"0.0.{number}")
            assert len(chunks.ledger.acknowledged) == len(straight.ledger.acknowledged) == 3
            disk.fill(life)
            for kind in (chunks, straight):
                for number in range(3, 100):
                    await kind.attempt(caller, f"0.0.{number}")
                    if kind.ledger.refused:
                        break
                (refused,) = kind.ledger.refused
                assert " 503 " in refused
                assert kind.last.status == 503
                assert int(kind.last.headers["retry-after"]) >= 1
                kind.ledger.refused.clear()
            file = chunks.file("0.0.0")
            answer = await caller.own("GET", f"/api/v1/imports/{file}?fact=samples")
            assert (answer.status, answer.body["chunks"]) == (200, len(chunks.ledger.acknowledged))
            disk.free(life)
            for kind in (chunks, straight):
                (word,) = kind.ledger.sent - kind.ledger.acknowledged.keys()
                for _ in range(100):
                    kind.ledger.refused.clear()
                    await kind.attempt(caller, word)
                    if not kind.ledger.refused:
                        break
                    await asyncio.sleep(0.1)
                assert kind.last.body.get("again") is None
                assert await kind.attempt(caller, "0.0.100")
                assert judge.things(kind, await kind.find(caller)) == []
        assert life.stop() == 0

    asyncio.run(work())
    assert "Traceback" not in (tmp_path / "server.log").read_text(encoding="utf-8")


def test_a_server_killed_on_a_full_disk_has_everything_when_there_is_space(
    small: Volume, start: Start, tmp_path: Path
) -> None:
    """It may not start while the disk is full, and says so; then it starts, and nothing acknowledged is missing."""

    async def work() -> None:
        chats = Chats()
        async with receiving(random.Random(1)) as receiver:
            life = start(small.path / "data")
            async with Caller(await life.ready()) as caller:
                await subscribed(caller, receiver, chats)
                await sent(chats, caller, "0", 20)
                small.fill()
                await sent(chats, caller, "1", 150)
                assert chats.ledger.refused
                chats.ledger.refused.clear()
                life.kill()
            small.fill()  # what the kill gave back
            assert await start(small.path / "data", "full.log").ended() == 2
            said = (tmp_path / "full.log").read_text(encoding="utf-8")
            assert "free some space" in said.splitlines()[-1]
            assert "Traceback" not in said
            small.free()
            life = start(small.path / "data")
            async with Caller(await life.ready()) as caller:
                found = await chats.find(caller)
                assert judge.things(chats, found) == []
                await sent(chats, caller, "2", 5)
                found = await chats.find(caller)
                assert judge.things(chats, found) == []
                await told(chats, found, receiver)
            assert life.stop() == 0

    asyncio.run(work())


def test_a_first_start_on_a_full_disk_is_one_sentence_and_spoils_no_later_one(
    small: Volume, start: Start, tmp_path: Path
) -> None:
    """What it had begun does not stand in the way once there is space."""
    log = tmp_path / "server.log"

    async def work() -> None:
        small.fill()
        assert await start(small.path / "data").ended() == 2
        (sentence,) = log.read_text(encoding="utf-8").splitlines()
        assert "space" in sentence
        small.free()
        life = start(small.path / "data")
        await life.ready()
        assert life.stop() == 0

    asyncio.run(work())


def test_a_folder_that_became_read_only_is_one_sentence_and_keeps_everything(
    small: Volume, start: Start, tmp_path: Path
) -> None:
    """Nothing is changed by the try."""
    log = tmp_path / "server.log"

    async def work() -> None:
        life = start(small.path / "data")
        await life.ready()
        assert life.stop() == 0
        files = {file: file.read_bytes() for file in (small.path / "data").rglob("*") if file.is_file()}
        small.protect()
        before = log.stat().st_size
        assert await start(small.path / "data").ended() == 2
        (sentence,) = log.read_text(encoding="utf-8")[before:].splitlines()
        assert "Read-only file system" in sentence
        assert {file: file.read_bytes() for file in (small.path / "data").rglob("*") if file.is_file()} == files

    asyncio.run(work())


def test_others_on_the_same_folder_are_refused_and_disturb_nothing(start: Start, tmp_path: Path) -> None:
    """Two come while messages are sent: each hears whose folder it is, and every message is there once."""
    data = tmp_path / "data"

    async def work() -> None:
        chats = Chats()
        life = start(data)
        async with receiving(random.Random(1)) as receiver, Caller(await life.ready()) as caller:
            announced = (data / "connection.json").read_bytes()
            await subscribed(caller, receiver, chats)
            others = [start(data, f"other-{number}.log") for number in range(2)]
            codes = asyncio.gather(*(other.ended() for other in others))
            for turn in itertools.count():
                await sent(chats, caller, f"0.{turn}", 4)
                await asyncio.sleep(0.1)
                if codes.done():
                    break
            assert await codes == [2, 2]
            for other in others:
                assert "Another Trunkline is using the data folder" in other.log.read_text(encoding="utf-8")
            assert (data / "connection.json").read_bytes() == announced
            found = await chats.find(caller)
            assert judge.things(chats, found) == []
            await told(chats, found, receiver)
        assert life.stop() == 0

    asyncio.run(work())
