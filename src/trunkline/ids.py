"""Identifiers: how each kind is made, in one place, from a source of randomness that tests may replace."""

from __future__ import annotations

import base64
import secrets
import threading
import uuid
from collections.abc import Callable
from datetime import datetime

from trunkline.clock import milliseconds

_TICKS_KEPT = 100_000
_NAMESPACE = uuid.UUID("6f6bb3d0-6f0e-5a52-9c0b-6d4a8f0f8c11")


class Ids:
    """Makes every identifier of one process; `random_bytes` is where the randomness comes from."""

    def __init__(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random = random_bytes
        self._lock = threading.Lock()
        self._ticks: dict[str, int] = {}

    def guid(self) -> str:
        """Return a random version 4 UUID as text."""
        return str(uuid.UUID(bytes=self._random(16), version=4))

    def ms_cv(self) -> str:
        """Return a correlation vector: the base64 of 16 bytes without padding, and `.0`."""
        return base64.b64encode(self._random(16)).decode()[:22] + ".0"

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
