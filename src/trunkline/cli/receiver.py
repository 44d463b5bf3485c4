"""A webhook of one's own: answers the handshake, prints what comes, passes it on."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TextIO

import msgspec

from trunkline.cli.printout import plain
from trunkline.errors import ConfigurationError

LARGEST = 4 * 1024 * 1024
FORWARD_S = 25.0  # shorter than the sender waits
_KIND = "aeg-event-type"
# headers of the hop, which the next hop sets anew
_HOP = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}


class Receiver:
    """Listens on 127.0.0.1 from `start` to `stop`; everything but its path is refused."""

    def __init__(self, path: str, port: int, *, forward: str, as_json: bool, out: TextIO) -> None:
        self._path = path
        self._forward = forward
        self._as_json = as_json
        self._out = out
        self._lock = threading.Lock()
        if forward and not forward.startswith(("http://", "https://")):
            raise ConfigurationError(f"{forward!r} is no address: give --forward http://localhost:3000/hook.")
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} cannot be listened at ({error.strerror}): choose another with --port."
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def url(self) -> str:
        """The address to subscribe."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._path}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def knows(self, path: str) -> bool:
        """Tell whether a path is the one that was subscribed."""
        return compare_digest(path.encode(), self._path.encode())

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Deal with a delivery; returns the status and the body of the answer."""
        try:
            found = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return 400, b""
        events = found if isinstance(found, list) else [found]
        if not all(isinstance(event, dict) for event in events):
            return 400, b""
        kind = headers.get(_KIND, "")
        if kind == "SubscriptionValidation":
            code = next((event["data"].get("validationCode") for event in events if _has_data(event)), None)
            return 200, msgspec.json.encode({"validationResponse": code})
        if kind == "SubscriptionDeletion":
            return 200, b""
        self._print(events)
        return (self._pass_on(headers, body), b"") if self._forward else (200, b"")

    def _print(self, events: list[dict[str, Any]]) -> None:
        with self._lock:
            for event in events:
                self._out.write(render(event, as_json=self._as_json) + "\n")
            self._out.flush()

    def _pass_on(self, headers: dict[str, str], body: bytes) -> int:
        """Post a delivery to the address it is forwarded to; its status is ours, so that it is tried again."""
        kept = {name: value for name, value in headers.items() if name not in _HOP}
        asked = urllib.request.Request(self._forward, body, kept, method="POST")  # noqa: S310 - http(s), checked above
        try:
            # no proxy of the environment stands between two local programs
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(asked, timeout=FORWARD_S) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
        except (OSError, ValueError) as error:
            self._tell(f"  not forwarded: {error}")
            return 502
        self._tell(f"  forwarded: {status}")
        return status

    def _tell(self, line: str) -> None:
        if not self._as_json:
            with self._lock:
                self._out.write(line + "\n")
                self._out.flush()


def _has_data(event: dict[str, Any]) -> bool:
    return isinstance(event.get("data"), dict)


def render(event: dict[str, Any], *, as_json: bool) -> str:
    """Return an event as one JSON line, or for people: time, type and subject, the data below."""
    if as_json:
        return msgspec.json.encode(event).decode()
    name = str(event.get("eventType") or event.get("type") or "")
    moment = str(event.get("eventTime") or event.get("time") or "")
    data = msgspec.json.encode(event.get("data")).decode()
    head = f"{moment[11:23]}  {name.rpartition('.')[2]}  {event.get('subject', '')}"
    return f"{plain(head)}\n  {plain(data)}"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one connection."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length") or "0"
            if not length.isdecimal() or int(length) > LARGEST:
                self.close_connection = True
                self._reply(413)
                return
            body = self.rfile.read(int(length))
            if not receiver.knows(self.path):
                self._reply(404)
                return
            self._reply(*receiver.take({name.lower(): value for name, value in self.headers.items()}, body))

        def do_OPTIONS(self) -> None:
            if not receiver.knows(self.path):
                self._reply(404)
                return
            origin = self.headers.get("WebHook-Request-Origin", "")
            self._reply(200, b"", {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})

        def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if body:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing: the events are printed."""

    return Handler
