"""Rounds: work that the process on duty does again and again; a failure does not end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from trunkline.clock import Clock
from trunkline.errors import TrunklineError
from trunkline.state.database import Database
from trunkline.state.trouble import mention

AGAIN_S = 60.0


class Rounds:
    """Does `work` from `start` to `stop`, where this process is on duty; it returns when it is due again.

    What it raises goes to the log in these `words` ("old events cannot be removed"), and a minute later it is tried
    again.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        work: Callable[[], Awaitable[datetime]],
        *,
        log: logging.Logger,
        words: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._work = work
        self._log = log
        self._words = words
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin at once."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop between two rounds, or in the middle of one that is done again after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            due = self._clock.now() + timedelta(seconds=AGAIN_S)
            try:
                if self._database.is_on_duty:
                    due = await self._work()
            except TrunklineError as error:
                mention(self._log, f"{self._words} now", error)
            except Exception:  # noqa: BLE001 - whatever it is, the next round may do better
                self._log.exception(self._words)
            await self._clock.sleep((due - self._clock.now()).total_seconds())
