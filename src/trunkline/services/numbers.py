"""Numbers: which phone numbers, short codes and sender names a resource owns."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

import msgspec
import phonenumbers
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("number", sa.String(16), primary_key=True),
    sa.Column("added_at", Moment, nullable=False),
)
_all = sa.select(numbers)
_put = sa.insert(numbers)
_drop = sa.delete(numbers).where(
    numbers.c.resource == sa.bindparam("of_resource"), numbers.c.number == sa.bindparam("of_number")
)

LONG_CODE = "long code"
TOLL_FREE = "toll free"
SHORT_CODE = "short code"
SENDER_NAME = "sender name"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_SHORT = re.compile(r"[0-9]{3,6}\Z")
# GSM 03.40: at most 11 characters; one letter at least tells it from a number
_NAME = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9 &_-]{1,11}\Z")
_SEPARATORS = re.compile(r"[\s().-]+")


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number of a resource; `added_at` is None when the settings name it."""

    resource: str
    number: str
    added_at: datetime | None = None

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

    def open(self, settings: Settings) -> None:
        """Read what is kept, and add what the settings name. Raises ConfigurationError."""
        for row in self._database.read_now(lambda reader: reader.all(_all)):
            self._know(Number(resource=row.resource, number=row.number, added_at=row.added_at))
        for number in settings.numbers:
            try:
                self._know(Number(resource=settings.resource.strip().lower(), number=written(number)))
            except InvalidError as error:
                raise ConfigurationError(f"The setting numbers: {error.message}") from error

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

    async def add(self, resource: str, text: str) -> Number:
        """Let a resource own a number; adding it twice is fine. Raises InvalidError."""
        number = written(text)
        if known := self._known.get((resource, number)):
            return known
        added = Number(resource=resource, number=number, added_at=self._clock.now())
        row = msgspec.structs.asdict(added)

        def unit(transaction: Transaction) -> None:
            transaction.hand(_drop, of_resource=resource, of_number=number)  # the same number may be added at once
            transaction.hand(_put, **row)

        await self._database.write(unit)
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
        self._known.pop((resource, number), None)


def written(text: str) -> str:
    """Return a number as it is compared: E.164 without spaces, a short code, or a sender name. Raises InvalidError."""
    bare, name = _SEPARATORS.sub("", text), text.strip()
    if is_address(bare):
        return bare
    if _NAME.match(name):
        return name
    raise InvalidError(
        f"{text[:40]!r} is no number: write E.164 (+18005550199), a short code (3 to 6 digits), or a sender name (up "
        "to 11 letters and digits).",
        target="number",
    )


def is_phone(text: str) -> bool:
    """Tell whether a text is a phone number in E.164 that its country's numbering plan can have."""
    return bool(_E164.match(text)) and _is_possible(text)  # what is cached is short: texts come in as users please


@lru_cache(10_000)
def _is_possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def is_address(text: str) -> bool:
    """Tell whether a text is a phone number in E.164 or a short code: what can send and get text messages."""
    return bool(_SHORT.match(text)) or is_phone(text)


def kind_of(text: str) -> str:
    """Return what kind of number a text is; "" if it is none."""
    if is_phone(text):
        return TOLL_FREE if _is_toll_free(text) else LONG_CODE
    if _SHORT.match(text):
        return SHORT_CODE
    return SENDER_NAME if _NAME.match(text) else ""


@lru_cache(1000)
def _is_toll_free(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(number)) == phonenumbers.PhoneNumberType.TOLL_FREE


def country_of(text: str) -> str:
    """Return the country of a phone number as two letters (of those that share a code, the main one); "" if none."""
    return _country(text) if is_phone(text) else ""


@lru_cache(10_000)
def _country(number: str) -> str:
    parsed = phonenumbers.parse(number)
    country = phonenumbers.region_code_for_number(parsed)
    country = country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return "" if country in {"001", "ZZ"} else country
