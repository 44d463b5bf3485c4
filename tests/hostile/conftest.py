"""A house for each test to attack; the webhook handshakes of valid requests fail at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile.scene import LARGEST_BODY, Scene
from tests.support.world import World
from trunkline.apis.azure import event_grid


class Log(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.records.append(record)


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    """Keep what the server logs, from INFO on."""
    logger, handler = logging.getLogger("trunkline"), Log()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler.records
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def scene(
    make_world: Callable[..., World], log: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Scene]:
    """Give a house; when the test ends it still has to stand, with everything measured."""
    monkeypatch.setattr(event_grid, "PATIENCE_S", 0.01)
    world = make_world(
        max_body_bytes=LARGEST_BODY,
        private_webhooks="allow",
        auth_mode="development",
        log_destinations=(f"logs={tmp_path / 'logs'}",),
    )
    made = Scene(world, log)
    yield made
    made.check_that_it_stands()
