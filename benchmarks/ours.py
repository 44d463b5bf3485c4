"""Our own server under load: started with its default settings, prepared and judged through its public API."""

import base64
import hashlib
import hmac
import http.client
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from benchmarks.errors import CannotMeasureError
from benchmarks.peers import CACHE
from benchmarks.processes import Process, clean_environment, running
from trunkline import connection
from trunkline.connection import Connection
from trunkline.errors import UnavailableError

_IDENTITY = "api-version=2023-10-01"
_CHAT = "api-version=2025-03-15"
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class User:
    """Someone with a token."""

    id: str
    token: str


class Ours:
    """A running server of ours and what a customer of it knows; every call is one of the public API."""

    def __init__(self, process: Process, known: Connection, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.address = urlsplit(known.http)
        self._known = known
        self._key = base64.b64decode(known.access_keys[0])
        self._api_key = known.api_key
        self._client = http.client.HTTPConnection(self.address.netloc, timeout=60)

    def twin(self) -> "Ours":
        """Return another client of the same server, with a connection of its own."""
        return Ours(self.process, self._known, self.folder)

    @property
    def host(self) -> str:
        """The host of its plain listener."""
        return self.address.hostname or ""

    @property
    def port(self) -> int:
        """The port of its plain listener."""
        return self.address.port or 0

    def posting(self, fact: str, body: bytes) -> bytes:
        """Return the request that posts facts of a kind as lines of JSON, as bytes."""
        head = {"Host": self.address.netloc, "X-API-Key": self._api_key, "Content-Length": str(len(body))}
        return request("POST", f"/api/v1/{fact}", {**head, "Content-Type": "application/x-ndjson"}, body)

    def load_chunk(self, fact: str, body: bytes, chunk: str) -> dict[str, Any]:
        """Post a chunk of a file of Arrow, packed by zstd, and return the answer."""
        headers = {"X-API-Key": self._api_key, "Trunkline-Chunk": chunk, "Content-Encoding": "zstd"}
        headers["Content-Type"] = "application/vnd.apache.arrow.stream"
        answer: dict[str, Any] = self._ask("POST", f"/api/v1/{fact}", body, headers, 200)
        return answer

    def ask(self, question: dict[str, Any], path: str = "/api/v1/ask") -> dict[str, Any]:
        """Put a question and return its answer."""
        body = msgspec.json.encode(question)
        answer: dict[str, Any] = self._ask("POST", path, body, {"X-API-Key": self._api_key, **_JSON}, 200)
        return answer

    def fetch(self, path: str, body: bytes) -> bytes:
        """Post a body with the API key and return the answer as it comes."""
        return self._exchange("POST", path, body, {"X-API-Key": self._api_key, **_JSON}, 200)

    def judged(self, patience_s: float) -> bool:
        """Wait until all calls are judged, at most so long; tells whether they are."""
        began = time.monotonic()
        while (waits := self.state()["trunkline_verdicts_pending"] > 0) and time.monotonic() - began < patience_s:
            time.sleep(1)
        return not waits

    @property
    def basic(self) -> str:
        """What the SID and the token of the account are as Basic authentication."""
        pair = f"{self._known.account_sid}:{self._known.auth_token}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def get(self, path: str, *, app: bool = False) -> bytes:
        """Get a page with SID and token, or with the app key, and return it as it comes."""
        return self._exchange("GET", path, b"", {"Authorization": self._app if app else self.basic}, 200)

    def post(self, path: str, body: bytes, status: int) -> bytes:
        """Post a body with the app key and return the answer as it comes."""
        return self._exchange("POST", path, body, {"Authorization": self._app, **_JSON}, status)

    @property
    def _app(self) -> str:
        return f"App {self._known.app_key}"

    def state(self) -> dict[str, float]:
        """Return the server's own counts and gauges that have no labels, by their names."""
        client = http.client.HTTPConnection(self.address.netloc, timeout=60)
        try:
            client.request("GET", "/metrics", headers={"X-API-Key": self._api_key})
            page = client.getresponse().read().decode()
        finally:
            client.close()
        lines = (line.split(" ") for line in page.splitlines() if line[:1] != "#" and "{" not in line)
        return {name: float(value) for name, value in lines}

    def user(self) -> User:
        """Make a user who may chat."""
        body = b'{"createTokenWithScopes":["chat"]}'
        target = f"/identities?{_IDENTITY}"
        made = self._ask("POST", target, body, self._signed("POST", target, body), 201)
        return User(made["identity"]["id"], made["accessToken"]["token"])

    def thread(self, users: list[User]) -> str:
        """Make a thread of which all of these are members; the first one makes it."""
        members = [{"communicationIdentifier": {"rawId": user.id}} for user in users]
        body = msgspec.json.encode({"topic": "Under load", "participants": members})
        made = self._ask("POST", f"/chat/threads?{_CHAT}", body, self._bearer(users[0]), 201)
        return str(made["chatThread"]["id"])

    def sending(self, user: User, thread_id: str, text: str) -> bytes:
        """Return the request that sends a message, as bytes."""
        body = msgspec.json.encode({"content": text, "senderDisplayName": "Nurse Ada", "type": "text"})
        head = {"Host": self.address.netloc, "Content-Length": str(len(body)), **self._bearer(user)}
        target = f"/chat/threads/{quote(thread_id, safe='')}/messages?{_CHAT}"
        return request("POST", target, head, body)

    def count(self, user: User, thread_id: str) -> int:
        """Count the text messages that a thread lists, page by page; each message is counted once."""
        seen: set[str] = set()
        target = f"/chat/threads/{quote(thread_id, safe='')}/messages?{_CHAT}"
        while target:
            page = self._ask("GET", target, b"", self._bearer(user), 200)
            seen.update(one["id"] for one in page["value"] if one["type"] == "text")
            target = page.get("nextLink", "").removeprefix(f"http://{self.address.netloc}")
        return len(seen)

    def subscribe(self, url: str, types: list[str]) -> None:
        """Subscribe an address to events; raises CannotMeasureError when it is not asked or does not agree."""
        body = msgspec.json.encode({"name": "under-load", "url": url, "types": types})
        made = self._ask("POST", "/api/v1/subscriptions", body, {"X-API-Key": self._api_key, **_JSON}, 201)
        if made["state"] != "active":
            raise CannotMeasureError(f"the webhook is not subscribed: {made}")

    def _bearer(self, user: User) -> dict[str, str]:
        return {"Authorization": f"Bearer {user.token}", **_JSON}

    def _signed(self, method: str, target: str, body: bytes) -> dict[str, str]:
        date = formatdate(usegmt=True)
        content = base64.b64encode(hashlib.sha256(body).digest()).decode()
        message = f"{method}\n{target}\n{date};{self.address.netloc};{content}".encode()
        signature = base64.b64encode(hmac.digest(self._key, message, "sha256")).decode()
        return {
            "x-ms-date": date,
            "x-ms-content-sha256": content,
            "Authorization": f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
            **_JSON,
        }

    def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str], status: int) -> Any:
        return msgspec.json.decode(self._exchange(method, target, body, headers, status))

    def _exchange(self, method: str, target: str, body: bytes, headers: dict[str, str], status: int) -> bytes:
        try:
            self._client.request(method, target, body or None, headers)
            answer = self._client.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._client.close()  # it stood still for longer than a connection is kept
            self._client.request(method, target, body or None, headers)
            answer = self._client.getresponse()
            content = answer.read()
        if answer.status != status:
            raise CannotMeasureError(f"{method} {target} gave {answer.status}: {content.decode(errors='replace')}")
        return content


def request(method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return an HTTP/1.1 request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(name: str = "trunkline", source: Path | None = None, data: Path | None = None) -> Iterator[Ours]:
    """Serve with the default settings, but for free ports and a fresh folder on the disk of this checkout.

    `source` is the checkout whose code serves; None is what is installed. `data` is a folder that is kept.
    """
    CACHE.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-", dir=CACHE))) / "data"
        options = ["--data", str(data), "--http-port", "0", "--https-port", "0"]
        command = [sys.executable, "-m", "trunkline", "serve", *options]
        env = clean_environment() | ({"PYTHONPATH": str(source / "src")} if source else {})
        process = stack.enter_context(
            running(name, command, log=CACHE / f"{name}.log", ready=lambda: _is_ready(data), env=env)
        )
        yield Ours(process, _known(data), data)


def _known(data: Path) -> Connection:
    return connection.account(connection.read(data), "")


def _is_ready(data: Path) -> bool:
    try:
        address = urlsplit(_known(data).http)
    except UnavailableError:
        return False
    client = http.client.HTTPConnection(address.netloc, timeout=5)
    try:
        client.request("GET", "/readyz")
        return client.getresponse().status == 200
    except OSError:
        return False
    finally:
        client.close()
