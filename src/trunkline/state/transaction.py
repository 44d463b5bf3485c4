"""What a unit of work sees: it reads first, decides, and hands over rows, which a group writes together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase

from trunkline.state.memory import Memory, Subject

T = TypeVar("T")
metadata = sa.MetaData()
"""Every table of the state; each is declared in the module that owns it."""

_ORDER = "A unit of work reads first and writes after."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC, kept as whole microseconds since 1970: the same on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - given
        """Turn a moment into microseconds."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - given
        """Turn microseconds into a moment."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Reader:
    """Questions over one consistent snapshot."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self, statement: sa.Select[Any], **bound: Any) -> Sequence[sa.Row[Any]]:
        """Return every row."""
        return self._connection.execute(statement, bound).all()

    def one(self, statement: sa.Select[Any], **bound: Any) -> sa.Row[Any] | None:
        """Return the first row, or None."""
        return self._connection.execute(statement, bound).first()

    def value(self, statement: sa.Select[Any], **bound: Any) -> Any:
        """Return the first column of the first row, or None."""
        return self._connection.execute(statement, bound).scalar()


class Transaction:
    """One unit's view: reads see every earlier unit of the group; writes are handed over, not done yet."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self.batches: list[tuple[UpdateBase, dict[str, Any]]] = []

    @property
    def generation(self) -> int:
        """A number that grows when another process may have written: what a module remembers by itself is old then."""
        return self._writes.memory.generation

    def all(self, statement: sa.Select[Any], **bound: Any) -> Sequence[sa.Row[Any]]:
        """Return every row."""
        return self._writes.reader(statement, self.batches).all(statement, **bound)

    def one(self, statement: sa.Select[Any], **bound: Any) -> sa.Row[Any] | None:
        """Return the first row, or None."""
        return self._writes.reader(statement, self.batches).one(statement, **bound)

    def value(self, statement: sa.Select[Any], **bound: Any) -> Any:
        """Return the first column of the first row, or None."""
        return self._writes.reader(statement, self.batches).value(statement, **bound)

    def recall(self, subject: Subject, key: Hashable, read: Callable[[Transaction], T | None]) -> T | None:
        """Return what an earlier unit read under a key, or read it now; see `Memory`."""
        if self.batches:
            raise RuntimeError(_ORDER)
        found: T | None = self._writes.memory.recall(subject, key, lambda: read(self))
        return found

    def hand(self, statement: UpdateBase, **row: Any) -> None:
        """Hand over an insert, update or delete; rows of the same statement are written together."""
        self.batches.append((statement, row))


class _Touched(NamedTuple):
    """The tables of a statement: the one it writes ("" if none), and all that it mentions."""

    written: str
    all: frozenset[str]


@dataclass(slots=True)
class _Batch:
    """Rows of one statement; all have the same columns."""

    statement: UpdateBase
    touched: _Touched
    rows: list[dict[str, Any]]


class Writes:
    """What a group is going to write, in order, one batch a statement where the order allows it.

    `memory` is what earlier groups read; without one the group begins with none.
    """

    def __init__(self, connection: sa.Connection, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self._connection = connection
        self._reader = Reader(connection)
        self._batches: list[_Batch] = []
        self.written: set[str] = set()

    def take(self, transaction: Transaction) -> None:
        """Add what a unit handed over."""
        for statement, row in transaction.batches:
            touched = _touched(statement)
            self.memory.note(touched.written, row)
            self.written.add(touched.written)
            self._rows(statement, touched, row).append(row)

    def _rows(self, statement: UpdateBase, touched: _Touched, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Find the batch to join: the last of this statement and these columns, unless order forbids it."""
        for batch in reversed(self._batches):
            if batch.statement is statement and batch.rows[0].keys() == row.keys():
                return batch.rows
            if batch.touched.written in touched.all or touched.written in batch.touched.all:
                break
        batch = _Batch(statement, touched, [])
        self._batches.append(batch)
        return batch.rows

    def reader(self, statement: sa.Select[Any], own: Sequence[Any]) -> Reader:
        """Give a reader that sees what earlier units of the group wrote to the statement's tables."""
        if own:
            raise RuntimeError(_ORDER)
        if self._batches:
            read = _touched(statement).all
            if any(batch.touched.written in read for batch in self._batches):
                self.flush()
        return self._reader

    def flush(self) -> None:
        """Write everything taken so far within the open transaction."""
        batches, self._batches = self._batches, []
        for batch in batches:
            self._connection.execute(batch.statement, batch.rows)


_known: dict[int, tuple[sa.Select[Any] | UpdateBase, _Touched]] = {}


def _touched(statement: sa.Select[Any] | UpdateBase) -> _Touched:
    """Name the tables a statement touches; statements are module constants, so this is worked out once each."""
    known = _known.get(id(statement))
    if known is None or known[0] is not statement:
        names = {str(element.name) for element in sa.sql.visitors.iterate(statement) if isinstance(element, sa.Table)}
        written = ""
        if isinstance(statement, UpdateBase):
            written = str(statement.entity_description["table"].name)
            names.add(written)
        if len(_known) > 1000:
            _known.clear()
        known = _known[id(statement)] = (statement, _Touched(written, frozenset(names)))
    return known[1]
