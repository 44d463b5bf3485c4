"""The pytest plugin of a conformance run: credentials without a tenant, and who really asked the server."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from .credentials import FakeTokenCredential
from .live import test_proxy

__all__ = ["test_proxy"]


class Ear:
    """Hears whether anything is sent to the server, by the interpreter's own audit events."""

    def __init__(self, port: int | None) -> None:
        self._port = port
        self.heard = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event (`http.client.send`, or `socket.connect` for what does without http.client)."""
        if event == "http.client.send":
            self.heard = self.heard or getattr(args[0], "port", None) == self._port
        elif event == "socket.connect":
            address = args[1]
            self.heard = self.heard or (isinstance(address, tuple) and address[1] == self._port)


class Listening:
    """Writes with each test whether the server was asked anything from its setup to its teardown."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        """Begin anew with each test."""
        self._ear.heard = False
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        """Note it before the last report of the test is made, which carries it into the results."""
        try:
            return (yield)
        finally:
            item.user_properties.append(("reached_server", "yes" if self._ear.heard else "no"))


def pytest_configure(config: pytest.Config) -> None:
    """Put the credential in place before the suites import it, and begin to listen."""
    # A suite that has no use for azure-identity may run without it; one that has fails by its own import.
    with contextlib.suppress(ModuleNotFoundError):
        identity = importlib.import_module("azure.identity")
        identity.DefaultAzureCredential = FakeTokenCredential  # type: ignore[attr-defined]
    ear = Ear(urlsplit(os.environ["CONFORMANCE_SERVER"]).port)
    sys.addaudithook(ear)
    config.pluginmanager.register(Listening(ear), "listening")
