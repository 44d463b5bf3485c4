"""Dead letters: events that were given up, in their schema, with why and after what.

Source: the dead-letter keys of the documentation's page on delivery and retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from trunkline.clock import rfc3339
from trunkline.delivery.parcel import Outcome, Parcel, Reason

_REASONS: Mapping[str, str] = {
    Reason.ATTEMPTS.value: "MaxDeliveryAttemptsExceeded",
    Reason.TIME.value: "TimeToLiveExceeded",
}
_BY_STATUS: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    429: "Busy",
    503: "Busy",
    504: "TimedOut",
}
_BY_OUTCOME: Mapping[str, str] = {
    Outcome.TIMED_OUT.value: "TimedOut",
    Outcome.UNREACHABLE.value: "SocketError",
    Outcome.UNTRUSTED.value: "SocketError",
    Outcome.UNRESOLVED.value: "ResolutionError",
    Outcome.REFUSED.value: "Disabled",
}
_KEYS = (
    "deadLetterReason",
    "deliveryAttempts",
    "lastDeliveryOutcome",
    "publishTime",
    "lastDeliveryAttemptTime",
    "lastHttpStatusCode",
)


def reason_of(parcel: Parcel) -> str:
    """Return the documented word for why a parcel was given up."""
    if parcel.reason == Reason.REJECTED.value:
        return "UndeliverableDueToHttp" + phrase_of(parcel.last_status)
    return _REASONS.get(parcel.reason, parcel.reason)


def outcome_of(parcel: Parcel) -> str:
    """Return the documented word for what happened last."""
    if parcel.last_status:
        return _BY_STATUS.get(parcel.last_status, "GenericError")
    return _BY_OUTCOME.get(parcel.last_outcome, "GenericError")


def phrase_of(status: int) -> str:
    """Return the name of an HTTP status in one word: 400 gives "BadRequest", 0 gives "Unknown"."""
    try:
        return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return str(status) if status else "Unknown"


def render(parcel: Parcel) -> list[dict[str, Any]]:
    """Return the events of a dead parcel, each with the keys of a dead letter."""
    body = msgspec.json.decode(parcel.body)
    events: list[dict[str, Any]] = body if isinstance(body, list) else [body]
    values = (
        reason_of(parcel),
        parcel.attempts,
        outcome_of(parcel) if parcel.attempts else None,
        rfc3339(parcel.made_at, 7),
        rfc3339(parcel.tried_at, 7) if parcel.tried_at else None,
        parcel.last_status or None,
    )
    return [{**event, **_keyed(event, values)} for event in events]


def _keyed(event: Mapping[str, Any], values: tuple[Any, ...]) -> dict[str, Any]:
    """Name the values in the case that the event's schema wants."""
    names = (key.lower() for key in _KEYS) if "specversion" in event else _KEYS
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
