"""A little OpenID issuer on loopback: it publishes its keys, and signs what it is told to."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(65537, 2048)


class Issuer:
    """One issuer: `address` is its name; tests change `key_id`, `working` and `published` as they need."""

    def __init__(self) -> None:
        self.key_id = "key-1"
        self.working = True
        self.asked = 0
        self.published: Any = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}/tenant/v2.0"

    def serve(self) -> None:
        """Answer until closed."""
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def token(self, *, key: Any = KEY, algorithm: str = "RS256", key_id: str | None = None, **claims: Any) -> str:
        """Sign claims; `iss` is the issuer's own name unless given."""
        headers = {"kid": self.key_id if key_id is None else key_id}
        return jwt.encode({"iss": self.address, **claims}, key, algorithm=algorithm, headers=headers)

    def document(self, path: str) -> Any:
        """Return what stands at a path, or None."""
        if path.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.address, "jwks_uri": f"{self.address}/keys"}
        if path.endswith("/keys"):
            self.asked += 1
            return {"keys": [_public(self.key_id)]} if self.published is None else self.published
        return None


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer while the block lasts."""
    issuer = Issuer()
    thread = threading.Thread(target=issuer.serve, name="issuer")
    thread.start()
    try:
        yield issuer
    finally:
        issuer.close()
        thread.join()


def _public(key_id: str) -> dict[str, str]:
    numbers = KEY.public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "kid": key_id, "n": _base64(numbers.n), "e": _base64(numbers.e)}


def _base64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode().rstrip("=")


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers with the issuer's documents."""

        def do_GET(self) -> None:
            """Answer one question."""
            found = issuer.document(self.path) if issuer.working else None
            body = msgspec.json.encode(found)
            self.send_response(200 if found is not None else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler
