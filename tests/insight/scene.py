"""What the tests of health share: requests that are answered minute by minute, and a look after each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.support.world import World
from trunkline.catalogue.facts import Request, status_class
from trunkline.insight.incidents import Incident
from trunkline.insight.watch import DELAY_S

MINUTE = timedelta(minutes=1)
EARLIER = timedelta(days=365)


def answer(world: World, many: int, status: int = 200, **given: Any) -> None:
    """Let so many requests be answered in the present minute."""
    now = world.clock.now()
    for number in range(many):
        row: dict[str, Any] = {
            "happened_at": now + timedelta(milliseconds=number),
            "resource": "trunkline",
            "service": "chat",
            "operation": "SendChatMessage",
            "ms_cv": world.ids.ms_cv(),
            "request_id": world.ids.guid(),
        }
        world.house.recorder.record(Request(**{**row, **given}, status=status, status_class=status_class(status)))


def pass_minute(world: World, good: int = 0, bad: int = 0, **given: Any) -> None:
    """Let requests be answered, of which some fail beyond retrying; then turn the clock by a minute, and look."""
    answer(world, good, **given)
    answer(world, bad, **{"status": 500, **given})
    world.clock.advance(60)
    look(world)


def look(world: World) -> None:
    """Look at every minute that has passed."""
    world.run(world.house.watch.look())


def begin(world: World) -> datetime:
    """Turn the clock to where a minute that has just begun is looked at next; returns its beginning."""
    now = world.clock.now()
    world.clock.advance(((DELAY_S - now.second) % 60) + 60)
    look(world)
    return world.clock.now()


def kept(world: World, *seen: str) -> list[Incident]:
    """List every incident, the oldest first; with names, as these resources see them."""
    moment = world.clock.now() - EARLIER
    found = world.run(world.house.incidents.since(moment, list(seen) if seen else None))
    return sorted(found, key=lambda one: (one.opened_at, one.service, one.resource))
