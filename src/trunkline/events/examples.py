"""Examples: a believable event of a type, for firing at a webhook by hand."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from trunkline.catalogue.acs import identifiers
from trunkline.catalogue.rows import Catalogue, Happening
from trunkline.clock import milliseconds
from trunkline.errors import NotFoundError
from trunkline.events.event import Event
from trunkline.ids import Ids


def example(catalogue: Catalogue, event_type: str, resource: str, now: datetime, ids: Ids) -> Event:
    """Make an event as if it had just happened, carrying whatever its happening carries.

    The type's name is found in any case and without its vendor's prefix too. Raises NotFoundError.
    """
    wanted = event_type.casefold()
    for name, row in catalogue.event_types.items():
        if wanted in {name.casefold(), name.rpartition(".")[2].casefold()}:
            return Event(
                id=ids.guid(),
                name=row.on,
                resource=resource,
                at=now,
                cause=ids.ms_cv(),
                facts=_facts(catalogue.happenings[row.on], now, ids),
            )
    raise NotFoundError(f"There is no event type {event_type!r}.", target=event_type)


def _facts(happening: Happening, now: datetime, ids: Ids) -> dict[str, Any]:
    users = [identifiers.mint(str(uuid.UUID(bytes=ids.bytes(16))), ids.bytes(16)) for _ in range(2)]
    ada, ben = (
        {"id": user, "display_name": name, "metadata": {}} for user, name in zip(users, ("Ada", "Ben"), strict=True)
    )
    known: dict[str, Any] = {
        "thread_id": f"19:{ids.token(32)}@thread.v2",
        "topic": "Order 1024",
        "content": "Where is my order?",
        "type": "text",
        "metadata": {"example": "true"},
        "sender_id": users[0],
        "sender_display_name": "Ada",
        "participant": ben,
        "participant_id": users[1],
        "participants": [ada, ben],
        "recipients": [users[1]],
    }
    known |= {name: _filled(value, now, ids) for name, value in happening.example.items()}
    return {name: known.get(name, _of_kind(name, users[0], now)) for name in happening.carries}


def _filled(value: Any, now: datetime, ids: Ids) -> Any:
    """Return a value of the catalogue's row with its moments and ids: "now", and texts with {guid} in them."""
    if isinstance(value, dict):
        return {name: _filled(one, now, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, now, ids) for one in value]
    if value == "now":
        return now
    return value.replace("{guid}", ids.guid()) if isinstance(value, str) else value


def _of_kind(name: str, user: str, now: datetime) -> Any:
    """Guess a value from the ending of a fact's name."""
    if name.endswith("_at"):
        return now
    if name.endswith("_by"):
        return user
    if name == "version":
        return milliseconds(now)
    return str(milliseconds(now)) if name.endswith("_id") else name.replace("_", " ")
