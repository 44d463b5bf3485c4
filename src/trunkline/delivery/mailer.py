"""A mailer: takes letters (e-mail to one recipient each) to whoever delivers them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from trunkline.errors import TrunklineError


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One e-mail in plain text to one recipient; offered twice after a crash, it is known by its `id`."""

    id: str
    sender: str
    recipient: str
    subject: str
    text: str
    made_at: datetime


class ReturnedError(TrunklineError):
    """The letter will never be taken, however often it is offered."""


class Mailer(Protocol):
    """A way to mailboxes."""

    async def send(self, letter: Letter) -> None:
        """Hand a letter over.

        Raises ReturnedError when it will never be taken, UnavailableError when it may be later; neither tells a secret.
        """
        ...
