"""How foreign columns become a fact's: which is which, and what their values mean as the catalogue's types."""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import MOMENT, Column, shown_columns
from trunkline.catalogue.facts import KINDS, Attempt, Fact
from trunkline.clock import parse_rfc3339
from trunkline.errors import InvalidError

TAKEN: dict[str, type[Fact]] = {kind.table: kind for kind in KINDS if kind is not Attempt}
"""The facts that others may bring, by the names of their tables."""
_TYPES: Mapping[Any, Any] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", "UTC"),
}
_MAP = pa.map_(pa.string(), pa.string())
_TRUE, _FALSE = {"true", "1", "yes", "t", "y"}, {"false", "0", "no", "f", "n"}
_FOREIGN = frozenset({MOMENT, "resource"})  # what every fact has tells none from another
Place = tuple[Column, str]
"""A column of the fact, and within a map the name of its entry."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is no fact: where it stands, what of it is wrong, and why."""

    line: int
    path: str
    why: str


def placed(
    kind: type[Fact], names: Iterable[str], *, is_flat: bool = True, ignore_unknown: bool = False
) -> dict[str, Place | None]:
    """Return where each of the names belongs, None for what is ignored; raises InvalidError for what is unknown."""
    known = shown_columns(kind.table)
    found: dict[str, Place | None] = {}
    for name in names:
        if name in found:
            raise InvalidError(f"Two columns have the name {name!r}.", target=name)
        column, (head, _, entry) = known.get(name), name.partition(".")
        if column is not None:
            found[name] = column, ""
        elif is_flat and entry and head in known and known[head].is_map:
            found[name] = known[head], entry
        elif ignore_unknown:
            found[name] = None
        else:
            near = difflib.get_close_matches(name[:100], known, n=3, cutoff=0.4)
            raise InvalidError(
                f"{kind.table} have no column {name[:100]!r}"
                + (f"; the nearest are {', '.join(near)}" if near else "")
                + ". Rename it, put it into the map as extra.NAME, or leave it out with --ignore-unknown.",
                target=name,
            )
    return found


def guessed(names: Iterable[str], stem: str) -> tuple[type[Fact], str]:
    """Return the kind of fact that a file holds, and by what it was known. Raises InvalidError when it is not clear."""
    heads = {name.partition(".")[0] for name in names}
    word = stem.lower().replace("-", "_")
    named = [kind for table, kind in sorted(TAKEN.items(), key=lambda item: -len(item[0])) if table[:-1] in word]
    ranks = {kind: _likeness(kind, heads) for kind in TAKEN.values()}
    best = max(ranks.values())
    fitting = [kind for kind, rank in ranks.items() if rank == best and rank[1] > 0.5]
    if named and ranks[named[0]][1] > 0.5:
        return named[0], "its name"
    if len(fitting) == 1:
        return fitting[0], "its columns"
    raise InvalidError(f"What facts are these? Say it: --fact {'|'.join(TAKEN)}.", target="fact")


def _likeness(kind: type[Fact], heads: set[str]) -> tuple[int, float]:
    """Return how many of the columns are none of the kind's (negative), and the share of those it needs."""
    known = shown_columns(kind.table)
    needed = {name for name, column in known.items() if column.is_required} - _FOREIGN
    return -len(heads - known.keys()), len(needed & heads) / len(needed)


# --- values ---


class Shape:
    """Makes a table of a fact's columns from a foreign one; what cannot be read is told row by row."""

    def __init__(self, kind: type[Fact], places: Mapping[str, Place | None]) -> None:
        self._places = [(name, place) for name, place in places.items() if place is not None]
        self._kind = kind

    def __call__(self, table: pa.Table) -> tuple[pa.Table, dict[int, tuple[str, str]]]:
        """Return the table, and for each wrong row (by its place from 0) the path and why; the table has it still."""
        wrong: dict[int, tuple[str, str]] = {}
        made: dict[str, pa.Array] = {}
        maps: dict[str, list[dict[str, str] | None]] = {}
        for name, (column, entry) in self._places:
            values = table.column(name).combine_chunks()
            if column.is_map:
                _gather(maps.setdefault(column.name, [None] * len(values)), values, name, entry, wrong)
                continue
            array, errors = converted(values, column)
            for row, why in errors.items():
                wrong.setdefault(row, (name, why))
            if array.null_count < len(array):
                made[column.name] = array
        for name, entries in maps.items():
            if any(entries):
                made[name] = pa.array([each and list(each.items()) for each in entries], _MAP)
        if not made:  # a table without columns has no rows either
            made = {MOMENT: pa.nulls(table.num_rows, _TYPES[datetime])}
        return pa.table(made), wrong


