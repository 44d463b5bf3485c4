"""A server that is killed while it watches: the next one goes on with the minute that came, and counts each once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.insight.scene import begin, kept, look, pass_minute
from tests.support.world import World
from trunkline.insight import watch

MINUTES = 7
MOMENTS = ("after the look", "before anything is written")


def live(folder: str, moment: str) -> None:
    """Watch an outage, and be killed in its seventh minute."""
    world = World(Path(folder))
    begin(world)
    for _ in range(MINUTES - 1):
        pass_minute(world, good=6, bad=4)
    if moment == MOMENTS[1]:
        watch.keep = _die  # type: ignore[assignment]
    pass_minute(world, good=6, bad=4)
    _die()


def _die(*_given: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_watch_goes_on_where_it_was(tmp_path: Path, moment: str) -> None:
    """No minute is counted twice, none is left out; and the incident is told once."""
    program = "import sys; from tests.insight.test_kill import live; live(*sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), moment], check=False, timeout=60)  # noqa: S603
    assert done.returncode == -signal.SIGKILL
    world = World(tmp_path, seed=8)
    try:
        world.clock.advance(70 + MINUTES * 60)
        look(world)
        assert {(one.requests, one.failures) for one in kept(world)} == {(MINUTES * 10, MINUTES * 4)}
        pass_minute(world, good=6, bad=4)
        assert {(one.requests, one.failures) for one in kept(world)} == {((MINUTES + 1) * 10, (MINUTES + 1) * 4)}
        opened = [event for event in world.happenings() if event.name == "health.incident.opened"]
        assert sorted(event.facts["scope"] for event in opened) == ["resource", "server"]
    finally:
        world.close()
