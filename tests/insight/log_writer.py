"""A process that writes logs until it kills itself in the middle of a write."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from tests.support.world import World
from trunkline.catalogue.facts import Request
from trunkline.insight.logs.destinations import Destinations, FolderDestination
from trunkline.insight.logs.settings import LogSetting

TABLE = "ACSChatIncomingOperations"
ROWS = 20


class Deadly(FolderDestination):
    """A folder that is the last thing that is written to."""

    async def append(self, container: str, name: str, position: int, content: bytes) -> int:
        """Append half of it, and die."""
        await super().append(container, name, position, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def main(folder: Path, out: Path) -> None:
    """Write the requests of an hour."""
    world = World(folder, log_destinations=(f"logs={out}",))
    setting = LogSetting(resource="trunkline", name="all", destination="logs", tables=(TABLE,))
    world.run(world.house.log_settings.put(setting))
    for number in range(ROWS):
        world.house.recorder.record(
            Request(
                happened_at=world.clock.now() + timedelta(seconds=number),
                resource="trunkline",
                service="chat",
                operation="SendChatMessage",
                status=200,
                status_class="2xx",
                ms_cv=f"{number}.0",
            )
        )
    world.house.log_export._destinations = Destinations({"logs": Deadly(out)})
    world.clock._now += timedelta(minutes=70)
    world.run(world.house.log_export.run())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
