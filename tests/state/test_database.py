"""Group commit: many writes, few commits, and nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.patience import until
from tests.support.states import database_at
from trunkline.errors import ConfigurationError, ConflictError, NotFoundError, OverloadedError, UnavailableError
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction

metadata = sa.MetaData()
items = sa.Table("items", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.Text))
totals = sa.Table("totals", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("many", sa.Integer))
put = sa.insert(items)
put_total = sa.insert(totals)
change = sa.update(items).where(items.c.id == sa.bindparam("of_id")).values(value=sa.bindparam("value"))
remove = sa.delete(items).where(items.c.id == sa.bindparam("of_id"))
find = sa.select(items.c.value).where(items.c.id == sa.bindparam("of_id"))
everything = sa.select(items).order_by(items.c.id)
count_into = sa.update(totals).values(many=sa.select(sa.func.count()).select_from(items).scalar_subquery())
total = sa.select(totals.c.many)


@asynccontextmanager
async def opened(folder: Path, *, anew: bool = False, **given: Any) -> AsyncIterator[Database]:
    """Give a started database with the two tables; `anew` empties them."""
    database = database_at(folder, **given)
    if anew:
        metadata.drop_all(database.engine)
    metadata.create_all(database.engine)
    database.start()
    try:
        yield database
    finally:
        await database.stop()


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Keep the writer busy, so that whatever is written meanwhile makes one group."""
    began, free = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        began.set()
        free.wait(10)

    holding = asyncio.ensure_future(database.write(hold))
    await asyncio.to_thread(began.wait, 10)
    yield
    free.set()
    await holding


async def together(database: Database, *units: Callable[[Transaction], Any]) -> list[Any]:
    """Write units as one group; results and errors in their order."""
    async with held(database):
        writes = [asyncio.ensure_future(database.write(unit)) for unit in units]
        await asyncio.sleep(0)
    return await asyncio.gather(*writes, return_exceptions=True)


def putting(number: int, value: Any = "x") -> Callable[[Transaction], int]:
    """Return a unit that puts an item without looking."""

    def unit(transaction: Transaction) -> int:
        transaction.hand(put, id=number, value=value)
        return number

    return unit


def kept(folder: Path) -> dict[int, str]:
    """Read the items with a connection of its own, as after a restart."""

    async def read() -> dict[int, str]:
        async with opened(folder) as database:
            return {row.id: row.value for row in await database.read(lambda reader: reader.all(everything))}

    return asyncio.run(read())


def commits(database: Database) -> list[None]:
    """Return a list that grows with each commit."""
    seen: list[None] = []
    sa.event.listen(database.engine, "commit", lambda _: seen.append(None))
    return seen


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(work)


# --- groups ---


def test_nobody_is_answered_before_the_commit(tmp_path: Path) -> None:
    """The promise itself: while the commit has not happened, no future is done."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            begun, may = threading.Event(), threading.Event()

            def commit(_: Any) -> None:
                begun.set()
                may.wait(10)

            sa.event.listen(database.engine, "commit", commit)
            writes = [asyncio.ensure_future(database.write(putting(number))) for number in range(3)]
            await asyncio.to_thread(begun.wait, 10)
            await asyncio.sleep(0.05)  # real time, in which a premature answer would come
            assert not any(write.done() for write in writes)
            may.set()
            assert await asyncio.gather(*writes) == [0, 1, 2]

    run(work())


def test_many_concurrent_writes_share_few_commits(tmp_path: Path) -> None:
    """A thousand writes at once are durable after a handful of commits."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            seen = commits(database)
            results = await asyncio.gather(*(database.write(putting(number)) for number in range(1000)))
            assert results == list(range(1000))
            assert len(seen) <= 20
            assert database.units == 1000
            assert database.groups == len(seen)

    run(work())
    assert len(kept(tmp_path)) == 1000


def test_a_unit_that_raises_harms_no_other(tmp_path: Path) -> None:
    """Its error comes to its own caller, its rows are not written, the group leaves at once."""

    def raising(transaction: Transaction) -> None:
        transaction.hand(put, id=2, value="never")
        raise NotFoundError("not here")

    async def work() -> None:
        async with opened(tmp_path) as database:
            first, second, third = await together(database, putting(1), raising, putting(3))
            assert (first, third) == (1, 3)
            assert isinstance(second, NotFoundError)
            assert database.replays == 0

    run(work())
    assert sorted(kept(tmp_path)) == [1, 3]


