"""Backups: the data folder as it was at one moment, made while the server runs.

The cut is made in the thread that loads facts: between two loads the fact store is frozen, then the state's snapshot is
taken. What was acknowledged by then is in one of them, a fact that waits in the inbox is in the state's copy alone, and
the fact store's marks say so: it is loaded once, when the copy is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from trunkline.clock import Clock, monotonic
from trunkline.durable import put_in_place
from trunkline.errors import ConflictError, UnavailableError
from trunkline.services import support_files
from trunkline.state.database import Database
from trunkline.state.snapshot import Snapshot
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.recorder import Recorder
from trunkline.telemetry.store import Frozen, Store

_log = logging.getLogger(__name__)
FOLDER = "backups"
UNFINISHED = ".unfinished"
_MARGIN = 1.1
FILES = support_files.FOLDER
STATE, FACTS, TLS = "state.sqlite", "facts.duckdb", "tls"


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A data folder's copy: its name, where it is, its size, and how many seconds it took."""

    name: str
    folder: str
    bytes: int
    seconds: float


class Backups:
    """Makes copies in `backups` of the data folder, one at a time; what was not finished goes at the start."""

    def __init__(
        self, folder: Path, database: Database, loader: Loader, recorder: Recorder, store: Store, clock: Clock
    ) -> None:
        self._folder = folder
        self._database = database
        self._loader = loader
        self._recorder = recorder
        self._store = store
        self._clock = clock
        self._stopped = threading.Event()
        self._task: asyncio.Task[Backup] | None = None

    def open(self) -> None:
        """Remove what a server that was killed left unfinished."""
        for left in (self._folder / FOLDER).glob(f"*{UNFINISHED}"):
            shutil.rmtree(left, ignore_errors=True)

    async def stop(self) -> None:
        """End the copy that is under way, if there is one; nothing of it stays."""
        self._stopped.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def make(self) -> Backup:
        """Copy the folder as it is now and return once the copy is whole and on the disk.

        It goes on although who asked has left. Raises ConflictError while another is made or where the state is
        elsewhere, UnavailableError when the disk does not allow it or the server stops.
        """
        if self._task is not None and not self._task.done():
            raise ConflictError("A backup is being made already.")
        self._task = asyncio.create_task(self._work())
        return await asyncio.shield(self._task)

    async def _work(self) -> Backup:
        await self._recorder.settled()
        frozen, snapshot = await self._loader.between(self._cut)
        return await asyncio.to_thread(self._make, frozen, snapshot)

    def _cut(self) -> tuple[Frozen, Snapshot]:
        frozen = self._store.freeze()
        try:
            return frozen, self._database.snapshot()
        except BaseException:
            frozen.release()
            raise

    def _make(self, frozen: Frozen, snapshot: Snapshot) -> Backup:
        began = monotonic()
        with ExitStack() as stack:
            stack.callback(snapshot.close)
            stack.callback(frozen.release)
            try:
                self._check_space()
                place = self._place()
                unfinished = place.with_name(place.name + UNFINISHED)
                unfinished.mkdir(mode=0o700)
                stack.callback(shutil.rmtree, unfinished, ignore_errors=True)
                snapshot.copy(unfinished / STATE, self._check)
                snapshot.close()
                frozen.copy(unfinished / FACTS, self._check)
                frozen.release()
                if (self._folder / TLS).is_dir():
                    shutil.copytree(self._folder / TLS, unfinished / TLS)
                _copy_files(self._folder / FILES, unfinished / FILES, self._check)
                put_in_place(unfinished, place)
            except OSError as error:
                raise UnavailableError(f"The backup cannot be written: {error.strerror}.") from error
        size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
        made = Backup(name=place.name, folder=str(place), bytes=size, seconds=round(monotonic() - began, 3))
        _log.info("made the backup %s: %d bytes in %.1f s", place, made.bytes, made.seconds)
        return made

    def _place(self) -> Path:
        """Return where the next one goes: named by the moment."""
        folder = self._folder / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{self._clock.now():%Y-%m-%dT%H-%M-%SZ}"
        return next(place for number in range(1000) if not (place := folder / _numbered(name, number)).exists())

    def _check_space(self) -> None:
        """See that a copy leaves the server space to go on: raises UnavailableError."""
        files = (file for name in (f"{STATE}*", f"{FACTS}*", f"{FILES}/*") for file in self._folder.glob(name))
        needed = round(sum(file.stat().st_size for file in files) * _MARGIN)
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise UnavailableError(
                f"A backup needs {needed / 2**20:.0f} MiB, and {free / 2**20:.0f} MiB are free beside the data folder."
            )

    def _check(self) -> None:
        if self._stopped.is_set():
            raise UnavailableError("The server stops; the backup was not finished.")


def _copy_files(source: Path, target: Path, check: Callable[[], None]) -> None:
    """Copy files that are never changed, only removed: one that is gone meanwhile is left out. Raises OSError."""
    if not source.is_dir():
        return
    target.mkdir(mode=0o700)
    for file in source.iterdir():
        check()
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(file, target / file.name)


def _numbered(name: str, number: int) -> str:
    return f"{name}-{number + 1}" if number else name
