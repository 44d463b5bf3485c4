"""The neutral question: measures, split by columns, filtered, over time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One column that is, is not, or starts with any of some values; without regard to case if `fold`."""

    column: str
    values: tuple[str, ...]
    op: Literal["is", "is not", "starts"] = "is"
    fold: bool = False


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Measures over [start, end), in steps of `step_s` seconds from the start (None: one step for all).

    All measures are of one fact. The `where` conditions must all hold.
    """

    measures: tuple[str, ...]
    start: datetime
    end: datetime
    step_s: int | None = None
    by: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One answered step of one split: its moment, the split's values, the measures' values in their order."""

    at: datetime
    split: tuple[str, ...]
    values: tuple[float | None, ...]
