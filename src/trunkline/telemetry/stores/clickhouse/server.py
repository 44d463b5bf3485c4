"""The server at the other end: statements and Arrow tables go over HTTP, what goes wrong comes back in our words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from trunkline.clock import microseconds
from trunkline.errors import ConfigurationError, UnavailableError
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.stores.clickhouse.address import Address

_CONNECT_S = 5
_ANSWER_S = 120
WRITING_S = 60
"""So long a statement that writes may go on at the server, whoever still waits for it."""
_SETTINGS = {
    "enable_extended_results_for_datetime_functions": "1",
    "join_use_nulls": "1",
    "session_timezone": "UTC",
    "lightweight_deletes_sync": "2",
    "mutations_sync": "2",
}
_WRITING = {
    "max_execution_time": str(WRITING_S),
    "max_partitions_per_insert_block": "0",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "async_insert": "0",
}
# what is wrong with a statement, and not with the server: functions, names, types, syntax
_OUR_OWN = frozenset({36, 42, 43, 44, 46, 47, 50, 53, 62, 70, 179, 184, 215, 386, 456, 457})
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2299, 12, 31, tzinfo=UTC)


class Server:
    """A database of a server; connections are made as they are needed. For any number of threads."""

    def __init__(self, address: Address) -> None:
        self.name = address.shown
        try:
            import clickhouse_connect  # noqa: PLC0415 - an extra that only this store needs
            from clickhouse_connect.driver import exceptions  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "Facts in ClickHouse need a package more: pip install 'trunkline[clickhouse]'."
            ) from error
        logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # what it would tell we tell
        self._error = exceptions.ClickHouseError
        try:
            self._client: Any = clickhouse_connect.get_client(
                host=address.host,
                port=address.port,
                username=address.user,
                password=address.password,
                secure=address.is_secure,
                connect_timeout=_CONNECT_S,
                send_receive_timeout=_ANSWER_S,
                autogenerate_session_id=False,
                dedicated_pool=True,
                settings=dict(_SETTINGS),
            )
            named = {"name": address.database}
            there = "SELECT count() FROM system.databases WHERE name = {name:String}"
            if not self._client.query(there, parameters=named).result_rows[0][0]:
                self._client.command(f"CREATE DATABASE IF NOT EXISTS {address.database}")
        except self._error as error:
            raise ConfigurationError(
                f"The fact store {self.name} cannot be used: {_reason(error)}. See that ClickHouse runs there and "
                "lets this user in, or leave the setting facts empty: then facts are kept in the data folder."
            ) from error
        self._client.database = address.database
        self.database = address.database

    def rows(self, plan: Plan, given: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Ask and return rows; `given` are named parameters beside. Raises UnavailableError."""
        sql, parameters = spelled(plan)
        with self.told("be read"):
            return list(map(tuple, self._client.query(sql, parameters={**parameters, **(given or {})}).result_rows))

    def table(self, plan: Plan, given: Mapping[str, Any] | None = None) -> Any:
        """Ask and return an Arrow table; raises UnavailableError."""
        sql, parameters = spelled(plan)
        with self.told("be read"):
            return self._client.query_arrow(sql, parameters={**parameters, **(given or {})}, use_strings=True)

    def run(self, plan: Plan, given: Mapping[str, Any] | None = None) -> None:
        """Run a statement that changes something; raises UnavailableError, and it may have been run then."""
        sql, parameters = spelled(plan)
        with self.told("write"):
            self._client.command(sql, parameters={**parameters, **(given or {})}, settings=dict(_WRITING))

    def insert(self, table: str, rows: Any, token: str) -> None:
        """Insert an Arrow table, once however often it is sent; raises UnavailableError, and it may be there then.

        The client sends again what a connection that ended may have lost; the server knows it by its token.
        """
        with self.told("write"):
            self._client.insert_arrow(table, rows, settings={**_WRITING, "insert_deduplication_token": token})

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Say in our words what went wrong at the server, or on the way."""
        try:
            yield
        except self._error as error:
            if getattr(error, "code", None) in _OUR_OWN:
                raise
            raise UnavailableError(f"The fact store cannot {what} now: {_reason(error)}.") from error

    def close(self) -> None:
        """End the connections."""
        self._client.close()


def spelled(plan: Plan) -> tuple[str, dict[str, Any]]:
    """Return a plan with parameters that have types in place of its question marks; equal values share one."""
    names: dict[tuple[str, Any], str] = {}
    pieces = plan.sql.split("?")
    if len(pieces) != len(plan.bound) + 1:
        raise ValueError("A plan has as many question marks as are bound.")
    sql = pieces[0]
    for value, piece in zip(plan.bound, pieces[1:], strict=True):
        kind, form, bound = _typed(value)
        name = names.setdefault((kind, bound), f"p{len(names)}")
        sql += form.format(f"{{{name}:{kind}}}") + piece
    return sql, {name: value for (_, value), name in names.items()}


def _typed(value: Any) -> tuple[str, str, Any]:
    """Return the type of a value, how it stands in the statement, and what is sent."""
    if isinstance(value, bool):
        return "Bool", "{}", value
    if isinstance(value, int):
        return "Int64", "{}", value
    if isinstance(value, float):
        return "Float64", "{}", value
    if isinstance(value, datetime):  # moments beyond what the engine knows are its first and its last
        moment = min(max(value.replace(tzinfo=value.tzinfo or UTC), _FIRST), _LAST)
        return "Int64", "fromUnixTimestamp64Micro({}, 'UTC')", microseconds(moment)
    if isinstance(value, str):
        return "String", "{}", value
    raise TypeError(type(value).__name__)


def _reason(error: Exception) -> str:
    """Return what the server or the network said, in one line and without addresses."""
    cause = error.__cause__ or error
    text = str(error).partition("server response:")[2] or str(getattr(cause, "reason", "") or cause)
    text = text.partition("(version ")[0].partition("(for url")[0]
    line = " ".join(text.split())
    if not isinstance(error.__cause__, Exception) and "DB::Exception:" in line:
        line = line.partition("DB::Exception:")[2].strip()
    return line[:300].rstrip(" .!")
