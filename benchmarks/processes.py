"""Processes that are measured: started, held still while others are measured, asked for the time they used."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.errors import CannotMeasureError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05


class Process:
    """One running program."""

    def __init__(self, name: str, running: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._running = running

    @property
    def has_ended(self) -> bool:
        """Tell whether it is over."""
        return self._running.poll() is not None

    def pause(self) -> None:
        """Hold it still: it takes no time until it is let go."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, kindly at first."""
        self.resume()
        self._signal(signal.SIGTERM)
        try:
            self._running.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._running.wait()

    def cpu_s(self) -> float:
        """Return the processor seconds that it and its children have used; 0 where nobody tells (Linux does)."""
        return sum(int(fields[11]) + int(fields[12]) for fields in self._stats()) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Return the memory that it and its children hold, in MB; 0 where nobody tells (Linux does)."""
        return sum(int(fields[21]) for fields in self._stats()) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _stats(self) -> Iterator[list[str]]:
        """Yield what the system tells of each of its processes: the fields after the name (proc(5), stat)."""
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it may end meanwhile
                fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[2]) == self._running.pid:
                    yield fields

    def _signal(self, number: int) -> None:
        if not self.has_ended:
            os.killpg(self._running.pid, number)


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a program until the block ends, from when it is ready on; raises CannotMeasureError when it never is."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = Process(
            name,
            subprocess.Popen(
                command,
                env=clean_environment() | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ),
            log,
        )
        try:
            _await(process, ready)
            yield process
        finally:
            process.stop()


def disk_mb(folder: Path) -> float:
    """Return how much the files of a folder take, in MB."""
    sizes = []
    for file in folder.rglob("*"):
        with suppress(OSError):  # it may go meanwhile
            sizes.append(file.stat().st_blocks * 512 if file.is_file() else 0)
    return sum(sizes) / 1e6


def clean_environment() -> dict[str, str]:
    """Leave out settings of a server that the caller may have in his environment: the defaults are measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether someone takes connections on a port of loopback."""
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _await(process: Process, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.has_ended or time.monotonic() > deadline:
            tail = "\n".join(process.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
            raise CannotMeasureError(f"{process.name} did not start:\n{tail}")
        time.sleep(_POLL_S)
