"""Ticks grow within their thread, whatever the clock does and whatever is forgotten."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.clock import TurnedClock, milliseconds
from trunkline.services.chat.ticks import Ticks


class Remembered:
    """Stands for a transaction over threads whose last ticks are known."""

    def __init__(self) -> None:
        self.generation = 0
        self.last: dict[str, int] = {}
        self.asked = 0

    def value(self, _statement: Any, of_thread: str) -> int | None:
        """Return the last tick of a thread."""
        self.asked += 1
        return self.last.get(of_thread)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3), st.booleans()), max_size=60))
def test_ticks_only_grow(steps: list[tuple[str, int, bool]]) -> None:
    """With a memory too small for the threads there are, a clock that jumps, and restarts."""
    clock, kept, ticks = TurnedClock(), Remembered(), Ticks(kept=2)
    for thread, turned, restarts in steps:
        clock.advance(turned / 1000)
        if restarts:
            ticks = Ticks(kept=2)
        before = kept.last.get(thread, 0)
        tick = ticks.next(kept, clock.now(), thread)  # type: ignore[arg-type]
        assert tick == max(before + 1, milliseconds(clock.now()))
        kept.last[thread] = tick


def test_a_thread_is_read_once() -> None:
    """What is remembered is not asked for again, and a new thread is not asked for at all."""
    clock, kept, ticks = TurnedClock(), Remembered(), Ticks()
    assert ticks.first(kept, clock.now(), "new") == milliseconds(clock.now())  # type: ignore[arg-type]
    for thread in ("new", "old", "old", "new"):
        ticks.next(kept, clock.now(), thread)  # type: ignore[arg-type]
    assert kept.asked == 1


def test_after_the_turn_of_another_process_a_thread_is_read_again() -> None:
    """It may have written in any thread."""
    clock, kept, ticks = TurnedClock(), Remembered(), Ticks()
    last = ticks.next(kept, clock.now(), "t")  # type: ignore[arg-type]
    kept.last["t"], kept.generation = last + 10, 1
    assert ticks.next(kept, clock.now(), "t") == last + 11  # type: ignore[arg-type]
    assert ticks.next(kept, clock.now(), "t") == last + 12  # type: ignore[arg-type]
    assert kept.asked == 2


def test_a_tick_lies_above_the_version_it_replaces() -> None:
    """A version that was ahead stays behind."""
    clock = TurnedClock()
    ahead = milliseconds(clock.now()) + 5000
    assert Ticks().next(Remembered(), clock.now(), "t", after=ahead) == ahead + 1  # type: ignore[arg-type]