def converted(values: pa.Array, column: Column) -> tuple[pa.Array, dict[int, str]]:
    """Return values as a column's type, and for each that cannot be (by its place) why; it is null then."""
    wanted = _TYPES[column.of]
    if column.of is not str and pa.types.is_string(values.type):
        values = pc.if_else(pc.equal(values, ""), None, values)
    if (fast := _cast(values, wanted)) is not None:
        return fast, {}
    one, wrong, made = _READERS[column.of], {}, []
    for row, value in enumerate(values.to_pylist()):
        try:
            made.append(None if value is None else one(value))
        except (ValueError, OverflowError, TypeError) as error:
            made.append(None)
            wrong[row] = str(error)
    return pa.array(made, wanted), wrong


def _cast(values: pa.Array, wanted: Any) -> pa.Array | None:
    """Cast all at once, None where the values have to be looked at one by one."""
    types = pa.types
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    given = values.type
    try:
        if types.is_timestamp(given) and types.is_timestamp(wanted):
            found = values.cast(pa.timestamp("us", given.tz), safe=False).cast(wanted)  # without a zone it is UTC
        elif given == wanted or types.is_null(given) or _is_castable(given, wanted):
            found = values.cast(wanted)
        else:
            return None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if types.is_floating(wanted) and not pc.all(pc.is_finite(found)).as_py() and found.null_count < len(found):
        return None
    return found


def _is_castable(given: Any, wanted: Any) -> bool:
    """Tell whether a cast says what is meant: numbers are no moments, and truth has words of its own."""
    types = pa.types
    if types.is_timestamp(wanted):
        return bool(types.is_string(given) or types.is_date(given))
    plain = types.is_string(given) or types.is_large_string(given) or types.is_integer(given)
    return bool((plain or types.is_floating(given)) and not types.is_boolean(wanted))


def _text(value: Any) -> str:
    if isinstance(value, bool | int | float | str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, bytes):
        return value.decode()
    raise ValueError(f"{value!r:.60} is no text.")


def _whole(value: Any) -> int:
    if isinstance(value, float) or (isinstance(value, str) and not value.strip().lstrip("+-").isdigit()):
        number = _number(value)
        if number.is_integer():
            return _bounded(int(number))
        raise ValueError(f"{value!r:.60} is no whole number.")
    if isinstance(value, bool | datetime | date):
        raise ValueError(f"{value!r:.60} is no whole number.")  # noqa: TRY004 - told like every other value
    return _bounded(int(value))


def _bounded(number: int) -> int:
    if -(2**63) <= number < 2**63:
        return number
    raise ValueError("The number is too large.")


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r:.60} is no number.") from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r:.60} is no finite number.")
    return number


def _truth(value: Any) -> bool:
    word = str(value).strip().lower().removesuffix(".0")
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"{value!r:.60} is neither true nor false.")


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return parse_rfc3339(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    raise ValueError(f"{value!r:.60} is not a moment as RFC 3339 writes it.")


_READERS: Mapping[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _truth,
    datetime: _moment,
}


def read_as(column: Column, value: Any) -> Any:
    """Return one value as a column's type; raises ValueError, whose text says why."""
    try:
        return _READERS[column.of](value)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def typed(values: Sequence[Any], column: Column) -> pa.Array:
    """Return values that are a column's already, of which some are None."""
    if column.is_map:
        return pa.array([None if value is None else list(value.items()) for value in values], _MAP)
    return pa.array(values, _TYPES[column.of])


def _gather(
    entries: list[dict[str, str] | None], values: pa.Array, name: str, entry: str, wrong: dict[int, tuple[str, str]]
) -> None:
    """Put the values of one column into the maps of their rows."""
    for row, value in enumerate(values.to_pylist(maps_as_pydicts="lossy")):
        if value is None or value == "":
            continue
        try:
            given = {entry: _text(value)} if entry else _entries(value)
        except (ValueError, TypeError) as error:
            wrong.setdefault(row, (name, str(error)))
            continue
        entries[row] = (entries[row] or {}) | given


def _entries(value: Any) -> dict[str, str]:
    """Read a whole map: a map, the members of a structure, or a text that is a JSON object."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value, type=dict[str, typing.Any])
        except msgspec.DecodeError:
            raise ValueError(f"{value!r:.60} is no JSON object.") from None
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.60} is no map.")  # noqa: TRY004 - told like every other value
    return {str(name): _text(each) for name, each in value.items() if each is not None}
