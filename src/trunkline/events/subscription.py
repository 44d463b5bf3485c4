"""A subscription: who wants which events, where to, and in which form; with the rules for all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from trunkline.delivery import retry
from trunkline.errors import InvalidError
from trunkline.events import filters
from trunkline.events.envelopes import EVENT_GRID, LONGEST_HEADER, SCHEMAS
from trunkline.events.filters import Filter

MOST_EVENTS = 5000
LARGEST_BATCH_KB = 1024
MOST_HEADERS = 10

State = Literal["creating", "updating", "awaiting", "active", "failed"]
_NAME = re.compile(r"[A-Za-z0-9-]{3,64}\Z")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RESERVED = frozenset(
    {
        *("accept-encoding", "content-encoding", "content-length", "content-type", "host", "origin"),
        *("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers that the server itself sets, and those that shape the connection."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A header of one's own on every delivery: a fixed value, or one read from the event at the path `source`.

    A fixed value of None keeps the one that is stored under the name; `secret` ones are not shown.
    """

    name: str
    value: str | None = None
    secret: bool = False
    source: str = ""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber asks for.

    `most_events` above 1 asks for batches of at most so many events and preferably `preferred_kb` kilobytes.
    `live_minutes` bounds how long a delivery is tried. `extra` is kept for the API that made the subscription.
    """

    url: str
    schema: str = EVENT_GRID
    filter: Filter = Filter()
    most_events: int = 1
    preferred_kb: int = 64
    headers: tuple[Header, ...] = ()
    most_attempts: int = retry.MOST_ATTEMPTS
    live_minutes: int = retry.MOST_MINUTES
    labels: tuple[str, ...] = ()
    expires_at: datetime | None = None
    extra: dict[str, Any] = {}

    @property
    def batched(self) -> bool:
        """Tell whether several events may go in one delivery."""
        return self.most_events > 1

    @property
    def life(self) -> timedelta:
        """How long a delivery is tried."""
        return timedelta(minutes=self.live_minutes)


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription of a resource.

    `next` is what it becomes once the new address has agreed; until then `spec` goes on. `problem` says why the last
    handshake failed. `code` confirms it by hand until `code_until`.
    """

    id: str
    resource: str
    name: str
    spec: Spec
    state: State
    created_at: datetime
    changed_at: datetime
    next: Spec | None = None
    problem: str = ""
    code: str = ""
    code_until: datetime | None = None

    @property
    def wanted(self) -> Spec:
        """What was asked for last."""
        return self.next or self.spec

    @property
    def is_pending(self) -> bool:
        """Tell whether an address still has to agree."""
        return self.state in {"creating", "updating", "awaiting"}

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.spec.expires_at is not None and self.spec.expires_at <= now

    def is_active(self, now: datetime) -> bool:
        """Tell whether it gets events."""
        return not self.is_over(now) and (self.state == "active" or self.next is not None)

    def __repr__(self) -> str:
        return f"Subscription(resource={self.resource!r}, name={self.name!r}, state={self.state!r})"  # no secrets


def check_name(name: str) -> None:
    """Check a subscription's name; raises InvalidError."""
    if not _NAME.match(name):
        raise InvalidError("The name of an event subscription has 3 to 64 letters, digits and hyphens.", target="name")


def check(spec: Spec, now: datetime) -> None:
    """Check everything but the address; raises InvalidError with a sentence."""
    retry.check_policy(spec.most_attempts, spec.live_minutes)
    filters.check(spec.filter)
    for target, wrong in _problems(spec, now):
        raise InvalidError(wrong, target=target)


def _problems(spec: Spec, now: datetime) -> Iterator[tuple[str, str]]:
    if spec.schema not in SCHEMAS:
        yield "eventDeliverySchema", f"Events of this source are delivered as {' or '.join(SCHEMAS)}."
    if not 1 <= spec.most_events <= MOST_EVENTS:
        yield "maxEventsPerBatch", f"A batch has 1 to {MOST_EVENTS} events."
    if not 1 <= spec.preferred_kb <= LARGEST_BATCH_KB:
        yield "preferredBatchSizeInKilobytes", f"The preferred size of a batch is 1 to {LARGEST_BATCH_KB} kilobytes."
    if spec.expires_at is not None and spec.expires_at <= now:
        yield "expirationTimeUtc", "The expiration must lie in the future."
    if len(spec.headers) > MOST_HEADERS:
        yield "deliveryAttributeMappings", f"There are at most {MOST_HEADERS} delivery attributes."
    if len({header.name.lower() for header in spec.headers}) < len(spec.headers):
        yield "deliveryAttributeMappings", "Two delivery attributes have the same name."
    for header in spec.headers:
        if wrong := _header_problem(header):
            yield "deliveryAttributeMappings", wrong


def _header_problem(header: Header) -> str:
    name = header.name.lower()
    if not _HEADER.match(header.name):
        return f"{header.name!r} cannot be the name of a header."
    if name.startswith(("aeg-", "proxy-")) or name in _RESERVED:
        return f"The header {header.name} is reserved."
    if header.source:
        return "" if all(header.source.split(".")) else f"{header.source!r} is no path into an event."
    if not header.value:
        return f"The delivery attribute {header.name} needs a value or a source field."
    if len(header.value.encode()) > LONGEST_HEADER or _CONTROL.search(header.value):
        return f"The value of {header.name} must be one line of at most {LONGEST_HEADER} bytes."
    return ""


def keeping_values(spec: Spec, old: Spec | None) -> Spec:
    """Fill in the fixed header values that were not given again from those that are stored."""
    stored = {header.name.lower(): header.value for header in old.headers} if old else {}
    headers = tuple(
        msgspec.structs.replace(header, value=stored.get(header.name.lower()))
        if header.value is None and not header.source
        else header
        for header in spec.headers
    )
    return msgspec.structs.replace(spec, headers=headers)


def merged(old: Spec, changes: Mapping[str, Any]) -> Spec:
    """Apply changes; a missing or None member keeps what is stored."""
    given = {name: value for name, value in changes.items() if value is not None}
    if "extra" in given:
        given["extra"] = {**old.extra, **given["extra"]}
    return keeping_values(msgspec.structs.replace(old, **given), old)