def test_only_the_guilty_of_a_group_that_collides_fails(tmp_path: Path) -> None:
    """Its neighbours, before and after it, are written by the same second try: two commits, not one each."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            await database.write(putting(50, "first"))
            seen = commits(database)
            results = await together(database, *(putting(number) for number in range(1, 101)))
            errors = [(place, error) for place, error in enumerate(results, 1) if isinstance(error, Exception)]
            assert [place for place, _ in errors] == [50]
            assert isinstance(errors[0][1], ConflictError)
            assert isinstance(errors[0][1].__cause__, sa.exc.IntegrityError)
            assert database.replays == 1
            assert len(seen) == 2  # the holding unit's group, and the second try

    run(work())
    assert len(kept(tmp_path)) == 100
    assert kept(tmp_path)[50] == "first"


@pytest.mark.parametrize("value", [object(), "\ud800", {"a": 1}], ids=["object", "surrogate", "dict"])
def test_a_value_that_cannot_be_written_fails_only_its_own_unit(tmp_path: Path, value: Any) -> None:
    """It is the unit's mistake, not the disk's; the writer lives on."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            results = await together(database, putting(1), putting(2, value), putting(3))
            assert (results[0], results[2]) == (1, 3)
            assert isinstance(results[1], Exception)
            assert not isinstance(results[1], UnavailableError | ConflictError)
            assert await database.write(putting(4)) == 4

    run(work())
    assert sorted(kept(tmp_path)) == [1, 3, 4]


def test_what_cannot_be_written_does_not_stand_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor in the error: it may be a key, or what somebody said to somebody; why it failed does stand there."""
    caplog.set_level(logging.DEBUG)
    secret = "what she said"

    async def work() -> None:
        async with opened(tmp_path) as database:
            await database.write(putting(1))
            with pytest.raises(ConflictError) as refused:
                await database.write(putting(1, secret))
            logging.getLogger("trunkline").warning("refused", exc_info=refused.value)

    run(work())
    assert "INSERT INTO items" in caplog.text
    assert secret not in caplog.text


def test_a_unit_with_a_broken_question_fails_alone(tmp_path: Path) -> None:
    """Even a question about a table that is not there spoils nothing for the others."""
    missing = sa.select(sa.table("nowhere", sa.column("x")))

    async def work() -> None:
        async with opened(tmp_path) as database:
            results = await together(database, putting(1), lambda transaction: transaction.all(missing), putting(3))
            assert (results[0], results[2]) == (1, 3)
            assert isinstance(results[1], Exception)

    run(work())
    assert sorted(kept(tmp_path)) == [1, 3]


def test_a_unit_that_lets_stop_iteration_escape_leaves_nobody_waiting(tmp_path: Path) -> None:
    """A future cannot carry StopIteration; it becomes an error that it can."""

    async def work() -> None:
        async with opened(tmp_path) as database, asyncio.timeout(5):
            results = await together(database, lambda _: next(iter(())), putting(2))
            assert isinstance(results[0], RuntimeError)
            assert results[1] == 2

    run(work())


# --- what a unit sees ---


def test_a_unit_sees_what_earlier_units_of_its_group_wrote(tmp_path: Path) -> None:
    """Directly, through a join and through a subquery; and nothing of later ones."""
    joined = sa.select(sa.func.count()).select_from(items.join(totals, sa.true()))
    nested = sa.select(sa.select(sa.func.count()).select_from(items).scalar_subquery())

    async def work() -> None:
        async with opened(tmp_path) as database:
            await database.write(lambda transaction: transaction.hand(put_total, name="all", many=0))
            results = await together(
                database,
                lambda transaction: transaction.value(find, of_id=1),
                putting(1, "one"),
                lambda transaction: transaction.value(find, of_id=1),
                lambda transaction: transaction.value(joined),
                putting(2, "two"),
                lambda transaction: transaction.value(nested),
                lambda transaction: len(transaction.all(everything)),
                lambda transaction: transaction.one(find, of_id=3),
            )
            assert results == [None, 1, "one", 1, 2, 2, 2, None]

    run(work())


def test_a_refusal_of_the_first_try_does_not_stand_when_the_second_goes_through(tmp_path: Path) -> None:
    """It may have rested on rows of the group that were not kept."""
    tries: list[None] = []

    def careful(transaction: Transaction) -> str:
        tries.append(None)
        if len(tries) == 1:
            raise NotFoundError("not yet")
        transaction.hand(put, id=1, value="careful")
        return "put"

    async def work() -> None:
        async with opened(tmp_path) as database:
            results = await together(database, putting(7), careful, putting(7))
            assert (results[0], results[1]) == (7, "put")
            assert isinstance(results[2], ConflictError)

    run(work())
    assert kept(tmp_path) == {1: "careful", 7: "x"}


def test_a_unit_that_reads_after_its_own_write_is_a_mistake(tmp_path: Path) -> None:
    """Its rows are not there yet, so reading would mislead it."""

    def unit(transaction: Transaction) -> None:
        transaction.hand(put, id=1, value="x")
        transaction.all(everything)

    async def work() -> None:
        async with opened(tmp_path) as database:
            with pytest.raises(RuntimeError, match="reads first and writes after"):
                await database.write(unit)

    run(work())
    assert kept(tmp_path) == {}


def test_rows_that_leave_columns_out_are_written_as_they_are(tmp_path: Path) -> None:
    """Rows of one statement with other columns do not lose any."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            await together(
                database,
                lambda transaction: transaction.hand(put, id=1),
                lambda transaction: transaction.hand(put, id=2, value="two"),
                lambda transaction: transaction.hand(put, id=3),
            )

    run(work())
    assert kept(tmp_path) == {1: None, 2: "two", 3: None}


