"""Fixtures: a house of a test's own, and a server that the tests with SDKs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.issuer import Issuer, issuing
from tests.support.served import Served, serving
from tests.support.world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds with settings of the test's choice; they are closed when it ends."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        world = World(tmp_path / f"world-{len(made)}", **settings)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A house on an empty folder with a clock that is turned by hand."""
    return make_world()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The real server over TLS, shared by a whole run."""
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An OpenID issuer on loopback."""
    with issuing() as running:
        yield running
