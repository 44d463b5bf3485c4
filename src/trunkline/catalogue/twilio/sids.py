"""SIDs: the ids of 34 characters by which Twilio's SDKs name accounts and calls."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trunkline.ids import digest

_CALL = re.compile(r"CA[0-9a-fA-F]{32}")
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")


def is_call(text: str) -> bool:
    """Tell whether a text has the form of a call's SID."""
    return _CALL.fullmatch(text) is not None


def is_account(text: str) -> bool:
    """Tell whether a text has the form of an account's SID."""
    return _ACCOUNT.fullmatch(text) is not None


def call_sid(leg_id: str, foreign: Iterable[str], call_id: str) -> str:
    """Return the SID of a leg: the one that it has, else one made of its own id.

    It may be the leg's own id or another system's; or the call's, which names all its legs.
    """
    return next((one for one in (leg_id, *foreign, call_id) if is_call(one)), "") or derived(leg_id)


def spellings(text: str) -> list[str]:
    """Return how else facts spell an id: a call's SID may be made of the digest of a leg's own."""
    return [text[2:].lower()] if is_call(text) else []


def derived(leg_id: str) -> str:
    """Return the SID that a leg's id always gives."""
    return f"CA{digest(leg_id)}"
