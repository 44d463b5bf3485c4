"""What goes wrong with the file, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

import duckdb

# trouble of the disk or of the engine, rather than of a statement
_TROUBLE = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.ConnectionException,
)
# what the system says of a place that cannot be used; every other error of opening is the file's own
_OF_THE_PLACE = ("permission", "read-only", "space", "cannot open", "directory", "too large", "quota")


def is_trouble(error: Exception) -> TypeGuard[duckdb.Error]:
    """Tell whether the disk or the engine is to blame, and not a statement."""
    return isinstance(error, _TROUBLE) or type(error) is duckdb.Error  # a block that does not fit its checksum


def refusal(file: Path, reason: str) -> str:
    """Say why no server can start on a file, and what helps."""
    said = reason.replace(str(file), "").lower()
    what = f"The fact store {file} cannot be opened: {reason}."
    if "set lock" in said:
        return f"{what} End the program that has it open, or choose another data folder with --data."
    if any(word in said for word in _OF_THE_PLACE):
        return f"{what} Make it writable and free some space, or choose another data folder with --data."
    return (
        f"{what} It is damaged: restore the data folder from a backup; or move this file and its .wal aside, which "
        "loses the measurements in it and nothing else, for the server makes a new one."
    )


def first_line(error: Exception) -> str:
    """Return what an error says first."""
    return str(error).strip().splitlines()[0].rstrip(".!")
