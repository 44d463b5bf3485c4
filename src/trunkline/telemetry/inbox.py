"""The inbox: facts wait here, durable, until the loader has brought them into the fact store.

Facts ride the writer's next group: one row a kind of fact and group, its facts packed together. The rows of
a process are numbered by its one writer thread, so that the loader can tell exactly what it has loaded.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence

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
_there = sa.select(inbox.c.number).where(
    inbox.c.process == sa.bindparam("process"), inbox.c.number == sa.bindparam("number")
)
_sizes = (
    sa.select(inbox.c.number, sa.func.length(inbox.c.body).label("size"))
    .where(inbox.c.process == sa.bindparam("process"), inbox.c.number > sa.bindparam("after"))
    .order_by(inbox.c.number)
    .limit(5000)
)
_after = (
    sa.select(inbox.c.number, inbox.c.fact, inbox.c.body)
    .where(
        inbox.c.process == sa.bindparam("process"),
        inbox.c.number > sa.bindparam("after"),
        inbox.c.number <= sa.bindparam("last"),
    )
    .order_by(inbox.c.number)
)
_drop = sa.delete(inbox).where(inbox.c.process == sa.bindparam("of_process"), inbox.c.number < sa.bindparam("up_to"))
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind.table: msgspec.msgpack.Decoder(list[kind]) for kind in KINDS}  # type: ignore[valid-type]
EMBEDDED = "embedded"


_log = logging.getLogger(__name__)
MOST_A_GROUP = 5000
MOST_BYTES_AT_ONCE = 4 * 1024 * 1024
MOST_BYTES_WAITING = 64 * 1024 * 1024
Block = tuple[str, bytes]
"""A table and facts for it, packed."""
Before = Callable[[Transaction], bytes | None]
Beside = Callable[[Transaction], None]


def pack(facts: Sequence[Fact]) -> bytes:
    """Pack facts of one kind; raises ValueError, TypeError or OverflowError for what cannot be."""
    return _encoder.encode(facts)


class Inbox:
    """Facts of this process on their way to the store."""

    def __init__(self, database: Database, *, process: str = EMBEDDED, limit: int = 200_000) -> None:
        self._database = database
        self._process = process
        self._limit = limit
        self._pending: list[Fact] = []
        self._boarded = 0
        self._lock = threading.Lock()
        self._next = 0  # the highest number used; none is used twice (writer thread)
        self._last = 0  # the highest number of what rides (writer thread)
        self._weights: deque[tuple[int, int]] = deque()
        self.waiting_bytes = 0  # kept, and not loaded yet
        self._taken_by: dict[str, int] = {}  # how many were taken when one of a table was last
        self._riding: dict[str, int] = {}  # the highest number of what rides, by table (writer thread)
        self._durable_by: dict[str, int] = {}
        self._opened = 0
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
        self._next = self._last = self.durable = self._opened = max(kept, loaded)
        return max(0, first - 1 - loaded)

    @property
    def pending(self) -> int:
        """Count the facts that are not durable yet."""
        return len(self._pending)

    def taken_of(self, tables: Iterable[str]) -> int:
        """Return how many facts were taken when the last one of some tables was."""
        return max((self._taken_by.get(table, 0) for table in tables), default=0)

    def durable_of(self, tables: Iterable[str]) -> int:
        """Return the highest number of a durable row that may hold facts of some tables."""
        return max((self._durable_by.get(table, self._opened) for table in tables), default=self._opened)

    def put(self, fact: Fact) -> None:
        """Let a fact ride the next group. Raises OverloadedError when too many wait."""
        with self._lock:
            if len(self._pending) >= self._limit:
                raise OverloadedError("Too many facts are waiting to be stored.", retry_after_s=1)
            self._pending.append(fact)
            self.taken += 1
            self._taken_by[fact.table] = self.taken
        self._database.nudge()

    async def keep(
        self, blocks: Sequence[Block], *, before: Before | None = None, beside: Beside | None = None
    ) -> bytes | None:
        """Keep packed facts and return once they are durable: None, or what `before` found, and nothing is kept then.

        What `beside` hands over is written together with them. Raises OverloadedError when the loader does not keep
        up, and what `Database.write` raises.
        """
        weight = sum(len(body) for _, body in blocks)
        if self.waiting_bytes > MOST_BYTES_WAITING:
            raise OverloadedError("Too many facts are waiting to be loaded.", retry_after_s=1)
        numbers: list[int] = []

        def unit(transaction: Transaction) -> bytes | None:
            if before is not None and (found := before(transaction)) is not None:
                return found
            if numbers and transaction.value(_there, process=self._process, number=numbers[-1]) is not None:
                return None  # a commit that failed has reached the disk all the same
            numbers[:] = range(self._next + 1, self._next + 1 + len(blocks))
            self._next += len(blocks)
            for number, (table, body) in zip(numbers, blocks, strict=True):
                transaction.hand(_put, process=self._process, number=number, fact=table, body=body)
            if beside is not None:
                beside(transaction)
            return None

        found = await self._database.write(unit)
        if found is None and numbers:
            with self._lock:
                self._weights.append((numbers[-1], weight))
                self.waiting_bytes += weight
                self.durable = max(self.durable, numbers[-1])
                for number, (table, _) in zip(numbers, blocks, strict=True):
                    self._durable_by[table] = max(self._durable_by.get(table, 0), number)
        return found

    def board(self, transaction: Transaction) -> None:
        """Pack what waits into rows of the group (writer thread)."""
        if self._boarded:
            self._look_back(transaction)
        with self._lock:
            facts = self._pending[:MOST_A_GROUP]
        self._boarded = len(facts)
        self._riding = {}
        kinds: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            kinds[fact.table].append(fact)
        for table, those in kinds.items():
            self._next += 1
            self._riding[table] = self._next
            transaction.hand(_put, process=self._process, number=self._next, fact=table, body=self._pack(those))
        self._last = self._next

    def _look_back(self, transaction: Transaction) -> None:
        """Find out how the last group ended: a commit that failed may have reached the disk all the same."""
        if transaction.value(_there, process=self._process, number=self._last) is not None:
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
            self.durable = max(self.durable, self._last)
            for table, number in self._riding.items():
                self._durable_by[table] = max(self._durable_by.get(table, 0), number)
            self.stored += self._boarded  # last: whoever waits for it asks then for the rest
        self._boarded = 0
        if more:
            self._database.nudge()

    def after(self, number: int) -> list[tuple[int, str, list[Fact]]]:
        """Read some of the rows after a number: number, kind and facts (any thread)."""
        sizes = self._database.read_now(lambda reader: reader.all(_sizes, process=self._process, after=number))
        last, total = number, 0
        for row in sizes:
            total += row.size
            if total > MOST_BYTES_AT_ONCE and last > number:
                break
            last = row.number
        if last == number:
            return []
        rows = self._database.read_now(
            lambda reader: reader.all(_after, process=self._process, after=number, last=last)
        )
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

        def unit(transaction: Transaction) -> None:
            # what rides and may have arrived is told by its last row: until that is known it stays
            least = min(up_to, self._last) if self._boarded else up_to
            transaction.hand(_drop, of_process=self._process, up_to=least)

        await self._database.write(unit)

    def loaded(self, up_to: int) -> None:
        """Take note of what the store holds: it weighs no more."""
        while self._weights and self._weights[0][0] <= up_to:
            self.waiting_bytes -= self._weights.popleft()[1]


def _is_sound(fact: Fact) -> bool:
    try:
        _encoder.encode(fact)
    except (ValueError, TypeError, OverflowError):
        _log.exception("a fact cannot be packed and is left out: %r", fact)
        return False
    return True
