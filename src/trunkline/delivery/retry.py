"""Event Grid's ladder: when a failed parcel is tried again, and when it is given up.

Source: the documentation's page on delivery and retry.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from trunkline.delivery.parcel import Outcome, Parcel, Reason
from trunkline.errors import InvalidError

LADDER_S = (10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600)
TOP_S = 43_200
"""Every rung above the ladder; parcels live for a day at most, so it is not climbed often."""

MOST_ATTEMPTS = 30
MOST_MINUTES = 1440
JITTER = 0.1
"""The largest share by which a wait is stretched, so that what failed together does not return together."""

_LEAST_S = 10
_LEAST_BY_STATUS_S = {404: 300, 408: 120, 503: 30}
_LEAST_BY_OUTCOME_S = {Outcome.UNREACHABLE: 30, Outcome.UNRESOLVED: 300, Outcome.REFUSED: 300}
_SUCCESSES = frozenset({200, 201, 202, 203, 204})
_FINAL = frozenset({400, 401, 403, 413})


def outcome_of(status: int) -> Outcome:
    """Tell what a status means for a parcel: redirects are failures too."""
    if status in _SUCCESSES:
        return Outcome.DELIVERED
    return Outcome.REJECTED if status in _FINAL else Outcome.FAILED


def wait_s(attempts: int, status: int, outcome: Outcome, random: Callable[[], float]) -> float:
    """Return the seconds to wait after that many attempts; `random` gives 0.0 to 1.0."""
    rung = LADDER_S[attempts - 1] if attempts <= len(LADDER_S) else TOP_S
    least = _LEAST_BY_STATUS_S.get(status, _LEAST_BY_OUTCOME_S.get(outcome, _LEAST_S))
    return max(rung, least) * (1 + JITTER * random())


def next_step(
    parcel: Parcel, status: int, outcome: Outcome, now: datetime, random: Callable[[], float]
) -> datetime | Reason:
    """Return when a parcel whose attempt just failed is tried again, or why it is not.

    `parcel.attempts` counts that attempt. Its time to live is only looked at when the next attempt is due.
    """
    if outcome is Outcome.REJECTED:
        return Reason.REJECTED
    if parcel.attempts >= parcel.most_attempts:
        return Reason.ATTEMPTS
    return now + timedelta(seconds=wait_s(parcel.attempts, status, outcome, random))


def is_expired(parcel: Parcel, now: datetime) -> bool:
    """Tell whether a parcel that is due is too old to be tried."""
    return now >= parcel.expires_at


def check_policy(most_attempts: int, live_minutes: int) -> None:
    """Check a retry policy; raises InvalidError."""
    if not 1 <= most_attempts <= MOST_ATTEMPTS:
        raise InvalidError(f"The delivery attempts must be 1 to {MOST_ATTEMPTS}.", target="maxDeliveryAttempts")
    if not 1 <= live_minutes <= MOST_MINUTES:
        raise InvalidError(f"The time to live must be 1 to {MOST_MINUTES} minutes.", target="eventTimeToLiveInMinutes")
