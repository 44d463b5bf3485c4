"""The shapes of what Trunkline's own API answers, for its description; the tests hold the answers to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trunkline.apis.trunkline.posted import Rejected

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment as RFC 3339 writes it."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an answer has, and nothing else; what may be left out has a default."""


class Problem(Shape, frozen=True, kw_only=True):
    """An error (RFC 9457): `detail` is a sentence for people, `instance` a mark by which the logs find it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    target: str | UnsetType = UNSET


class Health(Shape, frozen=True, kw_only=True):
    """The process lives; `instance` tells one run from another."""

    status: Literal["alive"]
    version: str
    instance: str


class Readiness(Shape, frozen=True, kw_only=True):
    """Whether requests are taken, and if not, why."""

    status: Literal["ready", "not ready"]
    reasons: list[str] | UnsetType = UNSET


# --- health ---


class Tables(Shape, frozen=True, kw_only=True):
    """The catalogue's tables."""

    services: list[dict[str, Any]]
    other_metrics: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    words: list[dict[str, Any]]
    happenings: list[dict[str, Any]]
    event_types: list[dict[str, Any]]
    untold_event_types: list[dict[str, Any]]
    delivery_outcomes: list[dict[str, Any]]
    simulated_numbers: list[dict[str, Any]]


class Copied(Shape, frozen=True, kw_only=True):
    """A backup: its name, the folder on the server's machine, its size, and how many seconds it took."""

    name: str
    folder: str
    bytes: int
    seconds: float


# --- accounts, keys, bearers ---


class Account(Shape, frozen=True, kw_only=True):
    """An account, without what opens it; `parent` "" is none."""

    name: str
    parent: str
    sid: str
    immutable_resource_id: str
    default: bool
    created_at: Moment


class Accounts(Shape, frozen=True, kw_only=True):
    """The accounts that the caller may see, the default one first."""

    accounts: list[Account]


class Key(Shape, frozen=True, kw_only=True):
    """An API key without its secret; `account` "" is any, `expires_at` null never.

    `sid` is the key's name in Basic authentication, where an SDK takes a key's SID and secret.
    """

    id: str
    sid: str
    name: str
    role: Literal["write", "read", "admin"]
    account: str
    created_at: Moment
    expires_at: Moment | None
    expired: bool
    last_used_at: Moment | None


class MadeKey(Key, frozen=True, kw_only=True):
    """An API key as it is shown this once: `key` is what opens, `secret` the part of it that goes with the `sid`."""

    key: str
    secret: str


class Keys(Shape, frozen=True, kw_only=True):
    """The API keys that are the caller's business, the oldest first."""

    keys: list[Key]


class Token(Shape, frozen=True, kw_only=True):
    """A bearer; `account` "" is any."""

    token: str
    role: Literal["reader", "contributor", "owner"]
    account: str
    expires_at: Moment


# --- facts ---


class Taken(Shape, frozen=True, kw_only=True):
    """How many facts were taken, and which were not: at most 100 of them, and their total.

    `again` says that the chunk of the file had been loaded before, and nothing was taken now.
    """

    accepted: int
    rejected: list[Rejected]
    rejected_total: int
    again: bool | UnsetType = UNSET


class Imported(Shape, frozen=True, kw_only=True):
    """How many chunks of a file have been loaded, the first ones without a gap."""

    file: str
    fact: str
    chunks: int


class Answered(Shape, frozen=True, kw_only=True):
    """One step of one split: the values of the measures in their order; `others` is all that is not of the top."""

    at: Moment
    split: list[str | None]
    values: list[float | None]
    others: bool | UnsetType = UNSET


class Points(Shape, frozen=True, kw_only=True):
    """The answer to a question; `cut` says that the limit left some out."""

    start: Moment
    end: Moment
    measures: list[str]
    by: list[str]
    points: list[Answered]
    cut: bool | UnsetType = UNSET


class Explanation(Shape, frozen=True, kw_only=True):
    """How a question would be answered, asked for by `explain`; `meant` says what vendors' words in it mean."""

    sql: str
    bound: list[str]
    meant: dict[str, str] | UnsetType = UNSET


class Found(Shape, frozen=True, kw_only=True):
    """Facts themselves, without what is not known; `next_skip` stands where there are more."""

    fact: str
    rows: list[dict[str, Any]]
    next_skip: int | UnsetType = UNSET


# --- events ---


class Subscribed(Shape, frozen=True, kw_only=True):
    """An event subscription; its address without the query, where secrets are."""

    name: str
    account: str
    state: str
    problem: str
    url: str
    schema: str
    types: list[str]
    subject_begins: str
    subject_ends: str
    created_at: Moment


class AllSubscribed(Shape, frozen=True, kw_only=True):
    """The event subscriptions of an account."""

    subscriptions: list[Subscribed]


class Fired(Shape, frozen=True, kw_only=True):
    """The example event that is on its way."""

    type: str
    event: str


class DeadLetter(Shape, frozen=True, kw_only=True):
    """An event that could not be delivered."""

    subscription: str
    url: str
    event: dict[str, Any]


class Resent(Shape, frozen=True, kw_only=True):
    """How many events are on their way again."""

    events: int


class DeadLetters(Shape, frozen=True, kw_only=True):
    """The events that could not be delivered, newest first."""

    dead_letters: list[DeadLetter]


# --- messages and numbers ---


class Sent(Shape, frozen=True, kw_only=True):
    """One message to one recipient; `details` is what only its channel has."""

    channel: str
    id: str
    account: str
    sender: str = msgspec.field(name="from")
    to: str
    text: str
    sent_at: Moment
    status: str
    details: dict[str, Any]


class Inbox(Shape, frozen=True, kw_only=True):
    """What was sent, newest first; `complete` says that there were as many as were waited for."""

    messages: list[Sent]
    complete: bool
    rest: str | UnsetType = msgspec.field(name="nextLink", default=UNSET)


class Received(Shape, frozen=True, kw_only=True):
    """The id of the message that came in."""

    id: str


class Owned(Shape, frozen=True, kw_only=True):
    """A number that an account owns; `added_at` is null when the settings name it."""

    number: str
    account: str
    kind: str
    country: str
    added_at: Moment | None
    from_settings: bool
    brief_id: str = ""


class RegisteredUser(Shape, frozen=True, kw_only=True):
    """A Teams user by object id or principal name, and whether a plan makes them eligible."""

    user: str
    tenant: str
    plans: list[str]
    eligible: bool
    added_at: Moment


class AllRegistered(Shape, frozen=True, kw_only=True):
    """The Teams users by name."""

    teams_users: list[RegisteredUser]


class AllOwned(Shape, frozen=True, kw_only=True):
    """The numbers that an account owns."""

    numbers: list[Owned]
