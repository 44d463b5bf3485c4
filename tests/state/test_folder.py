"""The data folder: private, and one process's at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trunkline.errors import ConfigurationError
from trunkline.state.folder import Folder


def mode(path: Path) -> int:
    """Return a path's permissions."""
    return path.stat().st_mode & 0o777


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Whether it was missing or empty, nobody else looks into it."""
    (tmp_path / "empty").mkdir(mode=0o755)
    for name in ("missing", "empty"):
        folder = Folder(tmp_path / name)
        folder.hold()
        assert mode(folder.path) == 0o700
        assert mode(folder.path / "lock") == 0o600
        folder.release()


def test_a_folder_with_foreign_things_keeps_its_permissions(tmp_path: Path) -> None:
    """Someone may point at a folder that others use; locking them out is not ours to decide."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    (tmp_path / "shared" / "letter").write_text("hello")
    folder = Folder(tmp_path / "shared")
    folder.hold()
    assert mode(folder.path) == 0o755
    folder.release()


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The second is told so, takes no harm, and gets it after the first."""
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.hold()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=f"Another Trunkline is using the data folder {tmp_path}"):
            second.hold()
    first.release()
    second.hold()
    second.release()


def test_releasing_twice_closes_nothing_of_others(tmp_path: Path) -> None:
    """The descriptor's number may be someone else's by then."""
    folder = Folder(tmp_path)
    folder.hold()
    folder.release()
    taken = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    folder.release()
    os.write(taken, b"still open")
    os.close(taken)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """The error says what stands in the way."""
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match="data cannot be used: File exists"):
        Folder(tmp_path / "data").hold()


def test_a_temporary_folder_goes_with_its_release() -> None:
    """Nothing stays of an ephemeral server."""
    folder = Folder.temporary()
    folder.hold()
    (folder.path / "state.sqlite").write_text("x")
    folder.release()
    assert not folder.path.exists()
