"""`trunkline inbox` against a running server."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.support.signing import signed

VERSION = "api-version=2024-03-07"


class Talk:
    """Two users in a thread of a running server."""

    def __init__(self, server: Any) -> None:
        self._at = server.connection()
        (self.ann, self._token), (self.bob, _) = self._user(), self._user()
        people = [{"communicationIdentifier": {"rawId": self.bob}}]
        made = self._ask("POST", f"/chat/threads?{VERSION}", {"topic": "t", "participants": people}, self._token)
        self.thread = made["chatThread"]["id"]

    def say(self, text: str) -> None:
        """Send a message from Ann to Bob."""
        target = f"/chat/threads/{quote(self.thread, safe='')}/messages?{VERSION}"
        self._ask("POST", target, {"content": text}, self._token)

    def _user(self) -> tuple[str, str]:
        made = self._ask("POST", f"/identities?{VERSION}", {"createTokenWithScopes": ["chat"]})
        return made["identity"]["id"], made["accessToken"]["token"]

    def _ask(self, method: str, target: str, body: Any, token: str = "") -> Any:
        host, content = urlsplit(self._at["http"]).netloc, json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if not token:
            headers = signed(method, target, host, content, self._at["access_keys"][0], datetime.now(UTC))
        with closing(http.client.HTTPConnection(host, timeout=30)) as line:
            line.request(method, target, content, {**headers, "Content-Type": "application/json"})
            answer = line.getresponse()
            assert answer.status == 201, answer.read()
            return json.loads(answer.read())


@pytest.fixture(scope="module")
def talk(shared: Any) -> Talk:
    """Let two users talk on the shared server, beside its demo."""
    return Talk(shared)


def test_what_was_sent_is_a_table_of_lines(shared: Any, talk: Talk) -> None:
    """One message a line with tabs between, whatever stands in it."""
    talk.say("first\n\tline \x1b[31m two")
    done = shared.run("inbox", "--to", talk.bob, "--since", "5m")
    assert (done.returncode, done.stderr) == (0, "")
    title, row, *rest = done.stdout.splitlines()
    assert (title, rest) == ("# What was sent, newest first", [])
    cells = row.split("\t")
    assert cells[1:] == ["chat", talk.ann, talk.bob, "sent", "first  line  [31m two"]
    assert datetime.fromisoformat(cells[0]).tzinfo is not None


def test_json_has_everything(shared: Any, talk: Talk) -> None:
    """As the API gives it."""
    talk.say("as json")
    done = shared.run("inbox", "--text", "AS JSON", "--from", talk.ann, "--thread", talk.thread, "--json")
    found = json.loads(done.stdout)
    assert [(one["text"], one["to"], one["details"]["thread_id"]) for one in found] == [
        ("as json", talk.bob, talk.thread)
    ]
    assert json.loads(shared.run("inbox", "--tag", "none", "--json").stdout) == []


def test_pages_are_followed_up_to_the_limit(shared: Any, talk: Talk) -> None:
    """The demo's account has enough."""
    done = shared.run("inbox", "--account", "demo", "--limit", "7", "--channel", "chat", "--json")
    assert len(json.loads(done.stdout)) == 7


def test_a_wait_ends_with_0_when_it_came_and_with_1_when_it_did_not(shared: Any, talk: Talk) -> None:
    """So a shell's `if` can assert."""
    words = [sys.executable, "-m", "trunkline", "inbox", "--text", "awaited", "--data", str(shared.data)]
    with subprocess.Popen([*words, "--wait", "30", "--count", "2"], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        talk.say("awaited one")
        talk.say("awaited two")
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    assert [line.rpartition("\t")[2] for line in out.splitlines()[1:]] == ["awaited two", "awaited one"]
    done = shared.run("inbox", "--text", "in vain", "--wait", "0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There are 0 such messages, not 1." in done.stderr
    assert shared.run("inbox", "--text", "in vain", "--count", "1").returncode == 1
    nothing = shared.run("inbox", "--text", "in vain")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "no such messages" in nothing.stderr
    assert "fax" in shared.run("inbox", "--channel", "fax").stderr


def test_a_stop_is_not_held_up_by_who_waits(launch: Callable[..., Any]) -> None:
    """Although a stop lets requests in flight finish: the wait is answered with what there is."""
    server = launch().wait()
    words = [sys.executable, "-m", "trunkline", "inbox", "--wait", "60", "--json", "--data", str(server.data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        deadline = time.monotonic() + 20
        key = server.connection()["api_key"]
        while b"trunkline_requests_in_flight 2" not in server.get("/metrics", key=key).read():
            assert time.monotonic() < deadline, "the wait never began"
            time.sleep(0.05)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 30  # of the sixty seconds
        out, err = process.communicate(timeout=10)
    assert (process.returncode, json.loads(out)) == (1, [])
    assert "not 1" in err
    assert "cut off" not in server.log.read_text()
