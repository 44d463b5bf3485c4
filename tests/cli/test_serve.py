"""`trunkline serve`: one start, one stop, and every sentence in between."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import time
import urllib.error
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trunkline import certificates

Launch = Callable[..., Any]


def test_a_program_can_wait_until_the_server_is_ready(launch: Launch) -> None:
    """One command instead of a loop; without it the answer comes at once."""
    server = launch()
    assert server.run("connection", "--json").returncode != 0
    done = server.run("connection", "--json", "--wait", "30")
    assert done.returncode == 0
    assert json.loads(done.stdout)["connection_string"].startswith("endpoint=https://localhost:")


def test_when_the_file_is_there_the_server_is_reached_and_tells_everything(launch: Launch) -> None:
    """A program needs no more than the JSON: absolute paths, addresses without a slash at the end."""
    server = launch()
    deadline = time.monotonic() + 30
    while (done := server.run("connection", "--json")).returncode:
        assert "no server runs" in done.stderr.lower()
        assert time.monotonic() < deadline
    found = json.loads(done.stdout)
    server.wait()
    assert server.get("/readyz").status == 200
    assert (server.data / "connection.json").stat().st_mode & 0o777 == 0o600
    assert found["https"].startswith("https://localhost:")
    assert not found["https"].endswith("/")
    assert found["connection_string"] == f"endpoint={found['https']}/;accesskey={found['access_keys'][0]}"
    assert found["resource_id"].endswith("/communicationServices/trunkline")
    assert len(found["access_keys"]) == 2
    assert found["phone_numbers"] == ["+18005550199"]
    assert found["page_url"] == found["https"]
    for path in (found["ca_file"], *found["env"].values()):
        assert Path(path).is_absolute()
        assert Path(path).is_file()


def test_a_signal_ends_it_cleanly(launch: Launch) -> None:
    """The process ends with 0 and the connection file is gone."""
    server = launch("--demo").wait()
    assert server.stop(signal.SIGINT) == 0
    assert not (server.data / "connection.json").exists()
    assert "Traceback" not in server.log.read_text()
    done = server.run("connection")
    assert done.returncode == 1
    assert "trunkline serve" in done.stderr


def test_a_second_signal_ends_it_at_once(launch: Launch) -> None:
    """A request that hangs does not keep it."""
    server = launch(TRUNKLINE_GRACEFUL_TIMEOUT_S="30").wait()
    address = server.connection()["http"].removeprefix("http://")
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(b"POST /identities?api-version=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        began = time.monotonic()
        server.stop(signal.SIGTERM)
        assert time.monotonic() - began < 20
    assert not (server.data / "connection.json").exists()


def test_the_file_of_a_killed_server_is_recognised(launch: Launch) -> None:
    """It is called left over, and the next start replaces it and keeps the keys."""
    server = launch().wait()
    key = server.connection()["access_keys"][0]
    server.stop(signal.SIGKILL)
    done = server.run("connection", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "left over" in done.stderr
    assert launch().wait().connection()["access_keys"][0] == key


def test_a_taken_port_is_named_with_its_remedy(launch: Launch) -> None:
    """One sentence, and nothing was begun."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = launch("--https-port", str(port))
        assert server.process.wait(30) == 2
    said = server.log.read_text()
    assert f"Port {port} on 127.0.0.1 is taken" in said
    assert "--https-port" in said
    assert said.count("\n") == 1
    assert not server.data.exists()


def test_a_second_server_on_the_same_folder_is_refused(launch: Launch) -> None:
    """The first one goes on."""
    first = launch().wait()
    second = launch()
    assert second.process.wait(30) == 2
    assert "Another Trunkline is using the data folder" in second.log.read_text()
    assert first.get("/readyz").status == 200


def test_an_ephemeral_server_leaves_nothing(launch: Launch) -> None:
    """Its folder goes with it."""
    server = launch("--ephemeral").wait()
    folder = Path(server.out.read_text().split("CA file")[1].split()[0]).parent.parent
    assert (folder / "state.sqlite").exists()
    assert server.stop() == 0
    assert not folder.exists()
    assert not server.data.exists()


def test_a_certificate_of_ones_own_is_shown_and_needs_no_variables(launch: Launch, tmp_path: Path) -> None:
    """The leaf comes from the files that are named."""
    made = certificates.ensure(tmp_path / "own", ["trunk.example"], datetime.now(UTC)).leaf
    server = launch(
        TRUNKLINE_CERTIFICATE_FILE=str(made.chain_file), TRUNKLINE_CERTIFICATE_KEY_FILE=str(made.key_file)
    ).wait()
    found = server.connection()
    assert (found["ca_file"], found["env"]) == ("", {})
    assert not (server.data / "tls").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--log-format", "xml"], "it can be text | json"),
        (["--public-url", "trunk.example"], "an address without a path"),
        (["--config", "/nowhere/trunkline.toml"], "cannot be read"),
        (["--trusted-proxy", "somewhere"], "no address or network"),
    ],
)
def test_a_wrong_setting_is_one_sentence(launch: Launch, words: list[str], sentence: str) -> None:
    """Never a traceback."""
    server = launch(*words)
    assert server.process.wait(30) == 2
    said = server.log.read_text()
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("name", "table"), [("state.sqlite", ""), ("state.sqlite", "resources"), ("facts.duckdb", "")])
def test_a_damaged_file_is_one_sentence(launch: Launch, name: str, table: str) -> None:
    """Which file, and what helps; also when only the rows of a table are damaged, which the start reads late."""
    server = launch().wait()
    assert server.stop() == 0
    file = server.data / name
    content = file.read_bytes()
    start, end = 8192, len(content)
    if table:
        with closing(sqlite3.connect(file)) as connection:
            asked = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
            end = asked.fetchone()[0] * 4096
            start = end - 4096
    file.write_bytes(content[:start] + b"\xa5" * (end - start) + content[end:])
    before = len(server.log.read_text())
    assert launch().process.wait(30) == 2
    said = server.log.read_text()[before:]
    assert name in said
    assert "damaged" in said
    assert "from a backup" in said
    assert said.count("\n") == 1


def test_the_printout_fits_one_screen(launch: Launch) -> None:
    """At most 24 lines, with the demo's, and it says who is let in."""
    server = launch("--demo").wait()
    lines = server.out.read_text().splitlines()
    assert len(lines) <= 24
    text = "\n".join(lines)
    found = server.connection()
    for wanted in (
        found["page_url"],
        found["connection_string"],
        found["ca_file"],
        "REQUESTS_CA_BUNDLE=",
        "SSL_CERT_FILE=",
        "NODE_EXTRA_CA_CERTS=",
        "development mode",
        "curl ",
        server.connection("demo")["connection_string"],
    ):
        assert wanted in text


def test_without_demo_there_is_no_demo_account(launch: Launch) -> None:
    """`trunkline connection --account demo` says how to get one."""
    server = launch("--no-demo").wait()
    assert "curl" not in server.out.read_text()
    done = server.run("connection", "--account", "demo")
    assert done.returncode == 1
    assert "serve --demo" in done.stderr


def test_logs_are_json_lines_with_the_vector(launch: Launch) -> None:
    """The line about a request names the MS-CV that its answer carried."""
    server = launch("--log-format", "json").wait()
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.get("/chat/nowhere", key="nobody")
    vector = refused.value.headers["ms-cv"]
    refused.value.close()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["message"].split(" ms")[0].rsplit(" ", 1)[0] for line in lines if line.get("ms_cv") == vector] == [
        "GET /chat/nowhere 404"
    ]
