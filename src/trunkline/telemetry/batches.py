"""Facts in columns: the form in which many travel, and in which a store takes them in and gives them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import Column, columns
from trunkline.catalogue.facts import Fact
from trunkline.clock import microseconds

_TYPES: dict[Any, Any] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us"),
    dict[str, str]: pa.map_(pa.string(), pa.string()),
}

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_ENDS_S = [microseconds(moment) // _UNITS["us"] for moment in (_FIRST, _LAST)]


@cache
def schema(kind: type[Fact]) -> Any:
    """Return the Arrow schema of a kind of fact; moments are UTC without saying so, as the stores keep them."""
    return pa.schema([(name, _TYPES[column.of]) for name, column in columns(kind).items()])


def batch(kind: type[Fact], facts: Sequence[Fact]) -> Any:
    """Return facts of one kind as a table."""
    return pa.Table.from_arrays(
        [_array(column, list(map(attrgetter(name), facts))) for name, column in columns(kind).items()],
        schema=schema(kind),
    )


def facts_of(kind: type[Fact], rows: Any) -> list[Fact]:
    """Return a table's rows as facts."""
    values = [_values(column, rows.column(name)) for name, column in columns(kind).items()]
    names = list(columns(kind))
    return [kind(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]


def empty_maps(count: int) -> Any:
    """Return a column of that many maps in which nothing is."""
    offsets = pa.array([0] * (count + 1), type=pa.int32())
    return pa.MapArray.from_arrays(offsets, pa.array([], type=pa.string()), pa.array([], type=pa.string()))


def in_utc(rows: Any) -> Any:
    """Return a foreign table with moments that can be read as Python's: to the microsecond, in UTC.

    Those without a zone are UTC; what lies beyond the calendar becomes its end.
    """
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            rows = rows.set_column(place, field.name, _moments(rows.column(place)))
    return rows


def _moments(values: Any) -> Any:
    in_a_second = _UNITS[values.type.unit]
    low, high = (max(-(2**63), min(end * in_a_second, 2**63 - 1)) for end in _ENDS_S)
    numbers = pc.min_element_wise(values.cast(pa.int64()), high, skip_nulls=False)
    numbers = pc.max_element_wise(numbers, low, skip_nulls=False)
    if in_a_second > _UNITS["us"]:
        numbers = pc.divide(numbers, in_a_second // _UNITS["us"])
    else:
        numbers = pc.multiply(numbers, _UNITS["us"] // in_a_second)
    return numbers.cast(pa.timestamp("us", "UTC"))


def _array(column: Column, values: list[Any]) -> Any:
    if column.of is datetime:
        return pa.array(values, pa.timestamp("us", tz="UTC")).cast(_TYPES[datetime])
    if column.is_map:
        if not any(values):
            return empty_maps(len(values))
        values = [list(value.items()) for value in values]
    return pa.array(values, type=_TYPES[column.of])


def _values(column: Column, found: Any) -> list[Any]:
    if column.of is datetime:
        return [value and value.replace(tzinfo=UTC) for value in found.to_pylist()]
    if column.is_map:
        return [dict(value) for value in found.to_pylist()]
    return list(found.to_pylist())
