"""`trunkline backup`: the copy is where the user wants it, whole."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from trunkline.cli import backup
from trunkline.errors import UnavailableError


def test_a_backup_goes_where_it_should_and_can_be_started(shared: Any, tmp_path: Path) -> None:
    """Or stays in the data folder; nothing is left over elsewhere."""
    place = tmp_path / "copy"
    done = shared.run("backup", str(place))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{place}  ")
    assert f"serve --data {place}" in done.stderr
    assert {file.name for file in place.iterdir()} == {"state.sqlite", "facts.duckdb", "tls"}
    assert list((shared.data / "backups").iterdir()) == []
    made = json.loads(shared.run("backup", "--json").stdout)
    assert Path(made["folder"]) == shared.data / "backups" / made["name"]
    assert made["bytes"] == sum(file.stat().st_size for file in Path(made["folder"]).rglob("*") if file.is_file())


def test_a_backup_is_never_written_over_anything(shared: Any, tmp_path: Path) -> None:
    """Each refusal says what to do instead, before anything is copied."""
    for place, sentence in ((tmp_path, "is there already"), (tmp_path / "a" / "b", "There is no folder")):
        done = shared.run("backup", str(place))
        assert (done.returncode, done.stdout) == (2, "")
        assert sentence in done.stderr


def test_a_backup_is_brought_to_another_disk_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be renamed it is copied, and has its name only when all of it is there."""
    made, place = tmp_path / "made", tmp_path / "disk"
    (made / "tls").mkdir(parents=True)
    (made / "tls" / "key").write_text("k")
    rename = Path.rename

    def elsewhere(one: Path, other: Path) -> Path:
        if one == made:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(one, other)

    monkeypatch.setattr(Path, "rename", elsewhere)
    backup.move(made, place)
    assert (place / "tls" / "key").read_text() == "k"
    assert [one.name for one in tmp_path.iterdir()] == ["disk"]
    with pytest.raises(UnavailableError, match="cannot be brought"):
        backup.move(made, place)
