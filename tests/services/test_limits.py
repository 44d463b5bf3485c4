"""Sliding windows: exact against a plain count of the past, and bounded in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.catalogue.rows import Limit, Operation, Service
from trunkline.clock import TurnedClock
from trunkline.errors import LimitedError
from trunkline.services.limits import Limits


def limiting(clock: TurnedClock, *rows: tuple[str, int, int], most_counters: int = 1000) -> Limits:
    """Make limits of one operation: what for, how many, in how many seconds."""
    limits = tuple(
        Limit(operations=("Do",), per=per, count=count, seconds=seconds)  # type: ignore[arg-type]
        for per, count, seconds in rows
    )
    service = Service(
        title="T", prefixes=("/t",), operations={"Do": Operation(brief="Does.", route="POST /t")}, limits=limits
    )
    return Limits([service], clock, most_counters=most_counters)


def taken(limits: Limits, user: str = "u", thread: str = "t", operation: str = "Do") -> int:
    """Take once; return 0, or the seconds to wait."""
    try:
        limits.take(operation, resource="r", user=user, thread=thread)
    except LimitedError as error:
        return int(error.facts["retry_after_s"])
    return 0


@given(st.lists(st.tuples(st.integers(0, 4000), st.sampled_from("ab")), max_size=60))
def test_a_window_slides_exactly(steps: list[tuple[int, str]]) -> None:
    """Never more than the limit within any window; refused only when it is full; Retry-After is enough."""
    clock = TurnedClock()
    limits = limiting(clock, ("user", 3, 5), ("resource", 5, 20))
    past: list[tuple[int, str]] = []
    at = 0
    for step, user in steps:
        clock.advance(step / 1000)
        at += step
        mine = [one for one in past if one[1] == user and one[0] > at - 5000]
        everyone = [one for one in past if one[0] > at - 20_000]
        wait = taken(limits, user)
        assert (wait > 0) == (len(mine) >= 3 or len(everyone) >= 5)
        if wait:
            ends = [one[0] + 5000 for one in mine[-3:-2]] + [one[0] + 20_000 for one in everyone[-5:-4]]
            assert max(ends) - at <= wait * 1000 < max(ends) - at + 1000
        else:
            past.append((at, user))


def test_what_has_no_limit_is_not_counted() -> None:
    """An operation without a row is always taken."""
    limits = limiting(TurnedClock(), ("resource", 1, 1))
    assert {taken(limits, operation="Other") for _ in range(10)} == {0}


def test_silent_counters_go() -> None:
    """After a window without a request nothing is left of whoever made them."""
    clock = TurnedClock()
    limits = limiting(clock, ("user in thread", 2, 10))
    for number in range(500):
        taken(limits, thread=str(number))
    (window,) = limits._windows["Do"]
    assert len(window._counters) == 500
    clock.advance(10)
    taken(limits)
    assert len(window._counters) == 1


def test_there_are_never_more_counters_than_allowed() -> None:
    """A flood of names costs a bounded amount of memory; the busy are remembered longest."""
    limits = limiting(TurnedClock(), ("thread", 2, 10), most_counters=10)
    for _ in range(2):
        taken(limits, thread="busy")
    for number in range(1000):
        taken(limits, thread=f"{number}" * 100)
        if number % 5 == 0:
            assert taken(limits, thread="busy") > 0
    (window,) = limits._windows["Do"]
    assert len(window._counters) == 10
    assert all(isinstance(key, int) for key in window._counters)


def test_a_clock_set_back_locks_nobody_out() -> None:
    """The machine's clock may jump; then the count begins anew."""
    clock = TurnedClock()
    limits = limiting(clock, ("user", 1, 10))
    assert taken(limits) == 0
    clock._now -= clock._now - TurnedClock().now().replace(hour=1)
    assert taken(limits) == 0
    assert taken(limits) == 10
