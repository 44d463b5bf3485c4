"""One life of the server: a process on a data folder that can be frozen, looked at, let go on, and killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from trunkline import connection
from trunkline.clock import monotonic
from trunkline.connection import Connection

PATIENCE_S = 60.0
_READY = "prints this again"
# where SQLite locks its shared memory file while somebody writes, and how the system describes a lock
_WRITE_LOCK_BYTE = 120
_LOCK = "hhqqi0q"


def environment() -> dict[str, str]:
    """Return the environment without settings of another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}


class Life:
    """`trunkline serve` on a data folder and free ports; what it logs is appended to `log`.

    With a speed (`fast`) it is in a hurry, see `tests.support.hasty`; `more` goes into its environment.
    """

    def __init__(
        self, data: Path, log: Path, *words: str, fast: float | None = None, more: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.log = log
        self._out = log.with_suffix(".out")
        program = ["trunkline"] if fast is None else ["tests.support.hasty", str(fast)]
        command = [sys.executable, "-m", *program, "serve", "--data", str(data)]
        with self._out.open("wb") as out, log.open("ab") as lines:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, "--http-port", "0", "--https-port", "0", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=lines,
                env=environment() | dict(more or {}),
            )

    async def ready(self) -> Connection:
        """Wait until it has said how to connect, and return that."""
        deadline = monotonic() + PATIENCE_S
        while _READY not in self._out.read_text(encoding="utf-8"):
            assert self.process.poll() is None, f"it ended by itself: {self.log.read_text(encoding='utf-8')}"
            assert monotonic() < deadline, "it is not ready in time"
            await asyncio.sleep(0.01)
        return next(iter(connection.read(self.data).accounts.values()))

    async def ended(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)

    def freeze(self) -> None:
        """Stop every thread where it is; returns when all stand."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it where it is, frozen or not: no instruction of it runs any more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def writes(self) -> bool:
        """Tell whether it is inside a transaction that writes: whether it holds the state's write lock now."""
        with (self.data / "state.sqlite-shm").open("rb") as memory:
            asked = struct.pack(_LOCK, fcntl.F_RDLCK, os.SEEK_SET, _WRITE_LOCK_BYTE, 1, 0)
            kind, *_ = struct.unpack(_LOCK, fcntl.fcntl(memory, fcntl.F_GETLK, asked))
        return bool(kind == fcntl.F_WRLCK)
