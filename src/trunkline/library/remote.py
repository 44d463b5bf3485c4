"""A running server as its clients see it: found by its data folder or its address, asked over HTTP."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from trunkline import config
from trunkline.connection import FILE, Announcement, read
from trunkline.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    TooLargeError,
    TrunklineError,
    UnauthenticatedError,
    UnavailableError,
)

PROBE_S = 5.0
PATIENCE_S = 90.0  # a handshake may take two attempts of half a minute
_JSON = "application/json"
_AT_ONCE = 256 * 1024


class RefusedError(TrunklineError):
    """The server refused the request."""


_MEANT: dict[int, type[TrunklineError]] = {
    400: InvalidError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    429: LimitedError,
    503: UnavailableError,
}
"""What a status means; any other is RefusedError."""


class Remote:
    """A running server: its plain or TLS address, and the API key with which it is asked.

    `ca_file` holds the roots that its certificate chains to, where they are not those of the system.
    """

    def __init__(self, url: str, api_key: str, *, ca_file: str = "") -> None:
        if not api_key.isascii() or not all(letter.isprintable() for letter in api_key):
            raise ConfigurationError("The API key has signs that no key has: is there a line break at its end?")
        try:
            self._url = urlsplit(url if "://" in url else f"https://{url}")
            is_one = self._url.scheme in {"http", "https"} and bool((self._url.hostname or "").encode("idna"))
            self._url.port  # noqa: B018 - it is read when it is asked for
        except ValueError:
            is_one = False
        if not is_one:
            raise ConfigurationError(f"{url!r} is no address of a server: give --url https://host:port.")
        self.api_key = api_key
        self.patience_s = PATIENCE_S
        self._ca_file = ca_file

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"{self._url.scheme}://{self._url.netloc}"

    @property
    def root(self) -> str:
        """What stands before every path: "" unless a proxy serves it under a path of its own."""
        return self._url.path.rstrip("/")

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Ask the server and return the answer's JSON, None when it has no body; raises as `fetch` does."""
        sent = None if body is None else msgspec.json.encode(body)
        answer = self.fetch(method, path, sent, {"Accept": _JSON, "Content-Type": _JSON}, **query)
        return msgspec.json.decode(answer) if answer else None

    def fetch(self, method: str, path: str, body: bytes | None, headers: dict[str, str], **query: str) -> bytes:
        """Ask the server and return the answer's body as it is.

        Raises UnavailableError when nobody answers, and with the server's own sentence what its status means:
        InvalidError, NotFoundError …, else RefusedError. `facts["retry_after_s"]` says when to come back.
        """
        query = {name: value for name, value in query.items() if value}
        target = f"{self.root}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self.api_key}", **headers}
        status, answer, retry_after = self._exchange(method, target, body, headers, self.patience_s)
        if status >= 400:
            after: dict[str, Any] = {"retry_after_s": int(retry_after)} if retry_after.isdecimal() else {}
            raise _MEANT.get(status, RefusedError)(sentence(status, answer), **after)
        return answer

    def send(self, target: str, body: BinaryIO, headers: dict[str, str]) -> bytes:
        """Post a file as it is read, to a path with its query; returns the answer's body. Raises as `fetch` does."""
        with self._answering("POST", target, body, headers) as answer:
            return answer.read()

    def pieces(self, target: str) -> Iterator[bytes]:
        """Yield the body of an answer as it comes; raises as `fetch` does."""
        with self._answering("GET", target, None, {}) as answer:
            while piece := answer.read(_AT_ONCE):
                yield piece
            if answer.length:  # so much is missing, which the library says nothing of
                raise http.client.IncompleteRead(b"", answer.length)

    @contextmanager
    def _answering(
        self, method: str, target: str, body: BinaryIO | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        try:
            with closing(self.line(self.patience_s)) as line:
                line.request(method, self.root + target, body, {"Authorization": f"Bearer {self.api_key}", **headers})
                answer = line.getresponse()
                if answer.status >= 400:
                    raise _MEANT.get(answer.status, RefusedError)(sentence(answer.status, answer.read()))
                yield answer
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"{self.url} does not answer, or not to its end ({error}).") from error

    def instance(self) -> str:
        """Return the mark of the run that answers here, "" when nobody or somebody else does."""
        try:
            _, answer, _ = self._exchange("GET", "/healthz", None, {}, PROBE_S)
            found = msgspec.json.decode(answer)
        except (UnavailableError, msgspec.DecodeError):
            return ""
        return str(found.get("instance", "")) if isinstance(found, dict) else ""

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], patience_s: float
    ) -> tuple[int, bytes, str]:
        try:
            with closing(self.line(patience_s)) as line:
                line.request(method, target, body, headers)
                answer = line.getresponse()
                return answer.status, answer.read(), answer.headers.get("Retry-After", "")
        except ssl.SSLError as error:
            raise UnavailableError(
                f"{self.url} shows a certificate that does not verify ({error.reason}): set SSL_CERT_FILE to the "
                "server's ca-bundle.pem."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"Nobody answers at {self.url} ({error}).") from error

    def line(self, patience_s: float = PATIENCE_S) -> http.client.HTTPConnection:
        """Return a connection, which is made with its first request."""
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_file or None)
            return http.client.HTTPSConnection(host, self._url.port, timeout=patience_s, context=context)
        return http.client.HTTPConnection(host, self._url.port, timeout=patience_s)


def announced(data: Path | None) -> Announcement:
    """Return what the server that runs on a data folder announced, once it has shown that it lives.

    Raises UnavailableError, also for the file of a server that ended without taking it away.
    """
    folder = folder_of(data)
    announcement = read(folder)
    if Remote(announcement.local, "").instance() != announcement.instance:
        raise UnavailableError(
            f"{folder / FILE} is left over: the server that wrote it does not answer at {announcement.local} any "
            "more. Start it again with `trunkline serve`."
        )
    return announcement


def folder_of(data: Path | None) -> Path:
    """Return the data folder: the one given, else the one the settings name."""
    return (data or Path(config.load().data)).absolute()


def at(*parts: str) -> str:
    """Return a path of Trunkline's own API."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


def sentence(status: int, answer: bytes) -> str:
    """Return what a refusal says."""
    try:
        problem = msgspec.json.decode(answer)
        return f"{problem['detail']} (HTTP {status})"
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"The server answered with HTTP {status}: is it a Trunkline?"
