"""How often something happens, as far as it matters: whether it is often."""

from __future__ import annotations

from trunkline.clock import monotonic


class Rate:
    """Tells whether something happens more than so often a second, now or a moment ago."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._second = 0
        self._now = self._before = 0

    def add(self) -> None:
        """Count it once more."""
        self._turn()
        self._now += 1

    @property
    def is_many(self) -> bool:
        """Tell whether it does."""
        self._turn()
        return max(self._now, self._before) > self._most

    def _turn(self) -> None:
        second = int(monotonic())
        if second != self._second:
            self._before = self._now if second == self._second + 1 else 0
            self._second, self._now = second, 0
