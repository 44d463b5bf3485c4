"""The commands against a running server, as a user types them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from tests.support.skips import needs

METRIC = "/providers/Microsoft.Insights/metrics?api-version=2024-02-01&metricnames=APIRequestChat&interval=FULL"


def test_a_token_is_all_that_is_printed(shared: Any) -> None:
    """It goes into `$(…)` and opens the metrics; a reader's does not open the keys."""
    done = shared.run("token", "--role", "reader", "--hours", "2")
    bearer = done.stdout.rstrip("\n")
    claims = jwt.decode(bearer, options={"verify_signature": False})
    assert (claims["roles"], claims["exp"] - claims["iat"]) == (["reader"], 7200)
    assert shared.get(shared.connection()["resource_id"] + METRIC, key=bearer).status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        shared.get("/api/v1/connection", key=bearer)
    assert refused.value.code == 403
    refused.value.close()


def test_an_unknown_role_is_refused_in_a_sentence(shared: Any) -> None:
    """The sentence is the server's own."""
    done = shared.run("token", "--role", "king")
    assert (done.returncode, done.stdout) == (1, "")
    assert "reader, contributor, owner" in done.stderr


@needs("curl", "curl")
def test_the_printed_curl_line_answers_with_data(shared: Any) -> None:
    """Pasted into a shell as it stands, from the printout and from `trunkline connection --account demo`."""
    for text in (shared.out.read_text(), shared.run("connection", "--account", "demo").stdout):
        line = next(line for line in text.splitlines() if line.startswith("curl "))
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603, S607 - our own line
        series = json.loads(done.stdout)["value"][0]["timeseries"]
        counts = {one["metadatavalues"][0]["value"]: one["data"][0]["count"] for one in series}
        assert counts["SendChatMessage"] > 0
        assert counts["Bad Route"] > 0


def test_a_server_is_asked_by_its_address_too(shared: Any, trunkline: Any) -> None:
    """With its API key, on the command line or in the environment."""
    ours = shared.connection()
    by_url = ("connection", "--json", "--url", ours["http"])
    assert json.loads(trunkline(*by_url, "--api-key", ours["api_key"]).stdout) == ours
    secure = trunkline(
        "connection", "--json", "--url", ours["https"], env={"TRUNKLINE_API_KEY": ours["api_key"], **ours["env"]}
    )
    assert json.loads(secure.stdout) == ours
    done = trunkline("connection", "--json", "--url", ours["https"], "--api-key", ours["api_key"])
    assert done.returncode == 1
    assert "SSL_CERT_FILE" in done.stderr
    assert "API key" in trunkline(*by_url).stderr
    assert "401" in trunkline(*by_url, "--api-key", "wrong").stderr


def test_an_account_has_keys_of_its_own_and_one_is_replaced_at_a_time(shared: Any) -> None:
    """The connection file follows, so other commands see the new key at once."""
    made = json.loads(shared.run("account", "create", "shop", "--json").stdout)
    assert made == shared.connection("shop")
    fresh = json.loads(shared.run("account", "regenerate-key", "shop", "key1", "--json").stdout)
    assert fresh["access_keys"][0] != made["access_keys"][0]
    assert fresh["access_keys"][1] == made["access_keys"][1]
    assert shared.connection("shop") == fresh
    assert "shop" in shared.run("account", "list").stdout.split()
    assert shared.run("account", "create", "No such name!").returncode == 1


def test_a_key_is_made_listed_and_revoked(shared: Any, trunkline: Any) -> None:
    """Only the key goes to the output, for `$(…)`; it opens by address what its role says, until it is revoked."""
    made = shared.run("key", "create", "ci", "--role", "read", "--expires", "30d")
    key = made.stdout.rstrip("\n")
    assert key.startswith("tl_")
    assert "shown this once" in made.stderr
    by_url = ("--url", shared.connection()["http"], "--api-key", key)
    assert trunkline("ask", "requests.count", *by_url).returncode == 0
    refused = trunkline("numbers", "add", "+18005550123", *by_url)
    assert (refused.returncode, "the role admin" in refused.stderr) == (1, True)
    listed = json.loads(shared.run("key", "list", "--json").stdout)
    (found,) = [one for one in listed if one["name"] == "ci"]
    assert key.startswith(f"tl_{found['id']}_")
    shown = shared.run("key", "list").stdout
    assert found["id"] in shown
    assert key not in shown
    assert shared.run("key", "revoke", found["id"]).stdout == f"{found['id']} is revoked.\n"
    assert "revoked" in trunkline("ask", "requests.count", *by_url).stderr
    made = json.loads(shared.run("key", "create", "x", "--role", "write", "--account", "demo", "--json").stdout)
    assert (made["role"], made["account"], made["expires_at"]) == ("write", "demo", None)
    assert shared.run("key", "create", "x", "--role", "king").returncode == 1


