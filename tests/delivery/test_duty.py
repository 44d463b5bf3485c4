"""The courier of a process that goes off duty for a moment: what waits is delivered by whoever is on duty then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from aiohttp import web

from tests.delivery.rig import Heard, a_parcel, receiving, rigged, settle, until
from tests.support import states
from trunkline.delivery.lane import FIRST_WIDTH
from trunkline.state.news import SharedNews

WAITING = FIRST_WIDTH + 6


def test_what_waits_goes_on_when_the_duty_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind attempts that were under way when it went, and not a minute later."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            gates = [asyncio.Event() for _ in range(WAITING)]

            async def answer(_heard: Heard) -> web.Response:
                await gates[len(receiver.heard) - 1].wait()
                return web.Response()

            receiver.answer = answer
            await rig.put(*(a_parcel(rig.clock, receiver.url) for _ in range(WAITING)))
            await until(lambda: len(receiver.heard) == FIRST_WIDTH)
            news = rig.database._news
            assert isinstance(news, SharedNews)
            with monkeypatch.context() as patch:
                patch.setattr(news, "_connect", refuse)
                states.server().do(f"SELECT pg_terminate_backend({news._driver.info.backend_pid})")
                await until(lambda: not rig.database.is_on_duty)
                gates[0].set()  # its outcome is kept, and nothing new is begun
                await until(lambda: rig.courier.delivered == 1)
                await settle()
                assert len(receiver.heard) == FIRST_WIDTH
            await until(lambda: rig.database.is_on_duty)
            for gate in gates:
                gate.set()
            await until(lambda: rig.courier.delivered == WAITING)
            assert len(receiver.heard) == WAITING

    with states.kept_on(states.POSTGRESQL):
        asyncio.run(run())


def refuse() -> None:
    """Connect to nothing."""
    raise psycopg.OperationalError("nobody answers")
