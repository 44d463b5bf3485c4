"""The ladder: when a parcel is tried again, and when never."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.rig import a_parcel
from trunkline.clock import TurnedClock
from trunkline.delivery.parcel import Outcome, Reason
from trunkline.delivery.retry import JITTER, LADDER_S, check_policy, is_expired, next_step, outcome_of, wait_s
from trunkline.errors import InvalidError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_only_200_to_204_are_successes() -> None:
    """Other 2xx, redirects and everything else are failures."""
    delivered = [status for status in range(100, 600) if outcome_of(status) is Outcome.DELIVERED]
    assert delivered == [200, 201, 202, 203, 204]


def test_four_statuses_are_never_tried_again() -> None:
    """Whatever the policy allows."""
    final = [status for status in range(100, 600) if outcome_of(status) is Outcome.REJECTED]
    assert final == [400, 401, 403, 413]
    parcel = a_parcel(TurnedClock(), "http://hooks.example/", attempts=1)
    assert next_step(parcel, 400, Outcome.REJECTED, NOW, lambda: 0.0) is Reason.REJECTED


@pytest.mark.parametrize(
    ("status", "outcome", "least_s"),
    [
        (404, Outcome.FAILED, 300),
        (408, Outcome.FAILED, 120),
        (503, Outcome.FAILED, 30),
        (500, Outcome.FAILED, 10),
        (0, Outcome.TIMED_OUT, 10),
        (0, Outcome.UNREACHABLE, 30),
        (0, Outcome.UNRESOLVED, 300),
    ],
)
def test_some_failures_wait_longer_at_first(status: int, outcome: Outcome, least_s: int) -> None:
    """A minimum by status or outcome lies under every rung."""
    assert wait_s(1, status, outcome, lambda: 0.0) == least_s
    assert wait_s(7, status, outcome, lambda: 0.0) == 3600


@given(st.integers(1, 29), st.floats(0, 1), st.sampled_from([0, 404, 408, 429, 500, 503]))
def test_jitter_only_stretches_and_only_a_little(attempts: int, chance: float, status: int) -> None:
    """A wait is never shorter than its rung and at most a tenth longer."""
    bare = wait_s(attempts, status, Outcome.FAILED, lambda: 0.0)
    assert bare >= (LADDER_S[attempts - 1] if attempts <= 9 else 43_200)
    assert bare <= wait_s(attempts, status, Outcome.FAILED, lambda: chance) <= bare * (1 + JITTER) + 1e-6


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_parcel_is_tried_as_often_as_its_policy_says(most: int, attempts: int) -> None:
    """After the last allowed attempt there is a reason instead of a moment."""
    parcel = a_parcel(TurnedClock(), "http://hooks.example/", attempts=attempts, most_attempts=most)
    step = next_step(parcel, 500, Outcome.FAILED, NOW, lambda: 0.0)
    assert (step is Reason.ATTEMPTS) if attempts >= most else (isinstance(step, datetime) and step > NOW)


def test_a_parcel_expires_at_the_end_of_its_life() -> None:
    """Not a second before."""
    clock = TurnedClock(NOW)
    parcel = a_parcel(clock, "http://hooks.example/", expires_at=NOW + timedelta(minutes=1))
    assert not is_expired(parcel, NOW + timedelta(seconds=59))
    assert is_expired(parcel, NOW + timedelta(seconds=60))


@pytest.mark.parametrize(("attempts", "minutes"), [(0, 60), (31, 60), (30, 0), (30, 1441)])
def test_a_policy_outside_the_bounds_is_refused(attempts: int, minutes: int) -> None:
    """1 to 30 attempts, 1 to 1440 minutes."""
    check_policy(1, 1)
    check_policy(30, 1440)
    with pytest.raises(InvalidError):
        check_policy(attempts, minutes)
