"""Requests to Trunkline's own API in a world of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.asgi import Answer
from tests.support.world import World
from trunkline.connection import Place

PLACE = Place(http="http://localhost:8080", https="https://localhost:8443")
Own = Callable[..., Answer]


@pytest.fixture
def own(world: World) -> Own:
    """Ask Trunkline's own API; with the default resource's API key unless told otherwise."""
    world.house.place = PLACE

    def ask(method: str, path: str, **given: Any) -> Answer:
        target = path if "?" in path else f"{path}?"
        if "token" not in given and "headers" not in given:
            given["token"] = world.house.resources.get("trunkline").api_key
        return world.call(method, f"/api/v1{target}", **given)

    return ask
