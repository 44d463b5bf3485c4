"""The writer's memory: what is remembered is what a fresh read gives, whatever is written and whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from tests.state.test_database import change, everything, find, held, items, opened, put, remove, together
from tests.support.states import url_for
from trunkline.errors import ConflictError, NotFoundError
from trunkline.state.database import Database
from trunkline.state.memory import Memory, Subject
from trunkline.state.transaction import Transaction

IDS = (1, 2, 3)
remove_all = sa.delete(items)
read_afresh = sa.select(items.c.value).where(items.c.id == sa.bindparam("of_id"))


def subject() -> Subject:
    """Make a subject: the value of an item by its id."""
    return Subject(changed_by={items.name: ("of_id", "id")}, most=2)


def value_of(number: int) -> Callable[[Transaction], Any]:
    """Return what reads an item's value."""
    return lambda transaction: transaction.value(find, of_id=number)


def looking(about: Subject, number: int) -> Callable[[Transaction], tuple[Any, Any]]:
    """Return a unit that asks the memory and the table for the same."""
    return lambda transaction: (
        transaction.recall(about, number, value_of(number)),
        transaction.value(read_afresh, of_id=number),
    )


def writing(kind: str, number: int, value: str) -> Callable[[Transaction], None]:
    """Return a unit that changes an item, or tries to."""

    def unit(transaction: Transaction) -> None:
        if kind == "put":
            transaction.hand(put, id=number, value=value)  # collides when it is there: the group is done again
        elif kind == "change":
            transaction.hand(change, of_id=number, value=value)
        elif kind == "remove":
            transaction.hand(remove, of_id=number)
        elif kind == "remove all":
            transaction.hand(remove_all)
        else:
            transaction.hand(change, of_id=number, value=value)
            raise NotFoundError("It changes its mind.")

    return unit


STEP = st.tuples(
    st.sampled_from(["look", "look", "put", "change", "remove", "remove all", "regret"]),
    st.sampled_from(IDS),
    st.text("abc", min_size=1, max_size=2),
)


@given(st.lists(st.lists(STEP, max_size=6), max_size=6))
@settings(max_examples=40, deadline=None)
def test_what_is_remembered_is_what_a_fresh_read_gives(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[str, int, str]]]
) -> None:
    """Within a group and after it, beside units that fail, collide and take the group with them."""

    async def run(folder: Path) -> None:
        about = subject()
        async with opened(folder, anew=True) as database:
            for group in groups:
                units = [looking(about, i) if kind == "look" else writing(kind, i, text) for kind, i, text in group]
                answers = await together(database, *units)
                for (kind, _, _), answer in zip(group, answers, strict=True):
                    assert kind != "look" or answer[0] == answer[1]
                    assert not isinstance(answer, Exception) or isinstance(answer, ConflictError | NotFoundError)
                kept = {row.id: row.value for row in await database.read(lambda reader: reader.all(everything))}
                for number in IDS:
                    assert await database.write(looking(about, number)) == (kept.get(number), kept.get(number))

    folder = tmp_path_factory.getbasetemp() / "remembered"
    folder.mkdir(exist_ok=True)
    asyncio.run(run(folder))


def test_what_nobody_changed_is_read_once(tmp_path: Path) -> None:
    """That is what it is for."""
    reads = 0

    def read(transaction: Transaction) -> Any:
        nonlocal reads
        reads += 1
        return transaction.value(find, of_id=1)

    async def run() -> list[Any]:
        about = subject()
        async with opened(tmp_path) as database:
            await database.write(writing("put", 1, "a"))
            answers = [await database.write(lambda unit: unit.recall(about, 1, read)) for _ in range(3)]
            await database.write(writing("put", 2, "b"))  # another key
            return [*answers, await database.write(lambda unit: unit.recall(about, 1, read))]

    assert asyncio.run(run()) == ["a"] * 4
    assert reads == 1


def test_a_commit_that_fails_takes_with_it_what_was_remembered(tmp_path: Path) -> None:
    """What a unit wrote, and another remembered, was never there when the first one fails at the second go."""

    async def run() -> None:
        about, times = subject(), 0

        def once(transaction: Transaction) -> None:
            nonlocal times
            times += 1
            if times > 1:
                raise NotFoundError("It does not do that again.")
            transaction.hand(change, of_id=1, value="b")

        async with opened(tmp_path) as database:
            await database.write(writing("put", 1, "a"))
            # the first commit is of what holds the writer
            ends = iter([None, OperationalError("COMMIT", {}, Exception("the disk is full"))])

            def commit(_: Any) -> None:
                if error := next(ends, None):
                    raise error

            async with held(database):
                writes = [
                    asyncio.ensure_future(database.write(unit))
                    for unit in (once, lambda unit: unit.recall(about, 1, value_of(1)))
                ]
                await asyncio.sleep(0)
                sa.event.listen(database.engine, "commit", commit)
            first, _ = await asyncio.gather(*writes, return_exceptions=True)
            assert isinstance(first, NotFoundError)
            assert await database.write(looking(about, 1)) == ("a", "a")

    asyncio.run(run())


def test_it_is_asked_before_anything_is_handed_over(tmp_path: Path) -> None:
    """As the tables are."""

    def unit(transaction: Transaction) -> None:
        transaction.hand(put, id=1, value="a")
        transaction.recall(subject(), 1, value_of(1))

    async def run() -> None:
        async with opened(tmp_path) as database:
            await database.write(unit)

    with pytest.raises(RuntimeError, match="reads first"):
        asyncio.run(run())


def test_only_so_much_is_remembered_and_never_nothing() -> None:
    """The oldest goes first; what was not there is looked for again."""
    memory, about = Memory(), subject()
    asked: list[int] = []

    def read(key: int, value: str | None) -> Any:
        def reading() -> str | None:
            asked.append(key)
            return value

        return memory.recall(about, key, reading)

    for key in (1, 2, 3, 3, 2, 1):
        assert read(key, "x") == "x"
    assert asked == [1, 2, 3, 1]
    assert read(9, None) is None
    assert read(9, "y") == "y"


def test_what_is_remembered_is_forgotten_after_the_turn_of_another_process(tmp_path: Path) -> None:
    """On a shared database, and only then: as long as nobody else writes, a group builds on the last one."""
    about = subject()

    async def work() -> None:
        async with opened(tmp_path) as ours:
            await ours.write(writing("put", 1, "old"))
            first = (await ours.write(looking(about, 1)), await ours.write(lambda unit: unit.generation))
            again = (await ours.write(looking(about, 1)), await ours.write(lambda unit: unit.generation))
            assert first == again == (("old", "old"), first[1])
            if (url := url_for(tmp_path)) == "":
                return
            theirs = Database(url, process="other")
            theirs.start()
            await theirs.write(writing("change", 1, "new"))
            await theirs.stop()
            assert await ours.write(looking(about, 1)) == ("new", "new")
            assert await ours.write(lambda unit: unit.generation) > first[1]

    asyncio.run(work())
