"""An alarm: wakes one waiting task when it is rung, or when a time has passed on the clock."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from trunkline.clock import Clock


class Alarm:
    """Rung by anyone on the event loop; a ring that nobody waits for is kept until someone does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or the next who would."""
        self._rung.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Return when rung, or after that many seconds of the clock."""
        if not self._rung.is_set():
            if seconds is None:
                await self._rung.wait()
            else:
                await self._wait_at_most(seconds)
        self._rung.clear()

    async def _wait_at_most(self, seconds: float) -> None:
        due_at = self._clock.now() + timedelta(seconds=seconds)  # the clock may be turned before the sleeper lies down
        rung = asyncio.ensure_future(self._rung.wait())
        slept = asyncio.ensure_future(self._sleep_until(due_at))
        try:
            await asyncio.wait({rung, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
            slept.cancel()

    async def _sleep_until(self, moment: datetime) -> None:
        await self._clock.sleep((moment - self._clock.now()).total_seconds())
