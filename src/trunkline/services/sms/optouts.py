"""Opting out: who gets no more messages from a number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.errors import InvalidError
from trunkline.numbering import is_address
from trunkline.services.numbers import Numbers
from trunkline.services.sms.tables import optouts
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction

OUTCOME = "opted_out"
"""What the report of a message says that was not sent for it."""

MOST_RECIPIENTS = 100
_put = sa.insert(optouts)
_among = sa.select(optouts.c.recipient).where(
    optouts.c.resource == sa.bindparam("of_resource"),
    optouts.c.sender == sa.bindparam("of_sender"),
    optouts.c.recipient.in_(sa.bindparam("recipients", expanding=True)),
)
_drop = sa.delete(optouts).where(
    optouts.c.resource == sa.bindparam("of_resource"),
    optouts.c.sender == sa.bindparam("of_sender"),
    optouts.c.recipient == sa.bindparam("of_recipient"),
)


class OptOuts:
    """Adds, removes and checks opt-outs by hand; recipients' own words do it too (`receiving`)."""

    def __init__(self, database: Database, clock: Clock, numbers: Numbers) -> None:
        self._database = database
        self._clock = clock
        self._numbers = numbers

    async def add(self, resource: str, sender: str, recipients: Sequence[str]) -> dict[str, bool]:
        """Let recipients get no more messages; returns the good numbers, each with whether it is opted out."""
        good = self._checked(resource, sender, recipients)
        now = self._clock.now()

        def unit(transaction: Transaction) -> None:
            opt_out(transaction, resource, sender, good, now)

        await self._database.write(unit)
        return dict.fromkeys(good, True)

    async def remove(self, resource: str, sender: str, recipients: Sequence[str]) -> dict[str, bool]:
        """Let recipients get messages again; returns as `add` does."""
        good = self._checked(resource, sender, recipients)

        def unit(transaction: Transaction) -> None:
            opt_in(transaction, resource, sender, good)

        await self._database.write(unit)
        return dict.fromkeys(good, False)

    async def check(self, resource: str, sender: str, recipients: Sequence[str]) -> dict[str, bool]:
        """Tell which recipients get no messages; returns as `add` does."""
        good = self._checked(resource, sender, recipients)
        blocked = await self._database.read(lambda reader: among(reader, resource, sender, good))
        return {one: one in blocked for one in good}

    def _checked(self, resource: str, sender: str, recipients: Sequence[str]) -> list[str]:
        if not 1 <= len(recipients) <= MOST_RECIPIENTS:
            raise InvalidError(f"The request names 1 to {MOST_RECIPIENTS} recipients.", target="recipients")
        self._numbers.check(resource, sender)
        return list(dict.fromkeys(one for one in recipients if is_address(one)))


def among(reader: Reader | Transaction, resource: str, sender: str, recipients: Sequence[str]) -> set[str]:
    """Return those recipients who get no messages from a number."""
    rows = reader.all(_among, of_resource=resource, of_sender=sender, recipients=list(recipients))
    return {row.recipient for row in rows}


def opt_out(transaction: Transaction, resource: str, sender: str, recipients: Sequence[str], now: datetime) -> None:
    """Let recipients, each named once, get no more messages from a number; twice is fine."""
    opt_in(transaction, resource, sender, recipients)
    for one in recipients:
        transaction.hand(_put, resource=resource, sender=sender, recipient=one, since=now)


def opt_in(transaction: Transaction, resource: str, sender: str, recipients: Sequence[str]) -> None:
    """Let recipients get messages from a number again."""
    for one in recipients:
        transaction.hand(_drop, of_resource=resource, of_sender=sender, of_recipient=one)
