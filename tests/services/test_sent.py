"""What was sent, over channels of the test's own: merged, paged, searched, waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.world import World
from trunkline.errors import InvalidError, OverloadedError
from trunkline.services import sent
from trunkline.services.sent import Page, Position, Sent, Sentbox, Wanted
from trunkline.state.transaction import Reader
from trunkline.state.writer import nothing

START = datetime.fromisoformat("2026-11-21T12:00:00Z")
ALL = Wanted(resource="shop")


class Shelf:
    """A channel whose entries a test puts there; it remembers how far it was asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.entries: list[Sent] = []
        self.given = 0

    @property
    def tables(self) -> list[str]:
        """It reads none."""
        return []

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._name

    def put(self, text: str, ago_s: float = 0, *, key: str = "", **given: Any) -> None:
        """Put an entry that was sent so long before START."""
        entry = {
            "id": text,
            "resource": "shop",
            "sender": "ann",
            "recipient": "bob",
            "status": "sent",
            "sent_at": START - timedelta(seconds=ago_s),
        }
        self.entries.append(Sent(channel=self._name, key=key or text, text=text, **{**entry, **given}))

    def sent(self, reader: Reader, wanted: Wanted) -> Iterator[Sent]:
        """Give the entries, with a statement as a real channel has it."""
        assert reader.value(sa.select(sa.literal(1))) == 1
        for entry in sorted(self.entries, key=lambda one: (START - one.sent_at, one.key)):
            if wanted.begins_before(entry):
                self.given += 1
                yield entry


@pytest.fixture
def shelves() -> tuple[Shelf, Shelf]:
    """Give two channels."""
    return Shelf("fax"), Shelf("pigeon")


@pytest.fixture
def box(world: World, shelves: tuple[Shelf, Shelf]) -> Sentbox:
    """Open a box over both channels on a world's database and clock."""

    async def opened() -> Sentbox:
        made = Sentbox(world.house.database, world.clock, list(shelves))
        made.open()
        return made

    return world.run(opened())


def texts(page: Page) -> list[str]:
    """Return the texts of a page."""
    return [one.text for one in page.found]


def test_channels_are_merged_newest_first(world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]) -> None:
    """Of one moment, in the order of the channels' names."""
    fax, pigeon = shelves
    fax.put("third", 2)
    fax.put("first", 0)
    pigeon.put("second", 1)
    pigeon.put("also third", 2)
    assert texts(world.run(box.look(ALL))) == ["first", "second", "third", "also third"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_pages_go_on_where_the_last_one_ended(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf], size: int
) -> None:
    """Nothing twice, nothing left out, also where a page ends within a moment."""
    for number in range(20):
        shelves[number % 2].put(f"{number:02}", ago_s=number // 6)
    whole = texts(world.run(box.look(ALL)))
    assert len(whole) == 20
    paged: list[str] = []
    after: Position | None = None
    for _ in range(25):
        page = world.run(box.look(ALL, most=size, after=after))
        assert len(page.found) <= size
        paged += texts(page)
        after = page.rest
        if after is None:
            break
    assert paged == whole


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"channel": "fax"}, {"one", "Two"}),
        ({"id": "one"}, {"one"}),
        ({"recipient": "cleo"}, {"three"}),
        ({"sender": "dan"}, {"Two"}),
        ({"text": "TWO"}, {"Two"}),
        ({"thread": "t1"}, {"three"}),
        ({"tag": "x"}, {"one"}),
        ({"status": "failed"}, {"one"}),
        ({"since": START - timedelta(seconds=10)}, {"Two", "three"}),
        ({"since": START - timedelta(seconds=10), "channel": "pigeon"}, {"three"}),
        ({"resource": "bank"}, {"theirs"}),
        ({"recipient": "nobody"}, set()),
    ],
)
def test_every_condition_must_hold(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf], condition: dict[str, Any], found: set[str]
) -> None:
    """And another resource's are never seen, nor what was sent to nobody."""
    fax, pigeon = shelves
    fax.put("one", 11, status="failed", details={"tag": "x"})
    fax.put("Two", 10, sender="dan")
    pigeon.put("three", 9, recipient="cleo", details={"thread_id": "t1"})
    pigeon.put("theirs", 9, resource="bank")
    pigeon.put("to nobody", 9, recipient="")
    assert set(texts(world.run(box.look(Wanted(**{"resource": "shop", **condition}))))) == found


