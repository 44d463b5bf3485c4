"""Stands for the SDK repository's private test package of this name: live tests only, nothing recorded.

Written from how the released suites use it. The original records traffic and plays it back through a
proxy; here every test speaks to a real server, so whatever concerns recordings has no effect.
"""

from collections.abc import Callable
from typing import Any

from .cases import (
    AzureRecordedTestCase,
    AzureTestCase,
    EnvironmentVariableLoader,
    PowerShellPreparer,
)
from .credentials import get_credential
from .live import is_live, is_live_and_not_recording, recorded_by_proxy, test_proxy
from .signatures import trim_kwargs_from_test_function

__all__ = [
    "AzureRecordedTestCase",
    "AzureTestCase",
    "EnvironmentVariableLoader",
    "PowerShellPreparer",
    "get_credential",
    "is_live",
    "is_live_and_not_recording",
    "recorded_by_proxy",
    "test_proxy",
    "trim_kwargs_from_test_function",
]

ABOUT_RECORDINGS = ("add_", "remove_", "set_")


def __getattr__(name: str) -> Callable[..., None]:
    """Answer for the many functions that tell the recording proxy what to hide or how to compare."""
    if not name.startswith(ABOUT_RECORDINGS):
        raise AttributeError(name)

    def leave_recordings_alone(*_args: Any, **_kwargs: Any) -> None:
        """Do nothing: there is no recording."""

    return leave_recordings_alone
