"""Service limits: how often an operation may be asked for, in windows that slide with the clock.

A request that is refused does not count, so Retry-After is the truth for whoever waits as long as it says.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable

from trunkline.catalogue.rows import Limit, Service
from trunkline.clock import Clock, milliseconds
from trunkline.errors import LimitedError

_MOST_COUNTERS = 100_000


class Limits:
    """Counts requests against the limits of the catalogue.

    Memory is bounded: a counter goes when its window has passed without a request, and of one limit at most
    `most_counters` are kept (then whoever was silent longest starts anew).
    """

    def __init__(self, services: Iterable[Service], clock: Clock, *, most_counters: int = _MOST_COUNTERS) -> None:
        self._clock = clock
        self._windows: dict[str, list[_Window]] = {}
        for service in services:
            for limit in service.limits:
                window = _Window(limit, most_counters)
                for operation in limit.operations:
                    self._windows.setdefault(operation, []).append(window)

    def take(self, operation: str, *, resource: str, user: str, thread: str) -> None:
        """Count one request; raises LimitedError when a limit is reached, which says when to come back."""
        now_ms = milliseconds(self._clock.now())
        subjects = {
            "resource": (resource,),
            "user": (resource, user),
            "thread": (resource, thread),
            "user in thread": (resource, user, thread),
        }
        # ids come from the caller and may be long: a counter is known by the hash of them
        counters = [(window, hash(subjects[window.limit.per])) for window in self._windows.get(operation, ())]
        waits_ms = [window.wait_ms(key, now_ms) for window, key in counters]
        longest_ms = max(waits_ms, default=0)
        if longest_ms > 0:
            limit = counters[waits_ms.index(longest_ms)][0].limit
            raise LimitedError(
                f"Rate limit exceeded: {limit.count} requests in {limit.seconds} seconds per {limit.per}.",
                retry_after_s=math.ceil(longest_ms / 1000),
            )
        for window, key in counters:
            window.count(key, now_ms)


class _Window:
    """One limit and its counters, whoever asked last at the end."""

    def __init__(self, limit: Limit, most_counters: int) -> None:
        self.limit = limit
        self._most = most_counters
        self._length_ms = limit.seconds * 1000
        self._counters: OrderedDict[int, deque[int]] = OrderedDict()

    def wait_ms(self, key: int, now_ms: int) -> int:
        """Return how long until another request is within the limit; 0 when it is now."""
        moments = self._counters.get(key)
        if moments is None:
            return 0
        self._counters.move_to_end(key)
        if moments and moments[-1] > now_ms:  # the machine's clock was set back
            moments.clear()
        while moments and moments[0] <= now_ms - self._length_ms:
            moments.popleft()
        return moments[0] + self._length_ms - now_ms if len(moments) >= self.limit.count else 0

    def count(self, key: int, now_ms: int) -> None:
        """Count one request."""
        self._counters.setdefault(key, deque()).append(now_ms)
        while len(self._counters) > self._most or self._last_of_oldest() <= now_ms - self._length_ms:
            self._counters.popitem(last=False)

    def _last_of_oldest(self) -> int:
        """Return when the counter that was silent longest was last counted."""
        moments = next(iter(self._counters.values()))
        return moments[-1] if moments else 0
