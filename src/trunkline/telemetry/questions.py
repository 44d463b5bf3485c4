"""The neutral questions: measures, split by columns, filtered, over time; and the facts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from trunkline.catalogue.rows import Calendar

EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
"""The span in which everything lies."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One column that is, is not, or starts with any of some values; without regard to case if `fold`.

    `at least` and `less than` compare a column that holds numbers with one; of a column that holds a moment it is the
    milliseconds since the fact happened.
    """

    column: str
    values: tuple[str, ...]
    op: Literal["is", "is not", "starts", "at least", "less than"] = "is"
    fold: bool = False


def among(accounts: Sequence[str]) -> tuple[Condition, ...]:
    """Return the condition that facts are of some accounts; of any if none is named."""
    return (Condition(column="resource", values=tuple(accounts)),) if accounts else ()


class Either(msgspec.Struct, frozen=True, kw_only=True):
    """Any of some alternatives holds, each of which is conditions that must all hold; none holds if there are none."""

    of: tuple[tuple[Condition, ...], ...]


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """A column in ranges to split by: a range begins at each of `begins`, which rise, and ends where the next begins.

    Split values are the numbers of the ranges from 0, as text; -1 for what is unknown or lies before all. Of a column
    that holds a moment it is the milliseconds since the fact happened.
    """

    column: str
    begins: tuple[float, ...]


class Top(msgspec.Struct, frozen=True, kw_only=True):
    """The splits with most of the first measure over the whole span; with the rest taken together, or without it."""

    most: int
    others: bool = True


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Measures over [start, end), in steps of `step_s` seconds from the start (None: one step for all).

    `step` names one of the calendar instead, which begins where it does in `zone`. All measures are of one fact.
    `by` names columns, or columns in ranges. The `where` conditions must all hold. At most `limit` points are answered.
    """

    measures: tuple[str, ...]
    start: datetime
    end: datetime
    step_s: int | None = None
    by: tuple[str | Ranges, ...] = ()
    where: tuple[Condition | Either, ...] = ()
    step: Calendar = ""
    zone: str = "UTC"
    top: Top | None = None
    limit: int | None = None

    @property
    def split_by(self) -> tuple[str, ...]:
        """The columns that it is split by, by their names."""
        return tuple(one if isinstance(one, str) else one.column for one in self.by)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One answered step of one split: its moment, the split's values, the measures' values in their order.

    `others` marks the splits that are none of the top: they have no values of their own.
    """

    at: datetime
    split: tuple[str, ...]
    values: tuple[float | None, ...]
    others: bool = False


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a table over [start, end) that meet the conditions, and are known by `id` if one is given.

    They come in the order of `order`, a moment that they have; those that lack it come last. With `columns` they have
    these only, beside their ids and that moment.
    """

    fact: str
    start: datetime
    end: datetime
    id: str = ""
    where: tuple[Condition | Either, ...] = ()
    newest_first: bool = False
    order: str = "happened_at"
    columns: tuple[str, ...] = ()
    limit: int = 100
    skip: int = 0


Row = dict[str, Any]
"""A fact as it is shown: its columns by their names."""
