"""Where in a table one is: at which fact, and at which of the rows that it makes."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

import msgspec

from trunkline.catalogue.log_tables import LogPart, LogTable
from trunkline.clock import from_microseconds, microseconds
from trunkline.errors import InvalidError
from trunkline.telemetry.questions import Condition, Either, Row, Rows, among
from trunkline.telemetry.recorder import Recorder

MOST_AT_ONCE = 200_000
"""So many facts of one moment are read at most."""

_log = logging.getLogger(__name__)
_LONGEST = 400
_FIRST = timedelta(hours=1)
_WIDER = 16
"""A store sorts all of a span before it gives the first of it: so a page looks at an hour, and then at more."""

_FARTHEST_US = 2**57
_FARTHEST = 1_000_000_000


class Place(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Before the row `row` of the fact that is the `fact`th of those of a moment (microseconds since 1970)."""

    at_us: int
    fact: int = 0
    row: int = 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a part of a table over [start, end): of these accounts, all of them if none is named.

    `where` are conditions that the facts meet. `now` is when it was asked, for what is not settled yet.
    """

    table: LogTable
    part: LogPart
    start: datetime
    end: datetime
    now: datetime
    accounts: tuple[str, ...] = ()
    where: tuple[Condition | Either, ...] = ()

    @property
    def conditions(self) -> tuple[Condition | Either, ...]:
        """The conditions on the facts, those of the part and of the accounts among them."""
        own = [Condition(column=name, values=values) for name, values in self.part.where.items()]
        own += [Condition(column=name, op="is not", values=values) for name, values in self.part.unless.items()]
        return (*own, *among(self.accounts), *self.where)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One neutral row: where it stands, what it is about, and by which key it is known again.

    What is not `settled` may still change: it is shown, and not written anywhere yet.
    """

    place: Place
    row: Row
    key: tuple[Any, ...]
    settled: bool = True


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows in order of time, and where it goes on; `after` is None at the end. `read` counts the facts."""

    rows: list[Made]
    after: Place | None
    read: int


class Maker(Protocol):
    """Makes the neutral rows of a kind."""

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return the rows that so many facts make from a place on; raises UnavailableError, InvalidError."""
        ...


class Counted:
    """Facts of a table, counted within their moments, so that a place says which comes next.

    A moment is read as a whole, and put in an order of its own: a store gives what is alike in any order.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def facts(
        self, wanted: Wanted, fact: str, place: Place, most: int, columns: tuple[str, ...] = ()
    ) -> tuple[list[tuple[Place, Row]], Place | None]:
        """Return about so many facts from the moment of a place on, and the moment at which it goes on."""
        question = Rows(
            fact=fact,
            start=max(wanted.start, from_microseconds(place.at_us)),
            end=wanted.end,
            where=wanted.conditions,
            limit=most + 1,
            columns=columns,
        )
        if question.start >= question.end:
            return [], None
        span = _FIRST
        while True:
            part = msgspec.structs.replace(question, end=min(question.end, question.start + span))
            found = await self._recorder.rows(part)
            if len(found) < question.limit:
                if part.end == question.end:
                    return list(_counted(found)), None
                span = min(span * _WIDER, question.end - question.start)
                continue
            last: datetime = found[-1]["happened_at"]
            whole = [row for row in found if row["happened_at"] < last]
            if whole:
                return list(_counted(whole)), Place(microseconds(last))
            if question.limit > MOST_AT_ONCE:
                _log.error("more than %d %s bear the moment %s: the log tables lack the rest", len(found), fact, last)
                return list(_counted(found)), Place(microseconds(last) + 1)
            question = msgspec.structs.replace(question, limit=question.limit * 10)


def _counted(rows: Sequence[Row]) -> Iterator[tuple[Place, Row]]:
    for moment, those in groupby(rows, key=lambda row: row["happened_at"]):
        at_us = microseconds(moment)
        together = list(those)
        if len(together) > 1:
            together.sort(key=lambda row: [str(value) for value in row.values()])
        yield from ((Place(at_us, number), row) for number, row in enumerate(together))


def made(
    facts: Sequence[tuple[Place, Row]], place: Place, rows_of: Callable[[Row], Iterable[tuple[Row, tuple[Any, ...]]]]
) -> list[Made]:
    """Return the rows that facts make from a place on."""
    found = []
    for at, fact in facts:
        if (at.at_us, at.fact) < (place.at_us, place.fact):
            continue
        for number, (row, key) in enumerate(rows_of(fact)):
            here = Place(at.at_us, at.fact, number)
            if here >= place:
                found.append(Made(place=here, row=row, key=key))
    return found


def written(places: Sequence[Place | None]) -> str:
    """Return where it goes on as text for an address; "" at the end of all parts."""
    if not any(places):
        return ""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(places))).decode().rstrip("=")


def from_text(text: str, parts: int) -> list[Place | None]:
    """Read where it goes on; raises InvalidError."""
    found: list[Place | None] = []
    with suppress(ValueError, binascii.Error, msgspec.MsgspecError):
        raw = base64.urlsafe_b64decode(text[:_LONGEST] + "=" * (-len(text) % 4))
        found = msgspec.json.decode(raw, type=list[Place | None])
    if len(found) != parts or not all(one is None or _is_sound(one) for one in found):
        raise InvalidError("next is what an answer says under this name, as it is.", target="next")
    return found


def _is_sound(place: Place) -> bool:
    return 0 <= place.at_us < _FARTHEST_US and 0 <= place.fact < _FARTHEST and 0 <= place.row < _FARTHEST


def value_of(row: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return what stands in a row under a path, None where nothing does."""
    found: Any = row
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return None if found == "" else found
