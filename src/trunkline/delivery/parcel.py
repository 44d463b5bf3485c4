"""A parcel: one body on its way to one address, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What happened at an attempt."""

    DELIVERED = "delivered"
    REJECTED = "rejected"  # a status that says: never again
    FAILED = "failed"  # any other status
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"  # no connection, or one that broke
    UNTRUSTED = "untrusted"  # the certificate does not verify
    UNRESOLVED = "unresolved"  # the name leads nowhere
    REFUSED = "refused"  # the guard does not let us go there


class Reason(StrEnum):
    """Why a parcel was given up."""

    ATTEMPTS = "attempts exceeded"
    TIME = "time exceeded"
    REJECTED = "rejected"


class State(StrEnum):
    """Where a parcel is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One body for one address.

    `id` is 0 until the queue has numbered it. `subscription` is the id of whose address it is and
    `subscription_name` its name. `count_header` names the header that tells how many attempts were made
    before, "" for none. `event_type` is "" when the body holds several types. `causes` are the correlation vectors of
    the requests behind its events. `due_at` is when to try next; of a
    dead parcel, when it counts as dead. `attempts` counts those made.
    """

    subscription: str
    subscription_name: str
    resource: str
    url: str
    body: bytes
    headers: dict[str, str]
    made_at: datetime
    due_at: datetime
    expires_at: datetime
    count_header: str = ""
    event_type: str = ""
    event_ids: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    most_attempts: int = 30
    attempts: int = 0
    last_status: int = 0
    last_outcome: str = ""
    tried_at: datetime | None = None
    state: str = State.WAITING
    reason: str = ""
    finished_at: datetime | None = None
    id: int = 0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: `status` is 0 when nothing did; header names are lower case; the body may be cut."""

    outcome: Outcome
    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
