"""A webhook on loopback, in a thread of its own: agrees to handshakes or not, and keeps what it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Heard:
    """One request: `target` is path and query, header names are lower case, `body` is decoded JSON (or None)."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any

    @property
    def kind(self) -> str:
        """What Event Grid says the request is: SubscriptionValidation, Notification, SubscriptionDeletion."""
        return self.headers.get("aeg-event-type", "")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a notification, in either schema."""
        if self.kind != "Notification":
            return []
        return self.body if isinstance(self.body, list) else [self.body]


class Webhook:
    """What stands behind `url`, and behind every other path of `base`; `refuses` makes it answer 500."""

    def __init__(self) -> None:
        self.refuses = False
        self._heard: list[Heard] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.base}/hook?code=opensesame"

    def serve(self) -> None:
        """Answer until closed."""
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def heard(self, target: str = "") -> list[Heard]:
        """List what came so far, to paths that begin so."""
        with self._changed:
            return [one for one in self._heard if one.target.startswith(target)]

    def events(self, *types: str, target: str = "") -> list[dict[str, Any]]:
        """List the events that came so far; of some types when they are named without their vendor's prefix."""
        return [event for one in self.heard(target) for event in one.events if not types or kind_of(event) in types]

    def wait(self, many: int, *types: str, target: str = "") -> list[dict[str, Any]]:
        """Return the events once so many have come; fails a test that waits too long (real time)."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.events(*types, target=target)) >= many, PATIENCE_S)
        found = self.events(*types, target=target)
        assert done, f"{len(found)} of {many} events {types} came"
        return found

    def wait_for(self, kind: str, target: str = "") -> Heard:
        """Return the first request of a kind once it has come."""

        def found() -> list[Heard]:
            return [one for one in self.heard(target) if one.kind == kind]

        with self._changed:
            assert self._changed.wait_for(found, PATIENCE_S), f"no {kind} came"
        return found()[0]

    def hear(self, one: Heard) -> tuple[int, dict[str, str], Any]:
        """Keep a request; return status, headers and body of the answer."""
        with self._changed:
            self._heard.append(one)
            self._changed.notify_all()
        if self.refuses:
            return 500, {}, None
        if one.method == "OPTIONS":
            return 200, {"WebHook-Allowed-Origin": one.headers.get("webhook-request-origin", "")}, None
        if one.kind == "SubscriptionValidation":
            return 200, {}, {"validationResponse": one.body[0]["data"]["validationCode"]}
        return 200, {}, None


def kind_of(event: dict[str, Any]) -> str:
    """Return an event's type without its vendor's prefix, in either schema."""
    name: str = event.get("eventType") or event["type"]
    return name.rpartition(".")[2]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a webhook while the block lasts."""
    hook = Webhook()
    thread = threading.Thread(target=hook.serve, name="webhook")
    thread.start()
    try:
        yield hook
    finally:
        hook.close()
        thread.join()


def _handler(hook: Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands every request to the webhook."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            decoded = msgspec.json.decode(body) if body else None
            status, more, answer = hook.hear(Heard(self.command, self.path, headers, decoded))
            content = b"" if answer is None else msgspec.json.encode(answer)
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_OPTIONS = do_GET = _answer  # noqa: N815 - the names that the library calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler
