"""`trunkline support-files` and `trunkline bundle` against a running server."""

from __future__ import annotations

import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.customer import visiting
from trunkline.cli.main import app
from trunkline.errors import InvalidError, UnavailableError
from trunkline.library.served import Server


def test_files_are_added_listed_fetched_packed_and_deleted(served: Server, tmp_path: Path) -> None:
    """What is fetched is what was added, larger than one read; nothing is overwritten."""
    file, copy, packed = tmp_path / "client.log", tmp_path / "copy.log", tmp_path / "bundle.zip"
    file.write_bytes(b"12:00:00 ICE failed\n" * 20_000)
    with visiting(served, "of-files") as customer:
        server = ("--url", served.connection.http, "--api-key", customer.resource.api_key)

        def run(*words: Any) -> Any:
            return CliRunner().invoke(app, [*map(str, words), *server])

        file_id = run("support-files", "add", file, "--call-id", "call-of-cli").stdout.strip()
        listed = run("support-files", "list", "--call-id", "call-of-cli").stdout
        assert listed.startswith(f"{file_id}\t")
        assert listed.endswith("\tcall-of-cli\t400000\tclient.log\n")
        assert run("support-files", "get", file_id, "--out", copy).stdout == f"{copy}\n"
        assert copy.read_bytes() == file.read_bytes()
        for words in (("support-files", "get", file_id), ("bundle", "call-of-cli")):
            assert isinstance(run(*words, "--out", copy).exception, InvalidError)
        assert run("bundle", "call-of-cli", "--out", packed, "--without-numbers").stdout == f"{packed}\n"
        with zipfile.ZipFile(packed) as made:
            assert made.read(f"support-files/{file_id}-client.log") == file.read_bytes()
        assert run("support-files", "delete", file_id).stdout == f"{file_id} is gone.\n"
        assert run("support-files", "list").stdout == ""


def test_what_comes_through_a_pipe_is_added_too(served: Server, tmp_path: Path) -> None:
    """Nobody knows before how much it is."""
    pipe, copy = tmp_path / "client.log", tmp_path / "copy.log"
    os.mkfifo(pipe)
    with visiting(served, "of-pipes") as customer:
        server = ("--url", served.connection.http, "--api-key", customer.resource.api_key)
        writer = threading.Thread(target=pipe.write_bytes, args=(b"12:00:00 ICE failed\n" * 20_000,), daemon=True)
        writer.start()
        words = ["support-files", "add", str(pipe), "--call-id", "call-of-pipes"]
        done = CliRunner().invoke(app, [*words, *server])
        assert done.exit_code == 0, done.exception
        words = ["support-files", "get", done.stdout.strip(), "--out", str(copy)]
        assert CliRunner().invoke(app, [*words, *server]).exit_code == 0
    assert copy.stat().st_size == 400_000


@pytest.mark.parametrize("kept", [None, 0, 100, 300_000])
def test_a_file_that_does_not_come_to_its_end_is_not_there(served: Server, tmp_path: Path, kept: int | None) -> None:
    """It can be fetched again, to the same place; whether none of it came or much."""
    file, copy = tmp_path / "client.log", tmp_path / "copy.log"
    file.write_bytes(f"{kept} ICE failed\n".encode() * 40_000)
    with visiting(served, "of-broken-files") as customer:
        server = ("--url", served.connection.http, "--api-key", customer.resource.api_key)

        def run(*words: Any) -> Any:
            return CliRunner().invoke(app, ["support-files", *map(str, words), *server])

        file_id = run("add", file, "--call-id", "call-of-broken").stdout.strip()
        (place,) = served.house.folder.path.rglob(file_id)
        if kept is None:
            place.unlink()
        else:
            os.truncate(place, kept)
        done = run("get", file_id, "--out", copy)
        assert isinstance(done.exception, UnavailableError), (done.exception, done.output)
        assert not copy.exists()
        place.write_bytes(file.read_bytes())
        assert run("get", file_id, "--out", copy).stdout == f"{copy}\n"
        assert copy.read_bytes() == file.read_bytes()
