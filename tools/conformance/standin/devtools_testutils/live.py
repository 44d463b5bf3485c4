"""Whether tests are live, and what marks a test as one that could be recorded."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .signatures import trim_kwargs_from_test_function


def is_live() -> bool:
    """Say whether tests speak to a server, by the variable that the SDK repository uses too."""
    return os.environ.get("AZURE_TEST_RUN_LIVE", "").lower() in {"true", "yes", "1"}


def is_live_and_not_recording() -> bool:
    """Say the same: nothing is ever recorded here."""
    return is_live()


def recorded_by_proxy(*functions: Callable[..., Any], **_options: Any) -> Callable[..., Any]:
    """Mark a test as recordable, bare or with options; it runs as it is."""
    if not functions:
        return recorded_by_proxy
    [function] = functions

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        trim_kwargs_from_test_function(function, kwargs)
        return function(*args, **kwargs)

    return run


@pytest.fixture(scope="session")
def test_proxy() -> Iterator[None]:
    """Stand where the recording proxy is started for a session; live tests need none."""
    return iter([None])