def test_an_account_below_another_is_shown_and_moved(shared: Any) -> None:
    """With what opens it, for people and for programs."""
    shared.run("account", "create", "chain")
    made = json.loads(shared.run("account", "create", "branch", "--parent", "chain", "--json").stdout)
    assert (made["account"], made["parent"]) == ("branch", "chain")
    assert json.loads(shared.run("account", "show", "branch", "--json").stdout) == made
    shown = shared.run("account", "show", "branch").stdout
    for name in ("account_sid", "auth_token", "app_key", "api_key", "connection_string", "parent"):
        assert made[name] in shown
    assert "branch  (below chain)" in shared.run("account", "list").stdout.splitlines()
    refused = shared.run("account", "create", "branch", "--parent", "demo")
    assert (refused.returncode, "has the parent 'chain'" in refused.stderr) == (1, True)
    moved = shared.run("account", "move", "branch", "--parent", "", "--json")
    assert json.loads(moved.stdout)["parent"] == ""
    assert shared.run("account", "create", "leaf", "--parent", "nobody").returncode == 1


def test_the_demo_command_drives_a_running_server(shared: Any) -> None:
    """It says what came back."""
    done = shared.run("demo", "--requests", "25")
    assert done.returncode == 0, done.stderr
    assert "times 201" in done.stderr


def test_the_catalogue_is_searched_without_a_server(trunkline: Any) -> None:
    """Rows are lines with tabs when no terminal reads them."""
    rows = [line.split("\t") for line in trunkline("catalogue", "SendChatMessage").stdout.splitlines()]
    assert ["SendChatMessage", "POST /chat/threads/{thread_id}/messages", "yes"] in [row[:3] for row in rows]
    found = json.loads(trunkline("catalogue", "APIRequestAuthentication", "--json").stdout)
    assert {row["name"] for row in found["services"][0]["operations"]} >= {"CreateIdentity", "RevokeToken"}
    nothing = trunkline("catalogue", "zeppelin")
    assert nothing.returncode == 1
    assert "zeppelin" in nothing.stderr


def test_event_types_are_listed(trunkline: Any) -> None:
    """With what they are told on."""
    lines = trunkline("events", "types").stdout.splitlines()
    assert any(line.startswith("Microsoft.Communication.ChatMessageReceived\tchat.message.sent") for line in lines)


# --- events ---


class Hook:
    """A user's own webhook on loopback: keeps what it gets."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.taken.append((self.headers.get("aeg-event-type", ""), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The webhook's address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook?code=tops3cret"


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Run a webhook that lives as long as the test."""
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def until(holds: Any, patience_s: float = 15.0) -> None:
    """Wait in real time until something holds."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


@pytest.mark.parametrize("schema", ["", "cloudevents"])
def test_listen_prints_and_forwards_events_and_unsubscribes(shared: Any, hook: Hook, schema: str) -> None:
    """From the handshake to the last line, in either schema."""
    words = ["listen", "--type", "ChatMessageReceived", "--forward", hook.url, "--json", "--data", str(shared.data)]
    words += ["--schema", schema] if schema else []
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "trunkline", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        try:
            assert process.stderr.readline().startswith("Listening")
            (name, state, url, wanted) = shared.run("events", "list").stdout.splitlines()[0].split("\t")
            assert (state, wanted) == ("active", "ChatMessageReceived")
            assert url.startswith("http://127.0.0.1:")
            done = shared.run("events", "test", name)
            assert "ChatMessageReceived" in done.stdout, done.stderr
            event = json.loads(process.stdout.readline())
            until(lambda: hook.taken)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert event["eventType" if not schema else "type"] == "Microsoft.Communication.ChatMessageReceived"
    kind, body = hook.taken[0]
    assert kind == "Notification"
    assert (body[0] if not schema else body) == event
    assert name not in shared.run("events", "list").stdout


def test_a_webhook_that_does_not_agree_is_explained(shared: Any, hook: Hook) -> None:
    """Its subscription is listed as failed until it is removed; secrets in its address are not shown."""
    done = shared.run("events", "subscribe", hook.url, "--type", "chatmessagereceived", "--name", "mine")
    assert done.returncode == 1
    assert "handshake failed" in done.stderr
    assert "events unsubscribe mine" in done.stderr
    assert hook.taken[0][0] == "SubscriptionValidation"
    listed = shared.run("events", "list", "--json").stdout
    assert "tops3cret" not in listed + done.stdout + done.stderr
    assert json.loads(listed)[0]["types"] == ["Microsoft.Communication.ChatMessageReceived"]
    assert "is failed, not active" in shared.run("events", "resend", "mine").stderr
    assert shared.run("events", "unsubscribe", "mine").returncode == 0
    assert shared.run("events", "unsubscribe", "mine").returncode == 1
    assert shared.run("events", "dead-letters").returncode == 0


def test_what_failed_under_a_name_made_up_does_not_stay(shared: Any, hook: Hook) -> None:
    """Nobody would know the name to remove it by."""
    done = shared.run("events", "subscribe", hook.url)
    assert done.returncode == 1
    assert "handshake failed" in done.stderr
    assert json.loads(shared.run("events", "list", "--json").stdout) == []


def test_an_unknown_event_type_is_refused(shared: Any) -> None:
    """The sentence says where they are listed."""
    done = shared.run("events", "subscribe", "http://127.0.0.1:1/", "--type", "ChatMesageReceived")
    assert done.returncode == 1
    assert "events types" in done.stderr
