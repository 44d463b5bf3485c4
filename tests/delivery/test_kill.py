"""A courier that is killed between posting and writing down: nothing is lost."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from tests.delivery.rig import Heard, a_parcel, receiving, rigged, until

PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.delivery.rig import rigged
async def run():
    async with rigged(Path(sys.argv[1])):
        await asyncio.sleep(60)
asyncio.run(run())
"""


def test_a_parcel_is_posted_again_with_the_same_events_when_its_courier_was_killed(tmp_path: Path) -> None:
    """Kill -9 while the webhook holds its answer; another process posts the same body again."""

    async def run() -> None:
        async with receiving() as receiver:
            held = asyncio.Event()

            async def hold(_heard: Heard) -> web.Response:
                await held.wait()
                return web.Response()

            receiver.answer = hold
            async with rigged(tmp_path) as rig:
                await rig.courier.stop()
                await rig.put(a_parcel(rig.clock, receiver.url, event_ids=("e1",)))
            root = str(Path(__file__).parents[2])
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, str(tmp_path), env={**os.environ, "PYTHONPATH": root}
            )
            try:
                await until(lambda: receiver.heard)
            finally:
                process.send_signal(signal.SIGKILL)
                await process.wait()
            held.set()
            async with rigged(tmp_path) as rig:
                assert (await rig.find()).state in {"waiting", "delivered"}
                kept = await rig.until_attempts(1)
                first, second = receiver.heard
                assert first.body == second.body
                assert (kept.state, kept.event_ids) == ("delivered", ("e1",))

    asyncio.run(run())
