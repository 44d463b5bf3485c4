"""The command line as a user has it: processes of their own, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import forked

PATIENCE_S = 30.0
Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]


def environment() -> dict[str, str]:
    """Return the environment without settings of another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}


def run(*words: str, env: Mapping[str, str] | None = None) -> Done:
    """Run `trunkline` with these words to its end."""
    return forked.run(words, environment() | dict(env or {}), PATIENCE_S)


def run_alone(*words: str) -> Done:
    """Run it as a shell does: in a process that starts from nothing."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "trunkline", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment(),
    )


@dataclass
class Launched:
    """A server in a process of its own; its output goes to files in `folder`."""

    folder: Path
    words: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.out, self.log = self.folder / "out.txt", self.folder / "log.txt"
        words = ["serve", "--data", str(self.data), "--http-port", "0", "--https-port", "0", *self.words]
        with self.out.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "trunkline", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment() | self.env,
            )

    def wait(self) -> Launched:
        """Wait until it has printed how to connect."""
        deadline = time.monotonic() + PATIENCE_S
        while "prints this again" not in self.out.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return how the process ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def run(self, *words: str) -> Done:
        """Run a command about this server."""
        return run(*words, "--data", str(self.data))

    def connection(self, account: str = "") -> dict[str, Any]:
        """Return what `trunkline connection --json` prints."""
        done = self.run("connection", "--json", *(("--account", account) if account else ()))
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def get(self, path: str, key: str = "") -> Any:
        """Get a path over plain HTTP and return the open answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"{self.connection()['http']}{path}"
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - http, as our own program says
        return urllib.request.urlopen(asked, timeout=PATIENCE_S)  # noqa: S310 - the same


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Launch servers of the test's own on one data folder; they are killed when it ends."""
    launched: list[Launched] = []

    def begin(*words: str, **env: str) -> Launched:
        launched.append(Launched(tmp_path, words, env))
        return launched[-1]

    yield begin
    for one in launched:
        one.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """Run a server with demo traffic that the tests of a module share."""
    launched = Launched(tmp_path_factory.mktemp("shared"), ("--demo",)).wait()
    yield launched
    assert launched.stop() == 0, launched.log.read_text()


@pytest.fixture
def trunkline() -> Command:
    """Give the command, run to its end."""
    return run
