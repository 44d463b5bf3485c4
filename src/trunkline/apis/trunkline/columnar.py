"""Posted facts read a column at a time: what is sound as a whole is never taken apart.

Whatever is not, in any row, is left to be read row by row, which can say what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

from trunkline.apis.trunkline.gathered import Gathered
from trunkline.apis.trunkline.shapes import LEFT_OUT, decoder, narrow_decoder
from trunkline.catalogue.columns import MOMENT, Column, columns, shown_columns
from trunkline.catalogue.facts import Fact, Request, status_class
from trunkline.errors import TrunklineError
from trunkline.telemetry.batches import empty_maps, schema

_UTC = pa.timestamp("us", tz="UTC")
_PIECE = 32 * 1024
_MOST_KEPT = 5000


def _is_text(kind: Any) -> bool:
    types = pa.types
    return any(check(kind) for check in (types.is_string, types.is_large_string, types.is_dictionary))


_FITTING: dict[Any, Callable[[Any], bool]] = {
    str: _is_text,
    int: pa.types.is_integer,
    float: lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
    bool: pa.types.is_boolean,
    datetime: lambda kind: pa.types.is_timestamp(kind) or _is_text(kind),
    dict[str, str]: pa.types.is_map,
}
"""Which types of Arrow a column is taken from."""


class NotPlainError(Exception):
    """The rows have to be read one by one."""


class Columns:
    """Reads facts of a kind; `account` and `operation` say what a row's words mean to the caller."""

    def __init__(
        self,
        kind: type[Fact],
        account: Callable[[str], str],
        operation: Callable[[str, str], str],
        span: tuple[datetime, datetime],
        now: datetime,
    ) -> None:
        self._kind = kind
        self._account = account
        self._operation = operation
        self._span = span
        self._now = now

    def lines(self, body: bytes, many: int) -> Any:
        """Return so many lines of JSON as a table, blank ones counted; raises NotPlainError."""
        try:
            return self._decoded(body, many, narrow_decoder(self._kind, _names(self._kind, body)))
        except NotPlainError:  # others have other members, or moments without a zone
            return self._decoded(body, many, decoder(self._kind))

    def _decoded(self, body: bytes, many: int, reader: Any) -> Any:
        """Return lines as a table, each read into an object first; raises NotPlainError."""
        if reader is None:
            raise NotPlainError
        types = schema(self._kind)
        given = {name: Gathered(types.field(name).type) for name in reader.type.__struct_fields__}
        count = 0
        try:
            for piece in _pieces(body):
                rows = reader.decode_lines(piece)
                count += len(rows)
                for those, more in zip(given.values(), zip(*map(astuple, rows), strict=True), strict=bool(rows)):
                    those.extend(more)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotPlainError from error
        if count != many and count != sum(map(bool, map(bytes.strip, body.split(b"\n")))):
            raise NotPlainError  # two on a line, or none
        return self._whole(
            {name: self._array(column, given.get(name), count) for name, column in columns(self._kind).items()}
        )

    def _array(self, column: Column, gathered: Gathered | None, count: int) -> Any:
        """Return decoded values, which keep the rules already, as a column."""
        if gathered is None:
            return _blank(column.name, self._kind, count)
        try:
            if column.of is datetime:
                is_text = isinstance(next((one for one in gathered.values if one is not None), None), str)
                found = pa.array(gathered.values, pa.string() if is_text else _UTC)
            else:
                if column.is_map:
                    gathered.values = [list(one.items()) if one else [] for one in gathered.values]
                found = gathered.array()
            if found.null_count == count:
                return _blank(column.name, self._kind, count)
            if column.of is datetime:
                return self._moments(found)
        except (pa.ArrowException, OverflowError) as error:
            raise NotPlainError from error
        return found.fill_null(column.default) if found.null_count and column.default is not None else found

    def table(self, rows: Any) -> Any:
        """Return rows in whatever columns they came as a batch of facts; raises NotPlainError."""
        if set(rows.column_names) - set(shown_columns(self._kind.table)):
            raise NotPlainError
        found = {
            name: self._sound(column, rows.column(name) if name in rows.column_names else None, len(rows))
            for name, column in columns(self._kind).items()
        }
        return self._whole(found)

    def _whole(self, found: dict[str, Any]) -> Any:
        self._finish(found)
        return pa.Table.from_arrays([found[name] for name in schema(self._kind).names], schema=schema(self._kind))

    def _sound(self, column: Column, values: Any, count: int) -> Any:
        """Return a column as it is kept, if every value keeps the rules."""
        kind = schema(self._kind).field(column.name).type
        if values is None or values.null_count == count:
            return _blank(column.name, self._kind, count)
        if not _FITTING[column.of](values.type):
            raise NotPlainError
        try:
            if column.is_map:
                return _sound_map(column, pa.chunked_array(values.cast(kind)).combine_chunks())
            if pa.types.is_timestamp(kind):
                return self._moments(values)
            values = pa.chunked_array(values.cast(kind)).combine_chunks()
        except (pa.ArrowException, ValueError) as error:
            raise NotPlainError from error
        if not _keeps(column, values):
            raise NotPlainError
        return values if column.default is None else values.fill_null(column.default)

    def _moments(self, values: Any) -> Any:
        """Return moments as UTC without a zone, if they lie within the span; texts have to name one."""
        moments = pa.chunked_array(values.cast(_UTC)).combine_chunks()
        ends = pc.min_max(moments)
        if ends["min"].as_py() < self._span[0] or ends["max"].as_py() > self._span[1]:
            raise NotPlainError
        return moments.cast(pa.timestamp("us"))

    def _finish(self, found: dict[str, Any]) -> None:
        """Fill in what posted facts may leave out."""
        now = pa.scalar(self._now.replace(tzinfo=None), pa.timestamp("us"))
        for name, column in columns(self._kind).items():
            if column.is_required and name not in LEFT_OUT and found[name].null_count:
                raise NotPlainError
        if "revised_at" in found:
            found["revised_at"] = found["revised_at"].fill_null(now)
        if found[MOMENT].null_count:
            guesses = [found[name] for name in self._kind.guesses]
            guessed = pc.min_element_wise(*guesses) if guesses else pa.nulls(len(found[MOMENT]), pa.timestamp("us"))
            found[MOMENT] = pc.coalesce(found[MOMENT], guessed, now)
        found["resource"] = _each(found["resource"].fill_null(""), self._owner)
        if self._kind is Request:
            classes = _each(found["status"].cast(pa.string()), lambda status: status_class(int(status)))
            given = found["status_class"].fill_null("")
            found["status_class"] = pc.if_else(pc.equal(given, ""), classes, given)
            both = pc.binary_join_element_wise(found["service"], found["operation"], "\n")
            found["operation"] = _each(both, lambda text: self._operation(*text.split("\n", 1)))

    def _owner(self, name: str) -> str:
        try:
            return self._account(name)
        except TrunklineError as error:
            raise NotPlainError from error


