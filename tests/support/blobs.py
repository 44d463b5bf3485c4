"""A storage account with the few operations on blobs that are appended to; it checks each signature for itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

NAME, KEY = "customerlogs", base64.b64encode(b"0123456789abcdef" * 4).decode()
_SIGNED = "content-encoding content-language content-length content-md5 content-type date if-modified-since if-match"
_ALSO = "if-none-match if-unmodified-since range"


class Storage:
    """What is kept: containers of blobs. `trouble` is what happens to the next append: it fails, or its answer does."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, bytes]] = {}
        self.trouble = ""
        self.url = ""

    @property
    def connection_string(self) -> str:
        """Return what a client needs."""
        return f"DefaultEndpointsProtocol=http;AccountName={NAME};AccountKey={KEY};BlobEndpoint={self.url};"

    def blobs(self) -> dict[str, bytes]:
        """Return every blob by its container and name."""
        return {f"{box}/{name}": body for box, blobs in self.containers.items() for name, body in blobs.items()}

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Do what a signed request asks for."""
        if headers.get("authorization", "") != _wanted(method, target, headers):
            return 403, {"x-ms-error-code": "AuthenticationFailed"}
        path = unquote(urlsplit(target).path).strip("/")
        container, _, name = path.partition("/")
        if not name:
            created = self.containers.setdefault(container, {}) == {} and method == "PUT"
            return (201 if created else 409), {}
        blobs = self.containers.get(container)
        if blobs is None:
            return 404, {"x-ms-error-code": "ContainerNotFound"}
        if method == "HEAD":
            return (200, {"content-length": str(len(blobs[name]))}) if name in blobs else (404, {})
        if "comp=appendblock" not in target:
            if headers.get("x-ms-blob-type") != "AppendBlob":
                return 400, {}
            return (409, {}) if name in blobs else (201, {}) if blobs.setdefault(name, b"") == b"" else (500, {})
        if name not in blobs:
            return 404, {"x-ms-error-code": "BlobNotFound"}
        if int(headers["x-ms-blob-condition-appendpos"]) != len(blobs[name]):
            return 412, {"x-ms-error-code": "AppendPositionConditionNotMet"}
        if self.trouble == "before":
            return 503, {"x-ms-error-code": "ServerBusy"}
        blobs[name] += body
        return (500, {}) if self.trouble == "after" else (201, {})


def _wanted(method: str, target: str, headers: dict[str, str]) -> str:
    """Return the signature that a request must have, from the raw request."""
    parts = urlsplit(target)
    lines = [method]
    for name in f"{_SIGNED} {_ALSO}".split():
        value = headers.get(name, "")
        lines.append("" if name == "content-length" and value == "0" else value)
    lines += [f"{name}:{headers[name].strip()}" for name in sorted(headers) if name.startswith("x-ms-")]
    lines.append(f"/{NAME}{parts.path}")
    lines += [f"{name}:{value}" for name, value in sorted(parse_qsl(parts.query))]
    digest = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
    return f"SharedKey {NAME}:{base64.b64encode(digest).decode()}"


@contextmanager
def storage() -> Iterator[Storage]:
    """Run a storage on loopback."""
    kept = Storage()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            status, told = kept.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {"content-length": "0", **told}.items():
                self.send_header(name, value)
            self.end_headers()

        do_PUT = do_HEAD = _answer  # noqa: N815 - named by the standard library

        def log_message(self, *_given: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