def test_a_statement_that_reads_another_table_is_written_in_its_turn(tmp_path: Path) -> None:
    """Counting items stands between putting them; joining the puts would count wrong."""

    def counting(transaction: Transaction) -> None:
        transaction.hand(count_into)

    async def work() -> None:
        async with opened(tmp_path) as database:
            await database.write(lambda transaction: transaction.hand(put_total, name="all", many=0))
            await together(database, putting(1), putting(2), counting, putting(3))
            assert await database.read(lambda reader: reader.value(total)) == 2

    run(work())


Deed = tuple[str, int, str]
Work = tuple[bool, list[Deed]]


def works() -> st.SearchStrategy[list[Work]]:
    """Units of a few deeds each over a few items; some look first, most do not."""
    deed = st.tuples(st.sampled_from(["put", "change", "remove", "swap"]), st.integers(1, 4), st.sampled_from("abc"))
    looks = st.sampled_from([False, False, True])
    return st.lists(st.tuples(looks, st.lists(deed, min_size=1, max_size=3)), min_size=1, max_size=12)


def doing(looks: bool, unit: list[Deed]) -> Callable[[Transaction], Any]:
    """Turn deeds into a unit of work."""

    def work(transaction: Transaction) -> list[str | None]:
        seen = [transaction.value(find, of_id=number) for _, number, _ in unit if looks]
        for what, number, value in unit:
            if what == "put":
                transaction.hand(put, id=number, value=value)
            elif what == "change":
                transaction.hand(change, of_id=number, value=value)
            elif what == "remove":
                transaction.hand(remove, of_id=number)
            else:
                transaction.hand(remove, of_id=number)
                transaction.hand(put, id=number, value=value)
        return seen

    return work


def imagined(units: list[Work]) -> tuple[dict[int, str], list[Any]]:
    """Do the same in a dictionary, one unit after the other; None stands for a collision."""
    state: dict[int, str] = {}
    results: list[Any] = []
    for looks, unit in units:
        seen = [state.get(number) for _, number, _ in unit if looks]
        attempt, collides = dict(state), False
        for what, number, value in unit:
            if what == "put" and number in attempt:
                collides = True
                break
            if what == "change" and number in attempt:
                attempt[number] = value
            if what in {"remove", "swap"}:
                attempt.pop(number, None)
            if what in {"put", "swap"}:
                attempt[number] = value
        results.append(None if collides else seen)
        state = state if collides else attempt
    return state, results


