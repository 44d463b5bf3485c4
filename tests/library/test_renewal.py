"""The certificate renews itself while the server runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from trunkline import certificates
from trunkline.certificates import Certificate
from trunkline.clock import TurnedClock
from trunkline.errors import ConfigurationError
from trunkline.library.renewal import PERIOD_S, keep_fresh


async def settle() -> None:
    """Let a thread's answer arrive."""
    for _ in range(50):
        await asyncio.sleep(0.005)


def test_a_leaf_that_is_due_gives_way_to_a_new_one(tmp_path: Path) -> None:
    """It is looked at every hour, and shown once it is another one."""
    clock = TurnedClock()

    def certify() -> Certificate:
        return certificates.ensure(tmp_path, [], clock.now()).leaf

    async def live() -> list[int]:
        first, shown = certify(), []
        task = asyncio.create_task(keep_fresh(clock, first, certify, lambda leaf: shown.append(leaf.serial)))
        await settle()
        clock.advance(PERIOD_S)
        await settle()
        assert shown == []
        clock.advance(timedelta(days=70).total_seconds())
        await settle()
        clock.advance(PERIOD_S)
        await settle()
        assert first.serial not in shown
        task.cancel()
        return shown

    assert len(asyncio.run(live())) == 1


def test_a_certificate_that_cannot_be_read_leaves_the_shown_one(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The trouble is logged, and looked at again an hour later."""
    clock = TurnedClock()
    first = certificates.ensure(tmp_path, [], clock.now()).leaf
    asked = 0

    def certify() -> Certificate:
        nonlocal asked
        asked += 1
        raise ConfigurationError("The certificate is gone.")

    async def live() -> None:
        task = asyncio.create_task(keep_fresh(clock, first, certify, lambda _: pytest.fail("shown")))
        for _ in range(2):
            await settle()
            clock.advance(PERIOD_S)
        await settle()
        task.cancel()

    asyncio.run(live())
    assert asked == 2
    assert "The certificate is gone." in caplog.text
