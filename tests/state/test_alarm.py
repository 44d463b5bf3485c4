"""Alarms on a clock that is turned."""

import asyncio

import pytest

from trunkline.clock import TurnedClock
from trunkline.state.alarm import Alarm


@pytest.mark.parametrize("turns", range(1, 4))
def test_an_alarm_rings_however_soon_the_clock_is_turned(turns: int) -> None:
    """Also between being set and lying down to sleep."""

    async def work() -> None:
        clock = TurnedClock()
        waiting = asyncio.create_task(Alarm(clock).wait(30))
        for _ in range(turns):
            await asyncio.sleep(0)
        clock.advance(31)
        async with asyncio.timeout(5):
            await waiting

    asyncio.run(work())