@settings(max_examples=60, deadline=None)
@given(units=works())
def test_a_group_does_what_its_units_would_do_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, units: list[Work]
) -> None:
    """Whatever units read, write and collide over: batching changes neither results nor rows."""
    folder = tmp_path_factory.getbasetemp() / "group"
    folder.mkdir(exist_ok=True)

    async def work() -> tuple[dict[int, str], list[Any]]:
        async with opened(folder, anew=True) as database:
            results = await together(database, *(doing(*unit) for unit in units))
            rows = await database.read(lambda reader: reader.all(everything))
        return {row.id: row.value for row in rows}, [
            None if isinstance(result, ConflictError) else result for result in results
        ]

    assert asyncio.run(work()) == imagined(units)


# --- riders ---


class Counting:
    """A rider that writes one row for each time it was told to."""

    def __init__(self) -> None:
        self.waiting = 0
        self.boarded = 0
        self.done = 0
        self.breaks = False

    def board(self, transaction: Transaction) -> None:
        """Hand over a row for each that waits."""
        if self.breaks:
            raise ValueError("a rider's mistake")
        self.boarded = self.waiting
        for number in range(self.boarded):
            transaction.hand(put, id=10_000 + self.done + number, value="rider")

    def arrived(self) -> None:
        """Count them as done."""
        self.done += self.boarded
        self.waiting -= self.boarded
        self.boarded = 0


def test_riders_ride_with_the_group_and_once_only_when_it_is_done_again(tmp_path: Path) -> None:
    """A collision in the group neither loses nor doubles what rides with it."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            rider = Counting()
            database.carry(rider)
            async with held(database):
                rider.waiting = 3
                writes = [asyncio.ensure_future(database.write(putting(number))) for number in (1, 1, 2)]
                await asyncio.sleep(0)
            await asyncio.gather(*writes, return_exceptions=True)
            assert (rider.done, rider.waiting) == (3, 0)
            assert database.replays == 1

    run(work())
    assert sorted(kept(tmp_path)) == [1, 2, 10_000, 10_001, 10_002]


def test_a_rider_that_raises_harms_no_unit_and_boards_again(tmp_path: Path) -> None:
    """The units are acknowledged; what rides comes with a later group without anyone's help."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            rider = Counting()
            database.carry(rider)
            rider.waiting, rider.breaks = 1, True
            assert await database.write(putting(1)) == 1
            assert rider.done == 0
            rider.breaks = False
            await until(lambda: rider.done)

    run(work())
    assert sorted(kept(tmp_path)) == [1, 10_000]


def test_a_nudge_lets_riders_leave_without_any_unit(tmp_path: Path) -> None:
    """Many nudges make few groups."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            rider = Counting()
            database.carry(rider)
            async with held(database):
                rider.waiting = 2
                for _ in range(50):
                    database.nudge()
                assert database.waiting == 1
            await until(lambda: rider.done)

    run(work())
    assert sorted(kept(tmp_path)) == [10_000, 10_001]


# --- beginning and end ---


def test_stopping_writes_what_waits(tmp_path: Path) -> None:
    """What stands in the queue when the stop comes is durable, riders included."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            rider = Counting()
            database.carry(rider)
            async with held(database):
                writes = [asyncio.ensure_future(database.write(putting(number))) for number in range(600)]
                await asyncio.sleep(0)
                rider.waiting = 1
                stopping = asyncio.ensure_future(database.stop())
                await asyncio.sleep(0)
                with pytest.raises(UnavailableError, match="stopping"):
                    await database.write(putting(9999))
            await stopping
            assert await asyncio.gather(*writes) == list(range(600))
            assert rider.done == 1
            with pytest.raises(UnavailableError, match="stopping"):
                await database.read(lambda reader: reader.all(everything))

    run(work())
    assert len(kept(tmp_path)) == 601


def test_what_never_started_and_what_stopped_before_can_be_stopped(tmp_path: Path) -> None:
    """A start that fails halfway cleans up with the same call."""

    async def work() -> None:
        database = database_at(tmp_path)
        metadata.create_all(database.engine)
        assert database.read_now(lambda reader: reader.all(everything)) == []
        await database.stop()
        await database.stop()

    run(work())


