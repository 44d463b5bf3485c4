"""A carrier: takes text messages to phones, and says later what became of them."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One text message to one recipient; `attempt` counts from 1.

    The same message may be handed over again after a crash: a carrier knows it by its `id`.
    """

    id: str
    sender: str
    recipient: str
    content: str
    segments: int
    attempt: int = 1


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The carrier took the message.

    `outcome` is what it will report `after_ms` later: a row of the catalogue's delivery outcomes. Without one, the
    carrier reports by itself, or never.
    """

    outcome: str = ""
    after_ms: int = 0


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """The carrier does not take the message now; it is to be offered again after `retry_after_ms`."""

    retry_after_ms: int


class Carrier(Protocol):
    """A way to phones."""

    async def submit(self, text: Text) -> Taken | Busy:
        """Offer a message; several are offered at once. Whatever is raised means that it is unavailable for now."""
        ...
