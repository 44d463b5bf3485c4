"""Files and folders that are whole or not there: brought to the disk before they get their name."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path, *, deep: bool = True) -> None:
    """Bring a file, or a folder and (if `deep`) all that is in it, to the disk; raises OSError."""
    if deep and path.is_dir():
        for inner in path.iterdir():
            sync(inner)
    found = os.open(path, os.O_RDONLY)
    try:
        os.fsync(found)
    finally:
        os.close(found)


def put_in_place(made: Path, place: Path) -> None:
    """Give a folder its name once all of it is on the disk; raises OSError, also when there is something else."""
    sync(made)
    made.rename(place)
    for parent in {made.parent, place.parent}:
        sync(parent, deep=False)