def test_nothing_is_left_behind_by_a_stop(tmp_path: Path) -> None:
    """No thread, no connection: Python would warn of an unclosed one, and warnings are errors here."""
    before = set(threading.enumerate())

    async def work() -> None:
        async with opened(tmp_path) as database:
            await database.write(putting(1))
            await asyncio.gather(*(database.read(lambda reader: reader.all(everything)) for _ in range(20)))

    run(work())
    gc.collect()
    assert set(threading.enumerate()) <= before


def test_a_loop_that_closes_early_stops_nobody(tmp_path: Path) -> None:
    """Who waited is gone, the write is done all the same, and the writer lives on."""
    database = database_at(tmp_path)
    metadata.create_all(database.engine)
    free = threading.Event()

    async def leave() -> None:
        database.start()
        doomed = [
            asyncio.ensure_future(database.write(lambda _: free.wait(10))),
            asyncio.ensure_future(database.write(putting(1))),
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in doomed)

    async def come_back() -> None:
        free.set()
        assert await database.write(putting(2)) == 2
        await database.stop()

    run(leave())
    run(come_back())
    assert sorted(kept(tmp_path)) == [1, 2]


def test_who_gives_up_waiting_disturbs_nobody(tmp_path: Path) -> None:
    """A cancelled request's write is done; the others of its group hear of theirs."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            async with held(database):
                writes = [asyncio.ensure_future(database.write(putting(number))) for number in (1, 2)]
                await asyncio.sleep(0)
                writes[0].cancel()
            assert await writes[1] == 2

    run(work())
    assert sorted(kept(tmp_path)) == [1, 2]


def test_too_many_waiting_writes_are_refused_at_once(tmp_path: Path) -> None:
    """The backlog is bounded, and the refusal says when to come back."""

    async def work() -> None:
        async with opened(tmp_path, backlog=5) as database:
            async with held(database):
                writes = [asyncio.ensure_future(database.write(putting(number))) for number in range(5)]
                await asyncio.sleep(0)
                with pytest.raises(OverloadedError) as refused:
                    await database.write(putting(6))
                assert refused.value.facts["retry_after_s"] == 1
            assert await asyncio.gather(*writes) == list(range(5))
            assert await database.write(putting(6)) == 6

    run(work())


def test_a_read_sees_one_snapshot(tmp_path: Path) -> None:
    """What is written while a question runs is not half seen."""

    async def work() -> None:
        async with opened(tmp_path) as database:
            began, free = threading.Event(), threading.Event()

            def slowly(reader: Reader) -> tuple[int, int]:
                first = len(reader.all(everything))
                began.set()
                free.wait(10)
                return first, len(reader.all(everything))

            reading = asyncio.ensure_future(database.read(slowly))
            await asyncio.to_thread(began.wait, 10)
            await database.write(putting(1))
            free.set()
            assert await reading == (0, 0)
            assert len(await database.read(lambda reader: reader.all(everything))) == 1

    run(work())


def test_the_state_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds keys: nobody else can read it, nor what stands beside it."""

    async def work() -> None:
        database = Database.in_folder(tmp_path)
        database.start()
        await database.settled()
        names = ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm")
        assert [os.stat(tmp_path / name).st_mode & 0o777 for name in names] == [0o600] * 3  # noqa: PTH116 - short
        await database.stop()

    run(work())


def test_a_text_may_hold_whatever_a_text_may_hold(tmp_path: Path) -> None:
    """U+0000, which PostgreSQL keeps in none, is kept and found as well."""
    value = "a\0b \U0001f600 \ufeff'\\%s"

    async def work() -> None:
        async with opened(tmp_path) as database:
            await database.write(putting(1, value))
            assert await database.read(lambda reader: reader.value(find, of_id=1)) == value
            same = sa.select(items.c.id).where(items.c.value == sa.bindparam("wanted"))
            assert await database.read(lambda reader: reader.value(same, wanted=value)) == 1

    run(work())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which file, and what to do."""
    with pytest.raises(ConfigurationError, match=r"state\.sqlite cannot be written: No such file.*--data"):
        Database.in_folder(tmp_path / "nowhere")
