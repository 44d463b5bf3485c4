"""Fixtures: a house of a test's own, and a server that the tests with SDKs share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import states
from tests.support.clickhouse import Served as ClickHouse
from tests.support.clickhouse import served as clickhouse_served
from tests.support.issuer import Issuer, issuing
from tests.support.stores import STORES, Place
from tests.support.world import World
from trunkline.library.served import Server, serve
from trunkline.services import access


def pytest_configure() -> None:
    """Let workers, and the processes that tests start, find our modules compiled: to do it anew takes a second each."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported and collected: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _one_signing_key() -> Iterator[None]:
    """Let every server of the run sign with one key: making one takes longer than most tests."""
    key = access.generate_key()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "generate_key", lambda: key)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_roots_of_the_system() -> Iterator[None]:
    """Let nobody read the system's certificates: a hundred and more, each time a server or a client starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the modules that say so run on either kind of database."""
    if states.runs_on_both(metafunc.definition.path):
        kinds = [states.SQLITE, states.POSTGRESQL]
        metafunc.parametrize("_state", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def _state(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the state of a module's tests on one kind of database."""
    with states.kept_on(getattr(request, "param", states.USUAL)):
        yield


def pytest_sessionfinish() -> None:
    """Stop what the run shared."""
    states.close()
    gc.unfreeze()  # else the engine complains at the very end of objects that nobody collects


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], ClickHouse]]:
    """Serve ClickHouse's engine to those who ask for it, one process for all."""
    with ExitStack() as stack:
        running: list[ClickHouse] = []

        def server() -> ClickHouse:
            if not running:
                running.append(stack.enter_context(clickhouse_served(tmp_path_factory.mktemp("clickhouse"))))
            return running[0]

        yield server


@pytest.fixture(scope="module", params=STORES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clickhouse: Callable[[], ClickHouse]
) -> Iterator[Any]:
    """Open each fact store in turn; the tests of a module share it."""
    with Place(request.param, tmp_path_factory.mktemp("facts"), clickhouse).opened() as opened:
        yield opened


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
    """Give a house on an empty folder with a clock that is turned by hand."""
    return make_world()


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Share one world among the tests of a module that leave it as it was."""
    world = World(tmp_path_factory.mktemp("shared") / "world")
    yield world
    world.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the real server over TLS, for the whole run."""
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Run an OpenID issuer on loopback."""
    with issuing() as running:
        yield running
