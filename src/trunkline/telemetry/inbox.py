"""The inbox: facts wait here, durable, until the loader has brought them into the fact store.

Facts ride the writer's next group: one row a kind of fact and group, its facts packed together. The rows of
a process are numbered by its one writer thread, so that the loader can tell exactly what it has loaded.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.facts import KINDS, Fact
from trunkline.errors import OverloadedError
from trunkline.state.database import Database
from trunkline.state.transaction import Transaction, metadata

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("process", sa.String(40), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("fact", sa.String(40), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_put = sa.insert(inbox)
_lowest = sa.select(sa.func.min(inbox.c.number)).where(inbox.c.process == sa.bindparam("process"))
_highest = sa.select(sa.func.max(inbox.c.number)).where(inbox.c.process == sa.bindparam("process"))
_after = (
    sa.select(inbox.c.number, inbox.c.fact, inbox.c.body)
    .where(inbox.c.process == sa.bindparam("process"), inbox.c.number > sa.bindparam("after"))
    .order_by(inbox.c.number)
    .limit(200)
)
_drop = sa.delete(inbox).where(inbox.c.process == sa.bindparam("of_process"), inbox.c.number < sa.bindparam("up_to"))
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind.table: msgspec.msgpack.Decoder(list[kind]) for kind in KINDS}  # type: ignore[valid-type]
EMBEDDED = "embedded"


_log = logging.getLogger(__name__)
MOST_A_GROUP = 5000


class Inbox:
    """Facts of this process on their way to the store."""

    def __init__(self, database: Database, *, process: str = EMBEDDED, limit: int = 200_000) -> None:
        self._database = database
        self._process = process
        self._limit = limit
        self._pending: list[Fact] = []
        self._boarded = 0
        self._lock = threading.Lock()
        self._number = 0
        self._next = 0
        self.durable = 0
        self.taken = 0
        self.stored = 0
        self.spoiled = 0
        database.carry(self)

    def open(self, loaded: int) -> int:
        """Go on numbering after what is kept here and what the store has loaded.

        Returns how many rows are neither here nor there: the store held them, and does no more.
        """
        first = self._database.read_now(lambda reader: reader.value(_lowest, process=self._process)) or 0
        kept = self._database.read_now(lambda reader: reader.value(_highest, process=self._process)) or 0
        self._number = self._next = self.durable = max(kept, loaded)
        return max(0, first - 1 - loaded)

    @property
    def pending(self) -> int:
        """Count the facts that are not durable yet."""
        return len(self._pending)

    def put(self, fact: Fact) -> None:
        """Let a fact ride the next group. Raises OverloadedError when too many wait."""
        with self._lock:
            if len(self._pending) >= self._limit:
                raise OverloadedError("Too many facts are waiting to be stored.", retry_after_s=1)
            self._pending.append(fact)
            self.taken += 1
        self._database.nudge()

    def board(self, transaction: Transaction) -> None:
        """Pack what waits into rows of the group (writer thread)."""
        if self._boarded:
            self._look_back(transaction)
        with self._lock:
            facts = self._pending[:MOST_A_GROUP]
        self._boarded, self._next = len(facts), self._number
        kinds: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            kinds[fact.table].append(fact)
        for table, those in kinds.items():
            self._next += 1
            transaction.hand(_put, process=self._process, number=self._next, fact=table, body=self._pack(those))

    def _look_back(self, transaction: Transaction) -> None:
        """Find out how the last group ended: a commit that failed may have reached the disk all the same."""
        kept = transaction.value(_highest, process=self._process) or 0
        if self._next > self._number and kept == self._next:
            self.arrived()

    def _pack(self, facts: list[Fact]) -> bytes:
        try:
            return _encoder.encode(facts)
        except (ValueError, TypeError, OverflowError):
            sound = [fact for fact in facts if _is_sound(fact)]
            self.spoiled += len(facts) - len(sound)
            return _encoder.encode(sound)

    def arrived(self) -> None:
        """Forget what is durable now (writer thread)."""
        if not self._boarded:
            return
        with self._lock:
            del self._pending[: self._boarded]
            more = bool(self._pending)
            self.stored += self._boarded
        self._boarded = 0
        self._number = self.durable = self._next
        if more:
            self._database.nudge()

    def after(self, number: int) -> list[tuple[int, str, list[Fact]]]:
        """Read the rows after a number: number, kind and facts (any thread)."""
        rows = self._database.read_now(lambda reader: reader.all(_after, process=self._process, after=number))
        return [(row.number, row.fact, self._unpack(row.number, row.fact, row.body)) for row in rows]

    def _unpack(self, number: int, table: str, body: bytes) -> list[Fact]:
        # facts that cannot be read must not hold up those behind them
        try:
            return _decoders[table].decode(body)
        except (KeyError, msgspec.DecodeError):
            self.spoiled += 1
            _log.exception(
                "row %d of the inbox (%s, %d bytes) cannot be read and is left out", number, table, len(body)
            )
            return []

    async def drop(self, up_to: int) -> None:
        """Remove rows that the store holds, but for the last: it keeps the numbers used, should the store be lost."""
        await self._database.write(lambda transaction: transaction.hand(_drop, of_process=self._process, up_to=up_to))


def _is_sound(fact: Fact) -> bool:
    try:
        _encoder.encode(fact)
    except (ValueError, TypeError, OverflowError):
        _log.exception("a fact cannot be packed and is left out: %r", fact)
        return False
    return True
