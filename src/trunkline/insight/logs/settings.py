"""Which tables of an account are written where: kept in the state, with how far that has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.errors import ConflictError, InvalidError, NotFoundError
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Reader, Transaction, metadata

MOST_OF_ONE = 5
"""So many settings an account has at most, as the original does."""

MOST = 1000
LONGEST_NAME = 260
LARGEST = 64 * 1024

settings = sa.Table(
    "log_settings",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(LONGEST_NAME), primary_key=True),
    sa.Column("setting", sa.LargeBinary, nullable=False),
    sa.Column("mark", sa.String(40), nullable=False),
    sa.Column("until", Moment, nullable=False),
)
hours = sa.Table(
    "log_hours",
    metadata,
    sa.Column("mark", sa.String(40), primary_key=True),
    sa.Column("log_table", sa.String(80), primary_key=True),
    sa.Column("hour", Moment, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("figure", sa.String(200), nullable=False),
    sa.Column("pending", sa.LargeBinary, nullable=False),
)
known = sa.Table(
    "log_known",
    metadata,
    sa.Column("mark", sa.String(40), primary_key=True),
    sa.Column("log_table", sa.String(80), primary_key=True),
    sa.Column("hour", Moment, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("digests", sa.LargeBinary, nullable=False),
)
_all = sa.select(settings).order_by(settings.c.resource, settings.c.name)
_of = (settings.c.resource == sa.bindparam("of_resource"), settings.c.name == sa.bindparam("of_name"))
_get = sa.select(settings).where(*_of)
_drop = sa.delete(settings).where(*_of)
_put = sa.insert(settings)
_forget = [sa.delete(table).where(table.c.mark == sa.bindparam("of_mark")) for table in (hours, known)]


class LogSetting(msgspec.Struct, frozen=True, kw_only=True):
    """Tables of an account that are written to a destination, from the hour `begins` on in which it was made.

    `destination` is the name of a storage account. `extra` keeps what an API needs to show it as it was written.
    """

    resource: str
    name: str
    destination: str
    tables: tuple[str, ...]
    made_at: datetime | None = None
    begins: datetime | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A setting with how far it has come: every hour before `until` has been written once.

    By its `mark` it is known what has been written; it changes with the destination.
    """

    setting: LogSetting
    mark: str
    until: datetime


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LogSetting).decode


class LogSettings:
    """The settings of this server; `guid` makes their marks, `changed` hears that there is something to do."""

    def __init__(self, database: Database, clock: Clock, guid: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._guid = guid

    async def all(self) -> list[Kept]:
        """List the settings, by account and name."""
        return await self._database.read(_listed)

    async def put(self, setting: LogSetting) -> LogSetting:
        """Make a setting, or replace the one of that name; raises InvalidError, ConflictError (there are too many).

        One that goes to the same destination as before goes on where it was.
        """
        if not setting.name or len(setting.name) > LONGEST_NAME or len(_encode(setting)) > LARGEST:
            raise InvalidError(
                f"A setting's name has 1 to {LONGEST_NAME} characters, all of it {LARGEST} bytes at most."
            )
        now = self._clock.now()
        fresh, until = self._guid(), hour_of(now)
        key = {"of_resource": setting.resource, "of_name": setting.name.lower()}

        def unit(transaction: Transaction) -> LogSetting:
            those = _listed(transaction)
            old = transaction.one(_get, **key)
            own = sum(one.setting.resource == setting.resource for one in those)
            if old is None and (own >= MOST_OF_ONE or len(those) >= MOST):
                raise ConflictError(f"An account has at most {MOST_OF_ONE} of these settings, all together {MOST}.")
            before = _decode(old.setting) if old is not None else None
            goes_on = before is not None and before.destination == setting.destination
            begins = before.begins if goes_on and before is not None else until
            made = msgspec.structs.replace(setting, made_at=now, begins=begins)
            if old is not None:
                self._remove(transaction, key, "" if goes_on else old.mark)
            transaction.hand(
                _put,
                resource=setting.resource,
                name=setting.name.lower(),
                setting=_encode(made),
                mark=old.mark if goes_on and old is not None else fresh,
                until=old.until if goes_on and old is not None else until,
            )

            return made

        return await self._database.write(unit)

    async def get(self, resource: str, name: str) -> LogSetting:
        """Return a setting, its name in any case; raises NotFoundError."""
        row = await self._database.read(lambda reader: reader.one(_get, of_resource=resource, of_name=name.lower()))
        if row is None:
            raise NotFoundError(f"There is no setting {name[:60]!r}.", target="name")
        return _decode(row.setting)

    async def remove(self, resource: str, name: str) -> bool:
        """Remove a setting, and how far it had come; tells whether there was one."""
        key = {"of_resource": resource, "of_name": name.lower()}

        def unit(transaction: Transaction) -> bool:
            old = transaction.one(_get, **key)
            if old is not None:
                self._remove(transaction, key, old.mark)
            return old is not None

        return await self._database.write(unit)

    def _remove(self, transaction: Transaction, key: dict[str, str], mark: str) -> None:
        transaction.hand(_drop, **key)
        if mark:
            for statement in _forget:
                transaction.hand(statement, of_mark=mark)


def _listed(reader: Reader | Transaction) -> list[Kept]:
    rows: Sequence[sa.Row[Any]] = reader.all(_all)
    return [Kept(setting=_decode(row.setting), mark=row.mark, until=row.until) for row in rows]


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour in which a moment lies."""
    return moment.replace(minute=0, second=0, microsecond=0)


HOUR = timedelta(hours=1)
