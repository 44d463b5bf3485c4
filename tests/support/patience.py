"""Waits for what another thread does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], patience_s: float = 20.0) -> None:
    """Return once something holds; raises TimeoutError when it does not in real time."""
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110 - a thread that knows no event of ours makes it hold
            await asyncio.sleep(0.005)
