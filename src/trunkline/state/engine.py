"""Engines: how a database is opened so that what it commits is on the disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from trunkline.errors import ConfigurationError

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "temp_store=MEMORY")


def open_engine(url: str) -> sa.Engine:
    """Make the engine; every commit reaches the disk, and writers take the lock when they begin.

    Raises ConfigurationError for PostgreSQL without its driver.
    """
    if is_shared(url):
        shared: sa.Engine = _shared().open_engine(url)
        return shared
    # errors go to the log, and what is written has keys and people's messages in it
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, connect_args={"check_same_thread": False}, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("trunkline_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def is_shared(url: str) -> bool:
    """Tell whether other processes may write to a database: all but a file in a folder that one process holds."""
    return not url.startswith("sqlite")


def _shared() -> Any:
    """Return the module that knows PostgreSQL; its driver is an extra."""
    try:
        from trunkline.state import postgresql  # noqa: PLC0415 - only who uses it has its driver
    except ImportError as error:
        raise ConfigurationError(
            f"The setting database needs PostgreSQL's driver ({error}): pip install 'trunkline[postgresql]'."
        ) from error
    return postgresql


def private_file(file: Path) -> None:
    """Make a file that only its owner can read, unless it is there; raises ConfigurationError.

    It holds access keys and the signing key; its companions (-wal, -shm) inherit its mode.
    """
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"The state {file} cannot be written: {error.strerror}. Make it writable, or choose another data folder "
            "with --data."
        ) from error


def connect(engine: sa.Engine, **options: Any) -> sa.Connection:
    """Open a connection whose transactions take the write lock at once; raises ConfigurationError."""
    try:
        return engine.connect().execution_options(trunkline_writes=True, **options)
    except sa.exc.DBAPIError as error:
        raise refusal(engine, error) from error


def connect_to_read(engine: sa.Engine) -> sa.Connection:
    """Open a connection whose transactions see one snapshot each."""
    connection = engine.connect()
    if engine.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return connection


def refusal(engine: sa.Engine, error: sa.exc.DBAPIError) -> ConfigurationError:
    """Say why no server can start on a database, and what helps: a damaged one needs more than space."""
    what, why = f"The state database {engine.url.render_as_string()}", " ".join(str(error.orig).split())
    if engine.dialect.name == "postgresql":
        remedy = "Restore it from a backup" if is_damage(error) else "Check the setting database and the server"
        return ConfigurationError(f"{what} cannot be used: {why.rstrip('.')}. {remedy}.")
    if is_damage(error):
        return ConfigurationError(
            f"{what} is damaged: {why}. Restore the data folder from a backup; or move this file and those "
            "beside it (-wal, -shm) aside, which loses users, threads, keys and subscriptions, but no measurements."
        )
    return ConfigurationError(
        f"{what} cannot be opened: {why}. Make its folder writable and free some space, or choose another with --data."
    )


def is_damage(error: sa.exc.DBAPIError) -> bool:
    """Tell whether what the database keeps is damaged."""
    if isinstance(error.orig, sqlite3.Error):
        return (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED
    return bool(_shared().is_damage(error.orig))


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection in a transaction that holds the write lock, for as long as it takes; for migrations."""
    with connect(engine, trunkline_migrates=True) as connection, connection.begin():
        yield connection


def settle_schema(connection: sa.Connection) -> None:
    """Do to a schema that was just changed what this kind of database needs beside its tables."""
    if connection.dialect.name == "postgresql":
        _shared().order_by_bytes(connection)
