"""How much room the engine has: memory, and disk for questions that need more than that."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

LEAST_MB = 256
MOST_MB = 4096
TEMP_MB = 8192
"""How much disk questions may use, unless told otherwise."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def config(file: Path, memory_mb: int) -> dict[str, str | bool | int | float | list[str]]:
    """Return how the engine is opened on a file; a `memory_mb` of 0 is a quarter of the machine's, within bounds."""
    return {
        "memory_limit": f"{memory_mb or a_quarter(memory_of_machine())}MiB",
        "temp_directory": str(temporary(file)),
    }


def bound(temp_mb: int) -> str:
    """Return the statement that bounds the disk for questions: the engine heeds it only once it is open."""
    return f"SET max_temp_directory_size = '{temp_mb}MiB'"


def a_quarter(machine_mb: int) -> int:
    """Return a quarter of the machine's memory, from 256 to 4096 MiB."""
    return max(LEAST_MB, min(machine_mb // 4, MOST_MB))


def memory_of_machine() -> int:
    """Return how much memory (MiB) the machine has, or the container, where that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # "max" is no number: without a limit
        total = min(total, int(_CGROUP.read_text(encoding="ascii")))
    return total // 2**20


def temporary(file: Path) -> Path:
    """Return where questions put what does not fit into memory."""
    return file.with_suffix(".tmp")


def clear(file: Path) -> None:
    """Remove what the questions of a server that was killed left there."""
    rmtree(temporary(file), ignore_errors=True)


def log_bytes(file: Path) -> int:
    """Return the size of the log that is not in the file yet."""
    log = Path(f"{file}.wal")
    return log.stat().st_size if log.exists() else 0
