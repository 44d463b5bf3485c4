"""Plans: statements of SQL, or parts of one, with what is bound to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Plan:
    """A statement, or a part of one, and what is bound to its question marks."""

    sql: str
    bound: tuple[Any, ...] = ()


def joined(between: str, parts: Sequence[Plan]) -> Plan:
    """Return parts as one."""
    return Plan(between.join(part.sql for part in parts), tuple(value for part in parts for value in part.bound))


def naive(moment: datetime) -> datetime:
    """Return a moment as it is bound: the columns are plain TIMESTAMP, and an aware value would lose the pushdown."""
    return moment.astimezone(UTC).replace(tzinfo=None)
