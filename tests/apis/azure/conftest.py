"""The control plane's world, made anew for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apis.azure.world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds with settings of their own; each is closed in the end."""
    made: list[World] = []
    with asyncio.Runner() as runner:

        def make(**given: Any) -> World:
            folder = tmp_path / str(len(made))
            folder.mkdir()
            made.append(World(folder, runner, **given))
            return made[-1]

        yield make
        for world in made:
            world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Make a world in development mode."""
    return make_world()
