"""What clients wrote is shown in lines of a terminal as it is, and does nothing there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.support.customer import visiting
from trunkline.cli.main import app
from trunkline.cli.receiver import render
from trunkline.library.served import Server

EVIL = "red\x1b[2J\x1b]0;title\x07\u009b31m\u202e\nWARNING forged\tline"
PLAIN = "red [2J ]0;title  31m  WARNING forged line"


def test_no_text_of_a_client_steers_the_terminal(served: Server, tmp_path: Path) -> None:
    """In a story, in lists and in tables: neither colours nor lines of its own."""
    file = tmp_path / "client.log"
    file.write_text("ICE failed")
    with visiting(served, "of-plain-words") as customer:
        server = ("--url", served.connection.http, "--api-key", customer.resource.api_key)

        def run(*words: str) -> Any:
            return CliRunner().invoke(app, [*words, *server]).stdout

        told = [{"call_id": "plain", "name": "ringing", "text": EVIL}]
        assert customer.own("POST", "call-events", told).json["accepted"] == 1
        called = [{"leg_id": f"plain {EVIL}", "call_id": "plain", "recipient": EVIL}]
        assert customer.own("POST", "calls", called).json["accepted"] == 1
        run("support-files", "add", str(file), "--call-id", f"plain {EVIL}")
        story, table = run("search", "plain"), run("ask", "calls.count", "--by", "recipient")
        files = run("support-files", "list")
    for shown in (story, table, files):
        assert not {letter for letter in shown if not letter.isprintable()} - {"\n", "\t"}, shown
        assert PLAIN in shown
        assert "\nWARNING" not in shown


def test_a_story_for_programs_has_a_line_for_each_that_happened(served: Server) -> None:
    """However long it is: no id is cut in two."""
    text = " ".join(["8:acs:0d9f3a52-7c1e-4b7d-9a10-5f1c2d3e4f50_0d9f3a52-7c1e-4b7d-9a10-5f1c2d3e4f50"] * 5)
    with visiting(served, "of-long-lines") as customer:
        told = [{"call_id": "long-lines", "name": "ringing", "text": text}]
        assert customer.own("POST", "call-events", told).json["accepted"] == 1
        server = ("--url", served.connection.http, "--api-key", customer.resource.api_key)
        done = CliRunner().invoke(app, ["search", "long-lines", *server])
    (line,) = done.stdout.splitlines()[1:]
    assert line.partition("\t")[2] == f"ringing: {text}."


def test_no_event_steers_the_terminal() -> None:
    """Those that are shown to people; JSON has them as they came."""
    event = {
        "eventType": "A.B",
        "eventTime": "2026-11-22T12:00:00.000Z",
        "subject": EVIL,
        "data": {"text": "\u009b31m"},
    }
    assert render(event, as_json=False) == f'12:00:00.000  B  {PLAIN}\n  {{"text":" 31m"}}'
