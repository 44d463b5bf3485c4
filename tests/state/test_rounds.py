"""Rounds go on: when they are due, when somebody nudges, and whatever a round raises."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.patience import until
from tests.support.states import database_at
from trunkline.clock import TurnedClock
from trunkline.errors import UnavailableError
from trunkline.state.rounds import Rounds

DUE_S, AGAIN_S = 600.0, 5.0
_log = logging.getLogger("a part")


class Work:
    """Counts its rounds; raises what it is told to."""

    def __init__(self, clock: TurnedClock) -> None:
        self._clock = clock
        self.rounds = 0
        self.raises: list[Exception] = []

    async def __call__(self) -> datetime:
        """Do a round."""
        self.rounds += 1
        if self.raises:
            raise self.raises.pop(0)
        return self._clock.now() + timedelta(seconds=DUE_S)


@asynccontextmanager
async def working(folder: Path, *raises: Exception) -> AsyncIterator[tuple[Work, Rounds, TurnedClock]]:
    """Give work that is done in rounds, after its first one."""
    clock = TurnedClock()
    database = database_at(folder)
    database.start()
    work = Work(clock)
    work.raises += raises
    rounds = Rounds(database, clock, work, log=_log, words="it cannot be done", again_s=AGAIN_S)
    try:
        await rounds.start()
        await until(lambda: work.rounds == 1)
        yield work, rounds, clock
    finally:
        await rounds.stop()
        await database.stop()


@pytest.mark.parametrize("error", [UnavailableError("the disk is full"), ZeroDivisionError("a mistake")])
def test_what_a_round_raises_is_told_and_does_not_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """It is tried again soon; then it is due when it says so."""

    async def scene() -> None:
        async with working(tmp_path, error) as (work, _, clock):
            clock.advance(AGAIN_S)
            await until(lambda: work.rounds == 2)
            clock.advance(DUE_S - 1)
            for _ in range(5):
                await asyncio.sleep(0)
            assert work.rounds == 2
            clock.advance(1)
            await until(lambda: work.rounds == 3)

    asyncio.run(scene())
    (told,) = [line for line in caplog.records if line.name == _log.name]
    assert told.getMessage().startswith("it cannot be done")


def test_a_nudge_brings_the_next_round(tmp_path: Path) -> None:
    """Long before it is due."""

    async def scene() -> None:
        async with working(tmp_path) as (work, rounds, _):
            rounds.nudge()
            await until(lambda: work.rounds == 2)

    asyncio.run(scene())
