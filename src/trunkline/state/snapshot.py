"""A moment of the state, copied into a file while the state goes on changing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from trunkline.errors import UnavailableError

_PAGES = 4096


class Snapshot:
    """What a SQLite file holds at the moment when this is made; `close` lets go of it.

    Raises UnavailableError when the file cannot be read.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on nothing changes
        except sqlite3.Error as error:
            raise UnavailableError(f"The state cannot be read now: {error}.") from error

    def copy(self, file: Path, check: Callable[[], None]) -> None:
        """Copy it into a new file that only its owner can read; for a thread.

        `check` is called now and then, and what it raises ends the copy. Raises UnavailableError.
        """
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(file)) as copy:
                copy.execute("PRAGMA synchronous = OFF")  # whoever asked for the copy brings it to the disk
                self._connection.backup(copy, pages=_PAGES, progress=lambda *_: check())
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"The state cannot be copied now: {error}.") from error

    def close(self) -> None:
        """Let go of it, so that the file's log can be emptied again."""
        self._connection.close()
