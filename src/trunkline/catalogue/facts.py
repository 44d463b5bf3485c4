"""The facts that are remembered: one class each, whose fields are the columns of its table."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True, omit_defaults=False):
    """Something that happened at a moment; `table` names where facts of the kind are kept."""

    table: ClassVar[str]

    happened_at: datetime


class Request(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One API request that was answered.

    `happened_at` is when it arrived. `served` is false for an operation that the original serves and Trunkline does
    not yet: no health rule counts it. `status_class` is "2xx" to "5xx". `extra` holds dimensions that only
    some services have.
    """

    table: ClassVar[str] = "requests"

    resource: str
    service: str
    operation: str
    status: int
    status_class: str
    served: bool = True
    api_version: str = ""
    ms_cv: str = ""
    request_id: str = ""
    client_request_id: str = ""
    correlation_id: str = ""
    sdk: str = ""
    caller: str = ""
    caller_ip: str = ""
    duration_ms: float = 0.0
    extra: dict[str, str] = {}


class Attempt(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One attempt to deliver a parcel of events.

    `status` is the HTTP status of the answer, 0 when there was none; `outcome` is the neutral word for what
    happened; `number` counts from 1.
    """

    table: ClassVar[str] = "attempts"

    resource: str
    subscription: str
    parcel: str
    event_type: str = ""
    number: int = 1
    status: int = 0
    outcome: str = ""
    duration_ms: float = 0.0


KINDS: tuple[type[Fact], ...] = (Request, Attempt)
"""Every kind of fact; a new kind is a class above and a name here."""


def status_class(status: int) -> str:
    """Return the class of an HTTP status: 404 gives "4xx"."""
    return f"{status // 100}xx"
