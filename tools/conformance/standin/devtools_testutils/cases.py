"""The classes that the suites' test classes descend from, and what fills their arguments."""

import functools
import os
import secrets
from collections.abc import Callable
from typing import Any

from .credentials import FakeTokenCredential, get_credential
from .live import is_live
from .signatures import trim_kwargs_from_test_function


class AzureRecordedTestCase:
    """A test class whose tests are live."""

    @property
    def is_live(self) -> bool:
        """Whether tests speak to a server."""
        return is_live()

    def is_playback(self) -> bool:
        """Say whether recordings are played instead."""
        return not is_live()

    def get_credential(self, _client_class: Any = None, **options: Any) -> FakeTokenCredential:
        """Give the credential that a client is made with."""
        return get_credential(**options)

    def create_random_name(self, prefix: str) -> str:
        """Make a name that no earlier run has used."""
        return prefix + secrets.token_hex(4)

    get_resource_name = create_random_name


AzureTestCase = AzureRecordedTestCase


class PowerShellPreparer:
    """Fills a test's keyword arguments from environment variables of the same name in capitals.

    `prefix` is the original's, for the script that would create the resources; `defaults` says which
    arguments there are and what they are without a variable.
    """

    def __init__(self, _prefix: str, **defaults: str) -> None:
        self._defaults = defaults

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a test method; pytest sees one without parameters, so it looks for no fixtures."""

        @functools.wraps(function)
        def run(case: Any) -> Any:
            kwargs = {name: os.environ.get(name.upper(), text) for name, text in self._defaults.items()}
            trim_kwargs_from_test_function(function, kwargs)
            return function(case, **kwargs)

        # functools.wraps leaves a trail to the original's signature, which pytest would follow.
        del run.__wrapped__
        return run


EnvironmentVariableLoader = PowerShellPreparer
