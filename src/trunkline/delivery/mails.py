"""Mails: letters that are owed are rows, and the postman takes them to the mailer.

A letter is handed over in the transaction of its cause, and leaves by a write of its outcome: after a crash it is
offered again under the same id. The process on duty carries the letters of a database.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.delivery.mailer import Letter, Mailer, ReturnedError
from trunkline.errors import TrunklineError
from trunkline.state.database import Database
from trunkline.state.rounds import Rounds
from trunkline.state.transaction import Moment, Transaction, metadata
from trunkline.state.trouble import mention

_log = logging.getLogger(__name__)
LADDER_S = (10, 30, 60, 300, 600, 1800)
"""How long a letter waits after each attempt; the last one again and again."""

LIFE = timedelta(days=1)
MOST_AT_ONCE = 20
SLOW_POLL_S = 60.0
_AFTER_A_FAILURE_S = 1.0

mails = sa.Table(
    "mails",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("sender", sa.String(320), nullable=False),
    sa.Column("recipient", sa.String(320), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Index("mails_due", "due_at"),
)
_put = sa.insert(mails)
_due = (
    sa.select(mails)
    .where(mails.c.due_at <= sa.bindparam("now", type_=Moment))
    .order_by(mails.c.due_at)
    .limit(MOST_AT_ONCE)
)
_next = sa.select(sa.func.min(mails.c.due_at, type_=Moment))
_drop = sa.delete(mails).where(mails.c.id == sa.bindparam("of_id"))
_wait = (
    sa.update(mails)
    .where(mails.c.id == sa.bindparam("of_id"))
    .values(due_at=sa.bindparam("due_at"), attempts=sa.bindparam("attempts"))
)


def put(transaction: Transaction, letter: Letter) -> None:
    """Hand over a letter within the transaction of its cause."""
    transaction.hand(_put, due_at=letter.made_at, attempts=0, **msgspec.structs.asdict(letter))


class Postman:
    """Takes letters to a mailer from `start` to `stop`; `nudge` makes it look at once."""

    def __init__(self, database: Database, clock: Clock, mailer: Mailer) -> None:
        self._database = database
        self._clock = clock
        self._mailer = mailer
        self._rounds = Rounds(
            database,
            clock,
            self._carry,
            log=_log,
            words="letters cannot be carried",
            tables=[mails.name],
            again_s=_AFTER_A_FAILURE_S,
        )
        self.start, self.stop, self.nudge = self._rounds.start, self._rounds.stop, self._rounds.nudge
        self.sent = 0
        self.given_up = 0

    async def _carry(self) -> datetime:
        """Take what is due to the mailer; returns when something is due again, at the latest when to look."""
        while True:
            now = self._clock.now()
            rows = await self._database.read(lambda reader, now=now: reader.all(_due, now=now))  # type: ignore[misc]
            if not rows:
                break
            await asyncio.gather(*(self._offer(row) for row in rows))
        first: datetime | None = await self._database.read(lambda reader: reader.value(_next))
        latest = self._clock.now() + timedelta(seconds=SLOW_POLL_S)
        return latest if first is None else min(latest, first)

    async def _offer(self, row: sa.Row[tuple[object, ...]]) -> None:
        """Offer one letter, and write what became of it."""
        letter = Letter(**{name: row._mapping[name] for name in Letter.__struct_fields__})  # noqa: SLF001 - public
        attempts: int = row.attempts + 1
        try:
            await self._mailer.send(letter)
        except ReturnedError as error:
            _log.error("the letter %s is given up: %s", letter.id, error.message)
            self.given_up += 1
        except TrunklineError as error:
            now = self._clock.now()
            if now - letter.made_at < LIFE:
                mention(_log, f"the letter {letter.id} is tried again", error)
                due_at = now + timedelta(seconds=LADDER_S[min(attempts, len(LADDER_S)) - 1])
                await self._database.write(
                    lambda transaction: transaction.hand(_wait, of_id=letter.id, due_at=due_at, attempts=attempts)
                )
                return
            _log.error("the letter %s is given up after a day: %s", letter.id, error.message)
            self.given_up += 1
        else:
            self.sent += 1
        await self._database.write(lambda transaction: transaction.hand(_drop, of_id=letter.id))
