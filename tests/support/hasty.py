"""A server in a hurry: `python -m tests.support.hasty SPEED serve …` runs the command with less patience.

Checkpoints, the sorting out of ids and the gathering of rollups come every second or two instead of every few minutes,
and its clock runs SPEED times as fast, so that facts grow old while a test looks on.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from trunkline import app
from trunkline.cli import main
from trunkline.clock import monotonic
from trunkline.telemetry.stores.duckdb import index, store

PACE: dict[Any, dict[str, float]] = {
    store: {"_CHECKPOINT_S": 2.0, "_GATHER_S": 3.0, "_GATHERED": 500, "FLUSHED": 1000},
    index: {"SLICE": 500},
}


class FastClock:
    """A clock on which time flies."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began_at = datetime.now(UTC)
        self._began = monotonic()

    def now(self) -> datetime:
        """Return the moment that it shows."""
        return self._began_at + timedelta(seconds=(monotonic() - self._began) * self._speed)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop, for as long as that takes on this clock."""
        await asyncio.sleep(seconds / self._speed)


def hurry(speed: float) -> None:
    """Set the pace of this process."""
    for module, pace in PACE.items():
        for name, value in pace.items():
            assert hasattr(module, name), f"{module.__name__} has no {name} any more"
            setattr(module, name, value)
    if speed != 1:
        app.RealClock = lambda: FastClock(speed)


if __name__ == "__main__":
    hurry(float(sys.argv.pop(1)))
    main.main()
