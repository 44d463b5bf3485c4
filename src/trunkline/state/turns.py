"""Turns: processes that share a database write to it one after the other, a group at a time.

On SQLite a process has its folder for itself. On PostgreSQL each group takes one lock when it begins and lets go of it
with its commit, so that units of work decide on what is there, whoever wrote it. A turn learns whether anybody else
wrote since this process had its last one, and says what it writes itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

CHANNEL = "trunkline"
PATIENCE_S = 5.0
_BETWEEN_TRIES_S = 0.1
_next_xid = sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
_my_xid = sa.text("SELECT pg_current_xact_id()::text")
_say = sa.text("SELECT pg_notify(:channel, :words)")
_status = sa.text("SELECT pg_xact_status(CAST(:xid AS xid8))")


class UnknownOutcomeError(Exception):
    """The connection was lost during a commit, and nobody can be asked whether it took hold."""


@dataclass
class Turn:
    """One turn: whether others wrote since the last one, and the tables that are written in it."""

    is_after_others: bool = False
    written: set[str] = field(default_factory=set)


class Turns(Protocol):
    """How a writer gets its turns."""

    @contextmanager
    def taken(self, connection: sa.Connection) -> Iterator[Turn]:
        """Give a turn: a transaction that is committed at the end of the block."""
        ...


class OwnTurns:
    """The turns of a process that has its database for itself."""

    @contextmanager
    def taken(self, connection: sa.Connection) -> Iterator[Turn]:
        """Give a turn: a transaction that is committed at the end of the block."""
        with connection.begin():
            yield Turn()


class SharedTurns:
    """The turns of a process among others on PostgreSQL; `name` tells its words from theirs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._expected = 0  # the next transaction id, if nobody else writes

    @contextmanager
    def taken(self, connection: sa.Connection) -> Iterator[Turn]:
        """Give a turn; a commit during which the connection is lost is asked about before it counts as failed.

        Raises UnknownOutcomeError when there was no answer in time: the block may have taken hold.
        """
        turn, xid, seen = Turn(), 0, 0
        try:
            with connection.begin():  # it takes the lock
                seen = int(connection.scalar(_next_xid) or 0)
                turn.is_after_others = seen != self._expected
                yield turn
                if turn.written:
                    xid = self._sign(connection, turn.written)
        except Exception as error:
            self._expected = 0  # whoever answers next may not be the server that was there
            if not isinstance(error, DBAPIError) or not error.connection_invalidated:
                _end(connection)
                raise
            if not xid or not _took_hold(connection, xid, error):
                raise
        self._expected = xid + 1 if xid else seen

    def _sign(self, connection: sa.Connection, tables: set[str]) -> int:
        """Say what was written; returns the transaction's id, by which it can be asked for."""
        connection.execute(_say, {"channel": CHANNEL, "words": f"{self._name} {','.join(sorted(tables))}"})
        return int(connection.scalar(_my_xid) or 0)


def _end(connection: sa.Connection) -> None:
    """See that nothing stays open after a commit that failed: the driver would let the next turn go on with it."""
    if connection.invalidated:
        return
    try:
        connection.dialect.do_rollback(connection.connection)
    except connection.dialect.loaded_dbapi.Error:
        connection.invalidate()


def _took_hold(connection: sa.Connection, xid: int, error: DBAPIError) -> bool:
    """Find out what became of a transaction; the answer is final, because asking takes the lock that it held."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with connection.begin():
                return bool(connection.scalar(_status, {"xid": str(xid)}) == "committed")
        except DBAPIError:
            if time.monotonic() >= end:
                raise UnknownOutcomeError(" ".join(str(error.orig).split())) from error
            time.sleep(_BETWEEN_TRIES_S)
