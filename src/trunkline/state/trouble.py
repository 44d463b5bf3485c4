"""Trouble: what keeps a part from its work, told to the log once when it begins and once when it is over."""

from __future__ import annotations

import logging
import threading

from trunkline.clock import monotonic
from trunkline.errors import TrunklineError

CALM_S = 2.0
"""How long nothing may fail until trouble is over: a disk that is nearly full takes one write and not the next."""


class Trouble:
    """Remembers why something fails, from its first failure until a success well after the last one (any thread).

    `log` is told in these `words` ("the state cannot be written").
    """

    def __init__(self, log: logging.Logger, words: str, calm_s: float | None = None) -> None:
        self._log = log
        self._words = words
        self._calm_s = CALM_S if calm_s is None else calm_s
        self._lock = threading.Lock()
        self._began_at = self._failed_at = 0.0
        self.reason = ""

    def fail(self, reason: str, unforeseen: BaseException | None = None) -> None:
        """Note a failure; the first one is logged, with its traceback if nobody foresaw it."""
        with self._lock:
            self._failed_at = monotonic()
            first, self.reason = not self.reason, reason or "unknown"
            if not first:
                return
            self._began_at = self._failed_at
        self._log.warning("%s: %s; it is tried again", self._words, reason.rstrip("."), exc_info=unforeseen)

    def succeed(self) -> None:
        """Note a success."""
        if not self.reason:
            return
        with self._lock:
            now = monotonic()
            if not self.reason or now - self._failed_at < self._calm_s:
                return
            self.reason = ""
        self._log.warning("%s: this is over after %.0f s", self._words, now - self._began_at)


def mention(log: logging.Logger, what: str, error: TrunklineError) -> None:
    """Log a known error in one line, without its traceback; for debugging only if its trouble has been told."""
    log.log(logging.DEBUG if error.facts.get("told") else logging.WARNING, "%s: %s", what, error.message)
