"""`trunkline support-files` against a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_files_are_added_listed_fetched_and_deleted(shared: Any, tmp_path: Path) -> None:
    """What is fetched is what was added, larger than one read; nothing is overwritten."""
    file, copy = tmp_path / "client.log", tmp_path / "copy.log"
    file.write_bytes(b"12:00:00 ICE failed\n" * 40_000)
    done = shared.run("support-files", "add", str(file), "--call-id", "call-of-cli")
    assert done.returncode == 0, done.stderr
    file_id = done.stdout.strip()
    (one,) = json.loads(shared.run("support-files", "list", "--call-id", "call-of-cli", "--json").stdout)
    assert (one["id"], one["name"], one["size"]) == (file_id, "client.log", 800_000)
    assert shared.run("support-files", "get", file_id, "--out", str(copy)).stdout == f"{copy}\n"
    assert copy.read_bytes() == file.read_bytes()
    again = shared.run("support-files", "get", file_id, "--out", str(copy))
    assert (again.returncode, again.stdout) == (1, "")
    assert "cannot be written" in again.stderr
    assert shared.run("support-files", "delete", file_id).stdout == f"{file_id} is gone.\n"
