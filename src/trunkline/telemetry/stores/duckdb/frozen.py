"""The file as a checkpoint left it, copied while facts come in.

The engine writes into a block that a checkpoint refers to only after the next checkpoint. So as long as none comes,
what was there can be read piece by piece, whatever else goes into the file and its log meanwhile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb

from trunkline.errors import UnavailableError
from trunkline.telemetry.stores.duckdb.trouble import first_line

_PIECE = 8 * 1024 * 1024


class Frozen:
    """What the file held when it was frozen; `release` lets checkpoints come again.

    `descriptor` is the store's own and stays open as long as the engine has the file: to close one of the same file
    would end the engine's lock on it. `marks` are those of the sources that were loaded.
    """

    def __init__(self, descriptor: int, marks: dict[str, int], release: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._marks = marks
        self._release = release
        self._lock = threading.Lock()
        self._is_broken = False

    def shatter(self) -> None:
        """Hear that the file is closed: what was not copied yet is gone, and nobody reads it any more."""
        with self._lock:
            self._is_broken = True

    def copy(self, file: Path, check: Callable[[], None]) -> None:
        """Copy it into a new file that only its owner can read, and see that it is sound; for a thread.

        `check` is called now and then, and what it raises ends the copy. Raises UnavailableError.
        """
        try:
            out = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                for place in range(0, self._size, _PIECE):
                    check()
                    piece = memoryview(self._read(place))
                    while piece:
                        piece = piece[os.write(out, piece) :]
            finally:
                os.close(out)
        except OSError as error:
            raise UnavailableError(f"The fact store cannot be copied now: {error.strerror}.") from error
        self._prove(file)

    def _read(self, place: int) -> bytes:
        with self._lock:
            if self._is_broken:
                raise UnavailableError("The fact store was closed while it was copied; try again.")
            return os.pread(self._descriptor, min(_PIECE, self._size - place), place)

    def _prove(self, file: Path) -> None:
        """Open the copy and see that it stands where the store stood."""
        try:
            with duckdb.connect(str(file), read_only=True) as copy:
                found = dict(copy.execute("SELECT process, max(number) FROM loaded GROUP BY 1").fetchall())
        except duckdb.Error as error:
            raise UnavailableError(f"The copy of the fact store is not sound: {first_line(error)}.") from error
        if found != self._marks:
            raise UnavailableError("The copy of the fact store is not of the moment that was meant; try again.")

    def release(self) -> None:
        """Let checkpoints come again; a second call does nothing."""
        release, self._release = self._release, _nothing
        release()


def _nothing() -> None:
    """Do nothing."""
