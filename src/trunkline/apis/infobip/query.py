"""A query as it is kept: in the vendor's words, every one of them checked."""

from __future__ import annotations

from datetime import datetime

import msgspec

from trunkline.services.resources import Resource

CHANNEL_CODE = "CHANNEL_CODE"
VOICE = "VOICE_VIDEO"
NOT_AVAILABLE = "N/A"
Value = str | int


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """A span of time from a second on, to another one, which is not in it; None is without end."""

    since_s: int
    until_s: int | None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of which accounts (by their names): metrics over a span, by dimensions, filtered.

    Of the dimensions of time only the finest stands in `by`, and the channel always does. `filters` holds values and
    `spans` spans of time by the dimension that they are about; `pairs` are applications with entities, "" being any.
    `zone` is "" unless one was asked for.
    """

    accounts: tuple[str, ...]
    since: datetime
    until: datetime
    channels: tuple[str, ...]
    by: tuple[str, ...]
    metrics: tuple[str, ...]
    zone: str = ""
    filters: dict[str, tuple[Value, ...]] = {}
    spans: dict[str, tuple[Bucket, ...]] = {}
    pairs: tuple[tuple[str, str], ...] = ()


def account_key(resource: Resource) -> str:
    """Return the key by which an account goes here: 32 digits, which its SID has too."""
    return resource.sid[2:].upper()


def bucket_name(seconds: int) -> str:
    """Return the vendor's name of the time bucket that begins at a second."""
    for unit, of in (("DAYS", 86_400), ("HOURS", 3600), ("MINUTES", 60)):
        if seconds >= of:
            return f"{unit}_{seconds // of}"
    return f"SECONDS_{seconds}"
