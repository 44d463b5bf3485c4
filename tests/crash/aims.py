"""Aims: the moments at which a life is ended, by chance or by looking at the frozen process until one has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.autopsy import Wounds


@dataclass(frozen=True)
class Glance:
    """What is seen of a frozen process.

    Whether it is inside a writing transaction, how many requests are unanswered, and what else is under way.
    """

    writes: bool
    unanswered: int
    wounds: Wounds


@dataclass(frozen=True)
class Aim:
    """One moment.

    `is_it` looks at the frozen process; without it the process is killed at random, unseen. `starting`: before it is
    ready. `in_a_retry`: traffic begins once a second attempt hangs at the receiver. `refusing`: see `Receiver`.
    """

    name: str
    is_it: Callable[[Glance], bool] | None = None
    starting: bool = False
    in_a_retry: bool = False
    refusing: tuple[float, ...] = (0.2, 0.05)


ANY = Aim("any moment")
STARTING = Aim("while it starts", starting=True)
TRANSACTION = Aim("in a transaction", lambda seen: seen.writes and seen.unanswered > 0)
HAND_OVER = Aim("before a hand-over", lambda seen: seen.wounds.untold > 0)
RETRIES = Aim("with retries waiting", lambda seen: seen.wounds.retries > 0)
POST = Aim("in a post", lambda seen: seen.wounds.posts > 0)
REPOST = Aim("in a retry", lambda seen: seen.wounds.reposts > 0, in_a_retry=True)
ALL_AT_ONCE = Aim(
    "all at once",
    lambda seen: bool(
        seen.writes and seen.unanswered and seen.wounds.untold and seen.wounds.retries and seen.wounds.posts
    ),
)
ALL_IN_A_RETRY = Aim(
    "all, in a retry",
    lambda seen: bool(seen.writes and seen.unanswered and seen.wounds.untold and seen.wounds.reposts),
    in_a_retry=True,
    refusing=(),
)
EVERY = (RETRIES, TRANSACTION, HAND_OVER, ANY, REPOST, POST, STARTING, ALL_AT_ONCE, ANY, STARTING)
"""What the long run goes through again and again."""
