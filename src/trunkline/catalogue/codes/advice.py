"""What the codes in a fact mean, whose fault they are, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from trunkline.catalogue.codes.lookup import explained
from trunkline.catalogue.codes.table import Fault, read


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What one value in a fact says: in which column it stands, and one meaning of it."""

    column: str
    value: str
    family: str
    name: str
    meaning: str
    fault: Fault
    advice: str
    note: str = ""


def advice(fact: str, row: Mapping[str, Any]) -> list[Advice]:
    """Return what the codes of a fact say, those first that say most.

    `fact` is its table: calls, messages and so on. Which families are looked up for which column, the families say.
    A value without a meaning is left out, as are an empty one and 0; where several families know a code, each has
    its say. Where a family knows a code only together with subcodes, it might be any of them, and is not told.
    """
    return [one for column in _columns(fact) for one in _of(fact, column, row.get(column))]


def _of(fact: str, column: str, value: Any) -> Iterator[Advice]:
    text = str(value or "").strip()
    if text in {"", "0"}:
        return
    for found in explained(text, _families(f"{fact}.{column}")).found:
        code = found.code
        if code.code == text and code.subcode not in {"", "0"}:
            continue
        yield Advice(
            column=column,
            value=text,
            family=code.family,
            name=code.name,
            meaning=code.meaning,
            fault=code.fault,
            advice=code.advice,
            note=found.note,
        )


@cache
def _families(column: str) -> tuple[str, ...]:
    return tuple(name for name, family in read().families.items() if column in family.of)


@cache
def _columns(fact: str) -> tuple[str, ...]:
    """Return the columns of a fact that hold codes; a code of its maker says more than a status, that than ours."""
    order = ("error_code", "q850_cause", "sip_code", "status", "outcome", "code")
    held = {
        column.partition(".")[2] for family in read().families.values() for column in family.of if _is_of(column, fact)
    }
    return tuple(sorted(held, key=order.index))


def _is_of(column: str, fact: str) -> bool:
    return column.partition(".")[0] == fact
