"""Disks of a test's own that can be filled while a server runs on them, and emptied again."""

from __future__ import annotations

import os
import resource
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.life import Life

_SIZE = "24m"
_SMALL_FILE = 16 * 1024
_PIECE = bytes(64 * 1024)


class Disk(ABC):
    """Where a data folder lies."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def fill(self, life: Life) -> None:
        """Leave a running server no space."""

    @abstractmethod
    def free(self, life: Life) -> None:
        """Give it space again."""


class Quota(Disk):
    """A folder whose server may not write beyond a size in any file: what fails is the write, as on a full disk."""

    def fill(self, life: Life) -> None:
        """Limit the process."""
        _, hard = resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE, (_SMALL_FILE, hard))

    def free(self, life: Life) -> None:
        """Lift the limit."""
        _, hard = resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


class Volume(Disk):
    """A small file system in memory, which a ballast fills to its last byte."""

    def fill(self, _life: Life | None = None) -> None:
        """Write ballast until nothing fits, and sooner than the server can take what is left."""
        piece = _PIECE
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            while piece:
                try:
                    ballast.write(piece)
                except OSError:
                    piece = piece[: len(piece) // 2]

    def free(self, _life: Life | None = None) -> None:
        """Throw the ballast away."""
        (self.path / "ballast").unlink()

    def protect(self) -> None:
        """Let nobody write, not even root."""
        _run("mount", "-o", "remount,ro", str(self.path))


@contextmanager
def volume(path: Path) -> Iterator[Volume]:
    """Mount a small file system; the test is skipped where that is not allowed."""
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("the right to mount a file system")
    _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "trunkline-test", str(path))
    try:
        yield Volume(path)
    finally:
        _run("umount", "--lazy", str(path))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - the system's own programs
