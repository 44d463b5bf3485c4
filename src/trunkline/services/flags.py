"""Flags: what an account has switched on or off, kept as it was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from trunkline.state.database import Database
from trunkline.state.transaction import Transaction, metadata

flags = sa.Table(
    "flags",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=False),
)
_all = sa.select(flags).where(flags.c.resource == sa.bindparam("resource"))
_drop = sa.delete(flags).where(flags.c.resource == sa.bindparam("of_resource"), flags.c.name == sa.bindparam("of_name"))
_put = sa.insert(flags)


class Flags:
    """The flags of this server's accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, resource: str) -> dict[str, bool]:
        """Return the flags of an account that were ever set."""
        rows = await self._database.read(lambda reader: reader.all(_all, resource=resource))
        return {row.name: row.is_on for row in rows}

    async def set(self, resource: str, given: Mapping[str, bool]) -> dict[str, bool]:
        """Set the flags that are given; returns all of them."""

        def unit(transaction: Transaction) -> dict[str, bool]:
            known: dict[str, Any] = {row.name: row.is_on for row in transaction.all(_all, resource=resource)}
            for name, is_on in given.items():
                transaction.hand(_drop, of_resource=resource, of_name=name)
                transaction.hand(_put, resource=resource, name=name, is_on=is_on)
            return known | dict(given)

        return await self._database.write(unit)
