"""An event: one happening, in neutral words, with what caused it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in a resource.

    `name` is a happening of the catalogue, `cause` the correlation vector of the request behind it, `facts`
    what the happening carries.
    """

    id: str
    name: str
    resource: str
    at: datetime
    cause: str
    facts: dict[str, Any]