def _names(kind: type[Fact], body: bytes) -> tuple[str, ...]:
    """Return the columns of the first line, in its order: those of the others mostly stand in it, too."""
    try:
        first = msgspec.json.decode(body[: body.find(b"\n")] if b"\n" in body else body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotPlainError from error
    if not isinstance(first, dict) or set(first) - set(shown_columns(kind.table)):
        raise NotPlainError
    return tuple(first)


def _pieces(body: bytes) -> Iterator[bytes]:
    """Yield lines, some at a time: objects that are gone soon stay in the processor's cache."""
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin + _PIECE) + 1 or len(body)
        yield body[begin:end]
        begin = end


def _blank(name: str, kind: type[Fact], count: int) -> Any:
    """Return a column in which nothing is given; long ones are not kept: there would be hundreds of MB of them."""
    return (_kept_blank if count <= _MOST_KEPT else _kept_blank.__wrapped__)(name, kind, count)


@lru_cache(1000)
def _kept_blank(name: str, kind: type[Fact], count: int) -> Any:
    column = columns(kind)[name]
    if column.is_map:
        return empty_maps(count)
    of = schema(kind).field(name).type
    return pa.nulls(count, of) if column.default is None else pa.repeat(pa.scalar(column.default, of), count)


def _each(values: Any, meaning: Callable[[str], str]) -> Any:
    """Return a column of texts with each replaced by what it means; every one is looked at once."""
    encoded = pa.chunked_array(values).combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = encoded.dictionary_encode()
    return pa.array([meaning(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _sound_map(column: Column, values: Any) -> Any:
    """Return a column of maps, none of them null, if every one keeps the rules."""
    if values.null_count:
        values = pa.MapArray.from_arrays(values.offsets, values.keys, values.items)
    sizes = pc.subtract(values.offsets.slice(1), values.offsets.slice(0, len(values)))
    largest = pc.max(sizes).as_py() or 0
    texts_sound = all(
        _keeps(part, texts) for part, texts in zip(column.parts, (values.keys, values.items), strict=True)
    )
    if largest > (column.rule.longest or largest) or values.items.null_count or not texts_sound:
        raise NotPlainError
    if largest > 1 and _has_twice(values):
        raise NotPlainError  # of which the last counts: no store takes both
    return values


def _has_twice(values: Any) -> bool:
    """Tell whether an entry of a map has the name of another one of it."""
    names = pa.ListArray.from_arrays(values.offsets, values.keys)
    named = pa.table([pc.list_parent_indices(names), names.flatten()], names=["map", "name"])
    return bool(len(named.group_by(["map", "name"]).aggregate([])) < len(named))


def _keeps(column: Column, values: Any) -> bool:
    """Tell whether all values keep a column's rules."""
    if column.allowed:
        return all(value in column.allowed for value in pc.unique(values.drop_null()).to_pylist())
    if column.of is float and not pc.all(pc.is_finite(values)).as_py():
        return False
    rule = column.rule
    least, most = (rule.least, rule.most) if column.is_number else (rule.shortest, rule.longest)
    if least is not None or most is not None:
        ends = pc.min_max(values if column.is_number else pc.utf8_length(values))
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if low is not None and not (low if least is None else least) <= low <= high <= (high if most is None else most):
            return False
    if rule.pattern is not None:
        return all(re.match(rule.pattern, text) for text in pc.unique(values.drop_null()).to_pylist())
    return True
