"""The data folder: made private, and held by one process at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from pathlib import Path
from shutil import rmtree

from trunkline.errors import ConfigurationError, HeldError


class Folder:
    """A data folder that this process holds until `release`."""

    def __init__(self, path: Path, *, temporary: bool = False) -> None:
        self.path = path.absolute()
        self._temporary = temporary
        self._lock = -1  # the descriptor while the folder is held

    @classmethod
    def temporary(cls) -> Folder:
        """Make a folder that goes with its release."""
        return cls(Path(tempfile.mkdtemp(prefix="trunkline-")), temporary=True)

    def hold(self) -> None:
        """Make the folder if need be, and lock it; raises ConfigurationError saying what stands in the way."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not any(self.path.iterdir()):
                self.path.chmod(0o700)  # it is ours from now on; a folder with foreign things in it is left as it is
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise HeldError(
                f"Another Trunkline is using the data folder {self.path}. Stop it, or choose another with --data."
            ) from error
        except OSError as error:
            os.close(lock)
            raise self._unusable(error) from error
        self._lock = lock

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"The data folder {self.path} cannot be used: {error.strerror}. Choose another with --data, or make it "
            "writable."
        )

    def release(self) -> None:
        """Let the next process have the folder; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._temporary:
            rmtree(self.path, ignore_errors=True)


def process_name(folder: Path) -> str:
    """Return the name of the process that holds a folder, made at its first start; raises ConfigurationError.

    It is kept beside the measurements that are known by it, and is no secret.
    """
    file = folder / "name"
    try:
        if not file.exists():
            fresh = folder / "name.new"
            fresh.write_text(secrets.token_hex(8))
            fresh.replace(file)
        return file.read_text().strip()[:40]
    except OSError as error:
        raise ConfigurationError(f"The file {file} cannot be used: {error.strerror}.") from error
