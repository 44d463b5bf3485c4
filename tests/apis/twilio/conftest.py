"""Insights in a world of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.insights import HOST, Insights
from tests.support.world import World


@pytest.fixture
def insights(make_world: Callable[..., World]) -> Insights:
    """Give a world that answers to the original's name."""
    return Insights(make_world(host_names=(HOST,)))
