"""PostgreSQL: how an engine for it is opened, and how strings travel that it cannot hold."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.string import StrDumperUnknown, TextLoader

_WRITES = "1953655660, 1"
"""The advisory lock of whoever writes ("trkl"); one database may hold those of other programs."""

STAND_IN = "\ufdd0"
"""Stands for U+0000, which PostgreSQL keeps in no text: a noncharacter, which nobody may send to anybody."""

_TYPES = ("text", "varchar", "bpchar", "name")
_CONNECTING = {
    "application_name": "trunkline",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# A process that hangs with the turn to write gives it up. A unit sees what was there when its turn began, and what
# commits is on the disk, whatever the server's defaults.
_SESSION = """
    SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '30s';
    SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '10s';
    SET tcp_keepalives_idle = 5;
    SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = '10s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""
_MIGRATION = """
    SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
"""


def open_engine(url: str) -> sa.Engine:
    """Make the engine; writers of all processes take turns: one transaction that writes at a time.

    Connections are as many as the threads that use it, so nothing is pooled.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=_CONNECTING, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.adapters.register_dumper(str, _Dumper)
        for kind in _TYPES:
            connection.adapters.register_loader(kind, _Loader)
        with connection.cursor() as cursor:
            cursor.execute(_SESSION)
        connection.commit()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("trunkline_migrates"):
            connection.exec_driver_sql(_MIGRATION)
        if options.get("trunkline_writes"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITES})")

    return engine


def is_damage(error: Any) -> bool:
    """Tell whether a driver's error says that what the database holds is damaged."""
    return isinstance(error, psycopg.errors.DataCorrupted | psycopg.errors.IndexCorrupted)


def order_by_bytes(connection: sa.Connection) -> None:
    """Let texts be compared as Python and SQLite compare them, whatever the database's language is."""
    columns = sa.text("""
        SELECT format('ALTER TABLE %I ALTER COLUMN %I TYPE %s COLLATE "C"', relname, attname,
                      format_type(atttypid, atttypmod))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
          AND attcollation = (SELECT oid FROM pg_collation WHERE collname = 'default')
    """)
    for statement in connection.scalars(columns).all():
        connection.exec_driver_sql(statement)


class _Dumper(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", STAND_IN) if "\0" in obj else obj)


class _Loader(TextLoader):
    def load(self, data: Any) -> Any:
        text = super().load(data)
        return text.replace(STAND_IN, "\0") if isinstance(text, str) and STAND_IN in text else text
