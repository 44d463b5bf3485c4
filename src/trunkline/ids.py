"""Identifiers: how each kind is made, in one place, from a source of randomness that tests may replace."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import uuid
from collections.abc import Callable
from datetime import datetime

from trunkline.clock import milliseconds

_TICKS_KEPT = 100_000
_STOCK = 16 * 256
_NAMESPACE = uuid.UUID("6f6bb3d0-6f0e-5a52-9c0b-6d4a8f0f8c11")


class Ids:
    """Makes every identifier of one process; `random_bytes` is where the randomness comes from."""

    def __init__(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random = random_bytes
        self._lock = threading.Lock()
        self._pool = b""
        self._at = 0
        self._ticks: dict[str, int] = {}

    def guid(self) -> str:
        """Return a random version 4 UUID as text."""
        digits = self._drawn().hex()
        # a v4 UUID says so in its 13th digit, and its variant in the 17th
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def ms_cv(self) -> str:
        """Return a correlation vector: the base64 of 16 bytes without padding, and `.0`."""
        return base64.b64encode(self._drawn()).decode()[:22] + ".0"

    def _drawn(self) -> bytes:
        """Return 16 random bytes from a stock; each trip to the system would let go of the interpreter's lock.

        Names come from here. Secrets are drawn for themselves, so that none lies in memory before it is made.
        """
        with self._lock:
            if self._at == len(self._pool):
                self._pool, self._at = self._random(_STOCK), 0
            drawn = self._pool[self._at : self._at + 16]
            self._at += 16
            return drawn

    def token(self, size: int = 32) -> str:
        """Return a random secret as URL-safe text."""
        return base64.urlsafe_b64encode(self._random(size)).decode().rstrip("=")

    def bytes(self, size: int = 16) -> bytes:
        """Return random bytes."""
        return self._random(size)

    def key(self) -> str:
        """Return a random 64-byte access key as base64."""
        return base64.b64encode(self._random(64)).decode()

    def hex(self, size: int = 16) -> str:
        """Return random hexadecimal digits, two a byte."""
        return self._random(size).hex()

    def app_key(self) -> str:
        """Return a random key in two parts, as messaging platforms write theirs: 32 digits, a hyphen, a UUID."""
        digits = self._random(32).hex()
        tail = digits[32:]
        return f"{digits[:32]}-{tail[:8]}-{tail[8:12]}-{tail[12:16]}-{tail[16:20]}-{tail[20:]}"

    def tick(self, now: datetime, of: str = "") -> int:
        """Return milliseconds since 1970 that no earlier call for the same thing returned; it only grows."""
        with self._lock:
            present = milliseconds(now)
            if len(self._ticks) > _TICKS_KEPT:
                self._ticks = {key: last for key, last in self._ticks.items() if last >= present}
            tick = self._ticks[of] = max(self._ticks.get(of, 0) + 1, present)
            return tick


def derived(*parts: str) -> str:
    """Return the UUID that these parts always give: the same event told twice keeps its id."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def account_sid(immutable_id: str) -> str:
    """Return the id by which telephony SDKs name an account: AC and the 32 digits of its own id."""
    return "AC" + immutable_id.replace("-", "").lower()


def directory_object(tenant_id: str, name: str) -> str:
    """Return the id that something of a directory always has: a UUID made of the directory's id and a name."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant_id.lower()}/{name}"))


def digest(text: str) -> str:
    """Return 32 digits that a text always gives: an id of another form, by which the first one is found as well."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
