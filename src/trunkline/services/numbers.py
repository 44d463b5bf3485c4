"""Numbers: which phone numbers, short codes and sender names a resource owns."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from trunkline.numbering import kind_of, written
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("number", sa.String(16), primary_key=True),
    sa.Column("added_at", Moment, nullable=False),
    sa.Column("brief_id", sa.String(100)),
)
LONGEST_BRIEF = 100
_all = sa.select(numbers)
_put = sa.insert(numbers)
_drop = sa.delete(numbers).where(
    numbers.c.resource == sa.bindparam("of_resource"), numbers.c.number == sa.bindparam("of_number")
)


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number of a resource; `added_at` is None when the settings name it.

    `brief_id` is the id of the program or campaign brief under which it was granted, "" if none was told.
    """

    resource: str
    number: str
    added_at: datetime | None = None
    brief_id: str = ""

    @property
    def kind(self) -> str:
        """What kind of number it is."""
        return kind_of(self.number)


class Numbers:
    """The numbers of this server's resources, held in memory and kept in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[tuple[str, str], Number] = {}
        self._changes = 0

    def open(self, settings: Settings) -> None:
        """Read what is kept, and add what the settings name. Raises ConfigurationError."""
        self._database.watch([numbers.name], self.refresh)
        for row in self._database.read_now(lambda reader: reader.all(_all)):
            self._know(_number(row))
        for number in settings.numbers:
            try:
                self._know(Number(resource=settings.resource.strip().lower(), number=written(number)))
            except InvalidError as error:
                raise ConfigurationError(f"The setting numbers: {error.message}") from error

    async def refresh(self) -> None:
        """Read again what another process may have changed."""
        changes = -1
        while changes != self._changes:  # what this process changes meanwhile may not be in what was read
            changes = self._changes
            rows = await self._database.read(lambda reader: reader.all(_all))
        named = {key: one for key, one in self._known.items() if one.added_at is None}
        kept = [_number(row) for row in rows]
        self._known = {(one.resource, one.number): one for one in kept} | named

    def _know(self, number: Number) -> None:
        self._known[number.resource, number.number] = number

    def owns(self, resource: str, number: str) -> bool:
        """Tell whether a resource owns a number."""
        return (resource, number) in self._known

    def check(self, resource: str, number: str) -> None:
        """Raise UnauthenticatedError unless a resource owns a number that it sends from."""
        if not self.owns(resource, number):
            raise UnauthenticatedError(
                f"The resource does not own the number {number[:20]!r} that the message is sent from; "
                "`trunkline numbers add` gives it one.",
                target="from",
            )

    def list(self, resource: str) -> list[Number]:
        """List a resource's numbers."""
        return sorted((one for one in self._known.values() if one.resource == resource), key=lambda one: one.number)

    def briefed(self, brief_id: str) -> builtins.list[Number]:
        """List the numbers, of any resource, that a brief is about; it is known in any case of letters."""
        wanted = brief_id.strip().lower()
        return [one for one in self._known.values() if wanted and one.brief_id.lower() == wanted]

    async def add(self, resource: str, text: str, brief_id: str = "") -> Number:
        """Let a resource own a number; adding it twice is fine, and changes its brief if one is told.

        Raises InvalidError, ConflictError for the brief of one that the settings name.
        """
        number, brief_id = written(text), _brief(brief_id)
        known = self._known.get((resource, number))
        if known and brief_id in {"", known.brief_id}:
            return known
        if known and known.added_at is None:
            raise ConflictError(f"{number} is named by the setting numbers, which has no briefs.", target=number)
        added = Number(
            resource=resource,
            number=number,
            added_at=known.added_at if known else self._clock.now(),
            brief_id=brief_id,
        )
        row = msgspec.structs.asdict(added)

        def unit(transaction: Transaction) -> None:
            transaction.hand(_drop, of_resource=resource, of_number=number)  # the same number may be added at once
            transaction.hand(_put, **row)

        await self._database.write(unit)
        self._changes += 1
        self._know(added)
        return added

    async def remove(self, resource: str, text: str) -> None:
        """Let a resource own a number no more. Raises NotFoundError, ConflictError for one of the settings."""
        number = written(text)
        known = self._known.get((resource, number))
        if known is None:
            raise NotFoundError(f"{resource!r} owns no number {number}.", target=number)
        if known.added_at is None:
            raise ConflictError(f"{number} is named by the setting numbers; take it out there.", target=number)
        await self._database.write(lambda transaction: transaction.hand(_drop, of_resource=resource, of_number=number))
        self._changes += 1
        self._known.pop((resource, number), None)


def _number(row: sa.Row[Any]) -> Number:
    return Number(resource=row.resource, number=row.number, added_at=row.added_at, brief_id=row.brief_id or "")


def _brief(text: str) -> str:
    """Return the id of a brief as it is kept; raises InvalidError."""
    text = text.strip()
    if len(text) > LONGEST_BRIEF or not text.isprintable():
        raise InvalidError(f"The id of a brief has at most {LONGEST_BRIEF} characters.", target="brief_id")
    return text