def test_a_look_goes_through_a_bounded_number_of_entries(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search for something rare goes on from where it ended, and gets there."""
    monkeypatch.setattr(sent, "MOST_EXAMINED", 10)
    shelves[0].put("needle", 100)
    for number in range(35):
        shelves[1].put(f"hay {number:02}", number)
    found: list[str] = []
    after: Position | None = None
    looks = 0
    while looks == 0 or after is not None:
        page = world.run(box.look(Wanted(resource="shop", text="needle"), after=after))
        found, after, looks = found + texts(page), page.rest, looks + 1
    assert (found, looks) == (["needle"], 4)
    assert shelves[1].given < 35 + 4 * 2


def test_a_look_stops_asking_when_it_has_enough(world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]) -> None:
    """A channel gives one entry more than the page takes, so that it is known whether there is another page."""
    for number in range(1000):
        shelves[0].put(f"{number:04}", number)
    assert len(world.run(box.look(ALL, most=5)).found) == 5
    assert shelves[0].given == 6


def test_a_channel_there_is_not_is_refused(world: World, box: Sentbox) -> None:
    """Its name would let nothing through; the sentence names those there are."""
    with pytest.raises(InvalidError, match="fax, pigeon"):
        world.run(box.look(Wanted(resource="shop", channel="smoke")))


# --- waiting ---


def waiting(box: Sentbox, count: int = 1, seconds: float = 30) -> asyncio.Task[Page]:
    """Begin to wait for entries."""
    return asyncio.ensure_future(box.wait(ALL, count=count, seconds=seconds))


async def settled(task: asyncio.Task[Page], patience_s: float = 0.3) -> bool:
    """Tell whether a task ends within a little real time."""
    await asyncio.wait({task}, timeout=patience_s)
    return task.done()


Scene = Callable[[], Coroutine[Any, Any, None]]


def test_who_waits_has_the_answer_at_once_when_it_is_there(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]
) -> None:
    """The clock is not turned, and nothing is written."""
    shelves[0].put("there")
    assert texts(world.run(box.wait(ALL, count=1, seconds=30))) == ["there"]


def test_who_waits_looks_again_whenever_something_was_written(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]
) -> None:
    """Until there are as many as were asked for; no clock is turned for it."""

    async def scene() -> None:
        task = waiting(box, count=2)
        assert not await settled(task)
        shelves[0].put("one")
        await world.house.database.write(nothing)
        assert not await settled(task)
        shelves[1].put("two", 1)
        await world.house.database.write(nothing)
        assert await settled(task, 20)
        assert texts(task.result()) == ["one", "two"]

    world.run(scene())


def test_nothing_is_read_while_nothing_is_written(world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]) -> None:
    """A wait costs nothing but its first look."""

    async def scene() -> None:
        shelves[0].put("one")
        task = waiting(box, count=2)
        groups = -1
        while groups != (groups := world.house.database.groups):
            assert not await settled(task)  # the house writes a little when it has just been opened
        looks = shelves[0].given
        assert not await settled(task)
        assert shelves[0].given == looks
        task.cancel()

    world.run(scene())


def test_when_the_time_is_over_the_answer_is_what_there_is(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]
) -> None:
    """Looked up once more then, so that nothing that came without a word is missed."""

    async def scene() -> None:
        task = waiting(box, count=2, seconds=30)
        assert not await settled(task)
        shelves[0].put("one")
        world.clock.advance(29)
        assert not await settled(task)
        world.clock.advance(1)
        assert await settled(task, 20)
        assert texts(task.result()) == ["one"]

    world.run(scene())


def test_no_wait_is_longer_than_a_minute(world: World, box: Sentbox) -> None:
    """Whoever asks for more gets that."""

    async def scene() -> None:
        task = waiting(box, seconds=3600)
        assert not await settled(task)
        world.clock.advance(60)
        assert await settled(task, 20)

    world.run(scene())


def test_so_many_wait_at_once_and_no_more(world: World, box: Sentbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is told when to come back, and comes in when someone has left."""
    monkeypatch.setattr(sent, "MOST_WAITING", 3)

    async def scene() -> None:
        tasks = [waiting(box) for _ in range(3)]
        await asyncio.sleep(0)
        assert box.waiting == 3
        with pytest.raises(OverloadedError) as refused:
            await box.wait(ALL, count=1, seconds=30)
        assert refused.value.facts["retry_after_s"] == 1
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        tasks[0] = waiting(box)
        await asyncio.sleep(0)
        assert box.waiting == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert box.waiting == 0

    world.run(scene())


def test_many_who_wait_leave_readers_for_those_who_ask(
    world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]
) -> None:
    """They look one at a time, and all get their answer."""

    async def scene() -> None:
        tasks = [waiting(box) for _ in range(100)]
        await asyncio.sleep(0.05)
        shelves[0].put("for all")
        await world.house.database.write(nothing)
        await asyncio.wait(tasks, timeout=10)
        assert [texts(task.result()) for task in tasks] == [["for all"]] * 100

    world.run(scene())


def test_a_box_that_is_dismissed_answers_everyone_now(world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]) -> None:
    """Who waits, and who comes later: the server is about to stop."""

    async def scene() -> None:
        task = waiting(box, count=2)
        shelves[0].put("one")
        assert not await settled(task)
        box.dismiss()
        assert await settled(task, 20)
        assert texts(task.result()) == ["one"]
        late = waiting(box, count=2)
        assert await settled(late, 20)

    world.run(scene())


def test_under_many_writes_a_wait_looks_only_so_often(world: World, box: Sentbox, shelves: tuple[Shelf, Shelf]) -> None:
    """At most once in BETWEEN_LOOKS_S, however many groups leave."""

    async def scene() -> None:
        shelves[0].put("one")
        task = waiting(box, count=2)
        loop = asyncio.get_running_loop()
        begun, groups = loop.time(), world.house.database.groups
        for _ in range(200):
            await world.house.database.write(nothing)
        passed = loop.time() - begun
        assert world.house.database.groups - groups >= 200
        assert shelves[0].given <= 2 + passed / sent.BETWEEN_LOOKS_S
        task.cancel()

    world.run(scene())
