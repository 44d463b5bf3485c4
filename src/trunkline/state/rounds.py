"""Rounds: work that the process on duty does again and again; a failure does not end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from trunkline.clock import Clock
from trunkline.errors import TrunklineError
from trunkline.state.alarm import Alarm
from trunkline.state.database import Database
from trunkline.state.trouble import mention

AGAIN_S = 60.0


class Rounds:
    """Does `work` from `start` to `stop`, where this process is on duty; it returns when it is due again.

    It is done sooner when the duty comes, when it is nudged, and when another process wrote to some `tables`. What it
    raises goes to the log in these `words` ("old events cannot be removed"), and `again_s` later it is tried again.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        work: Callable[[], Awaitable[datetime]],
        *,
        log: logging.Logger,
        words: str,
        tables: Sequence[str] = (),
        again_s: float = AGAIN_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._work = work
        self._log = log
        self._words = words
        self._tables = tables
        self._again = timedelta(seconds=again_s)
        self._alarm = Alarm(clock)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin at once."""
        self._database.watch_duty(self.nudge)
        if self._tables:
            self._database.watch(self._tables, self._look_soon)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop between two rounds, or in the middle of one that is done again after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Let the next round begin soon."""
        self._alarm.ring()

    async def _look_soon(self) -> None:
        self.nudge()

    async def _run(self) -> None:
        while True:
            due = self._clock.now() + timedelta(seconds=AGAIN_S)
            try:
                if self._database.is_on_duty:
                    due = await self._work()
            except TrunklineError as error:
                mention(self._log, f"{self._words} now", error)
                due = self._clock.now() + self._again
            except Exception:  # noqa: BLE001 - whatever it is, the next round may do better
                self._log.exception(self._words)
                due = self._clock.now() + self._again
            await self._alarm.wait((due - self._clock.now()).total_seconds())
