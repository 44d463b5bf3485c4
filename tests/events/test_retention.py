"""Retention: what was told and delivered goes when its time is over, and nothing else."""

import asyncio
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from tests.delivery.rig import a_parcel, receiving, until
from tests.events.scene import a_message, agreeing, staged
from trunkline.delivery import queue
from trunkline.events.outbox import outbox
from trunkline.events.retention import Retention

EVENTS = sa.select(sa.func.count()).select_from(outbox)


def test_told_events_and_finished_deliveries_go_after_the_retention(tmp_path: Path) -> None:
    """In steps, more of them than one step holds; what still waits stays."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path, event_retention_hours=24) as scene:
            receiver.answer = agreeing
            rig, now = scene.rig, scene.rig.clock.now()
            retention = Retention(
                database=rig.database, clock=rig.clock, settings=rig.settings, subscriptions=scene.subscriptions
            )
            await scene.tell(*(a_message(now) for _ in range(1100)))
            await scene.all_told()
            await rig.put(*(a_parcel(rig.clock, receiver.url) for _ in range(600)))
            await until(lambda: rig.courier.delivered == 600)
            waiting = a_parcel(rig.clock, receiver.url, subscription="later", due_at=now + timedelta(days=9))
            await rig.put(waiting)

            assert await retention.clean() == 0
            rig.clock.advance(24 * 3600)
            assert await retention.clean() == 0  # exactly at its age nothing goes yet
            rig.clock.advance(1)
            assert await retention.clean() == 1700
            assert await rig.database.read(lambda reader: reader.value(EVENTS)) == 0
            assert await rig.database.read(queue.counts) == {"waiting": 1, "delivered": 0, "dead": 0}

    asyncio.run(run())


def test_the_clean_up_runs_by_itself_every_minute(tmp_path: Path) -> None:
    """From its start on, until it is stopped."""

    async def run() -> None:
        async with staged(tmp_path, event_retention_hours=1) as scene:
            rig = scene.rig
            retention = Retention(
                database=rig.database, clock=rig.clock, settings=rig.settings, subscriptions=scene.subscriptions
            )
            await scene.tell(a_message(rig.clock.now()))
            await scene.all_told()
            await retention.start()
            await asyncio.sleep(0.05)
            rig.clock.advance(3660)

            async def gone() -> bool:
                return not await rig.database.read(lambda reader: reader.value(EVENTS))

            await until(gone)
            await retention.stop()

    asyncio.run(run())
