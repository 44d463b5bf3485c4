"""Where log tables are written to: folders, and blobs of storage accounts, by the names that settings have for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from trunkline.clock import Clock
from trunkline.delivery.blobs import Blobs, account_of
from trunkline.errors import ConfigurationError, InvalidError, UnavailableError

ANY = "*"


class Destination(Protocol):
    """Takes bytes of named files."""

    @property
    def name(self) -> str:
        """What it is, for messages."""
        ...

    async def append(self, container: str, name: str, position: int, content: bytes) -> int:
        """Append bytes at a position and return where they end; bytes that are there are not appended again.

        If the file was taken away, they are appended to what there is. Raises UnavailableError.
        """
        ...

    async def stop(self) -> None:
        """Let go of what it holds."""
        ...


class FolderDestination:
    """A folder, with a folder in it for each container."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return f"the folder {self._folder}"

    async def append(self, container: str, name: str, position: int, content: bytes) -> int:
        """Append bytes at a position; a file is cut there first, because a crash may have left a part of them."""
        try:
            return await asyncio.to_thread(self._append, self._folder / container / name, position, content)
        except OSError as error:
            raise UnavailableError(f"{self.name} cannot be written: {error.strerror}.") from error

    def _append(self, file: Path, position: int, content: bytes) -> int:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as out:
            position = min(position, out.seek(0, os.SEEK_END))
            out.truncate(position)
            out.seek(position)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        return position + len(content)

    async def stop(self) -> None:
        """Hold nothing."""


class Destinations:
    """The destinations by the names of storage accounts; `*` stands for every other name."""

    def __init__(self, given: Mapping[str, Destination]) -> None:
        self._given = given

    @classmethod
    def of_settings(cls, texts: Sequence[str], clock: Clock) -> Destinations:
        """Read `name=connection string` and `name=folder`; raises ConfigurationError that shows no key."""
        found: dict[str, Destination] = {}
        for text in texts:
            name, _, what = (part.strip() for part in text.partition("="))
            if not name or not what:
                raise ConfigurationError(
                    "The setting log_destinations has entries name=connection string or name=folder."
                )
            is_account = "accountname=" in what.lower() or "usedevelopmentstorage=" in what.lower()
            found[name.lower()] = Blobs(account_of(what), clock) if is_account else FolderDestination(Path(what))
        return cls(found)

    def named(self, name: str) -> Destination:
        """Return the destination of a storage account's name; raises InvalidError if there is none."""
        found = self._given.get(name.lower()) or self._given.get(ANY)
        if found is None:
            raise InvalidError(
                f"There is no storage account {name[:60]!r}: the server's setting log_destinations says where logs go "
                f"({name[:60]}=connection string, or {name[:60]}=folder).",
                target="storageAccountId",
            )
        return found

    async def stop(self) -> None:
        """Let go of all."""
        for one in self._given.values():
            await one.stop()
