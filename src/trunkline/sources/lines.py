"""Files of lines: one JSON object each, or values with commas between."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import shown_columns
from trunkline.errors import InvalidError
from trunkline.sources.chunks import LONGEST_LINE, MOST_BYTES, MOST_ROWS, Chunk, Cutter, LinesChunk, Plan, TableChunk
from trunkline.sources.packing import CutOffError, Stream
from trunkline.sources.rules import Refused, Shape

_LOOKED_AT = 100
_TOO_LONG = "A line has at most {} bytes."
_BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """A row: its first line from 1, its bytes in the file, what stands there, or why it cannot be read."""

    line: int
    size: int
    value: Any
    why: str = ""


def lines(stream: Stream, longest: int = LONGEST_LINE) -> Iterator[Row]:
    """Yield the lines without their ends; raises CutOffError, and half a line before it is left out."""
    number, rest, is_skipping = 0, b"", False
    too_long = _TOO_LONG.format(longest)
    for block in _without_mark(stream.blocks()):
        first, *others = block.split(b"\n")
        rest += b"" if is_skipping else first
        for other in others:
            number += 1
            if is_skipping or len(rest) > longest:
                yield Row(number, 1, None, too_long)
            else:
                yield Row(number, len(rest) + 1, rest)
            rest, is_skipping = other, False
        if len(rest) > longest:
            rest, is_skipping = b"", True
    if is_skipping:
        yield Row(number + 1, 1, None, too_long)
    elif rest:
        yield Row(number + 1, len(rest) + 1, rest)


def _without_mark(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Leave out the byte order mark that some programs write first."""
    first = b""
    for block in blocks:
        first += block
        if len(first) >= len(_BOM):
            break
    yield first.removeprefix(_BOM)
    yield from blocks


def groups(rows: Iterator[Row], after: int, most_rows: int = 0, most_bytes: int = 0) -> Iterator[tuple[int, list[Row]]]:
    """Yield the rows of each chunk behind the first so many, with its number; what was before a break comes, too."""
    number, size = 1, 0
    group: list[Row] = []
    broken: CutOffError | None = None
    try:
        for row in rows:
            if len(group) == (most_rows or MOST_ROWS) or (group and size + row.size > (most_bytes or MOST_BYTES)):
                if number > after:
                    yield number, group
                number, group, size = number + 1, [], 0
            group.append(row)
            size += row.size
    except CutOffError as error:
        broken = error
    if group and number > after:
        yield number, group
    if broken is not None:
        raise broken


class JsonLines(Cutter):
    """One JSON object a line."""

    is_flat = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.total = path.stat().st_size
        names: dict[str, None] = {}
        for number, row in enumerate(self._first_rows()):
            if number == 0 and not isinstance(row, dict):
                raise InvalidError(f"{path} is not one JSON object a line; `jq -c '.[]'` makes that of an array.")
            names |= dict.fromkeys(row if isinstance(row, dict) else ())
        self.names = list(names)

    def _first_rows(self) -> Iterator[Any]:
        """Yield what stands in the first lines; an unreadable one is nothing."""
        seen = 0
        try:
            for row in written(lines(Stream(self._path))):
                yield _decoded(row.value or b"")
                seen += 1
                if seen == _LOOKED_AT:
                    return
        except CutOffError:
            return  # whoever reads on is told

    def chunks(self, plan: Plan, after: int = 0) -> Iterator[Chunk]:
        """Yield the lines by their bytes; blank ones are left out."""
        keep = frozenset(shown_columns(plan.kind.table)) if plan.ignores_unknown else None
        stream = Stream(self._path)
        for number, group in groups(written(lines(stream)), after):
            refused, sound = _parted(group)
            numbers, texts = [row.line for row in sound], [row.value for row in sound]
            yield LinesChunk(number, stream.position, numbers, texts, refused, keep)


def written(rows: Iterator[Row]) -> Iterator[Row]:
    """Leave out blank lines."""
    return (row for row in rows if row.why or (row.value and not row.value.isspace()))


def _parted(group: list[Row]) -> tuple[list[Refused], list[Row]]:
    """Part the rows that cannot be read from those that can."""
    refused = [Refused(line=row.line, path="", why=row.why) for row in group if row.why]
    return refused, [row for row in group if not row.why] if refused else group


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


class Sheet(Cutter):
    """Values with commas (or semicolons, or tabs) between, their columns named in the first row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.total = path.stat().st_size
        self._between = ","
        try:
            head = next((row.value for row in written(lines(Stream(path)))), b"") or b""
            self._between = max(",;\t", key=head.decode(errors="replace").count)
            header = next(self._rows(Stream(path)), None)
        except CutOffError as error:
            raise InvalidError(error.message) from error
        if header is None or header.why:
            raise InvalidError(f"{path} has no row that names its columns. {header.why if header else ''}".strip())
        self.names = [name.strip() for name in header.value]
        if "" in self.names:
            raise InvalidError(f"A column of {path} has no name: the first row names the columns.")

    def _rows(self, stream: Stream) -> Iterator[Row]:
        """Yield the rows, which may go over several lines; blank ones are left out."""
        reading = _Texts(stream)
        reader = csv.reader(reading, delimiter=self._between, strict=True)
        while True:
            first = reading.line + 1
            reading.size, reading.why = 0, ""
            try:
                values = next(reader, None)
            except csv.Error as error:
                if reading.broken is not None:
                    break
                lasts = f", nor what follows up to line {reading.line}" * (reading.line > first)
                yield Row(first, reading.size, None, f"The row cannot be read{lasts}: {error}.")
                continue
            if values is None or reading.broken is not None:
                break
            if values or reading.why:
                yield Row(first, reading.size, values, reading.why)
        if reading.broken is not None:
            raise reading.broken

    def chunks(self, plan: Plan, after: int = 0) -> Iterator[Chunk]:
        """Yield the rows by their bytes in the file."""
        shape = Shape(plan.kind, plan.places)
        stream = Stream(self._path)
        for number, group in groups(self.rows(stream), after):
            refused, sound = _parted(group)
            table = self._table([row.value for row in sound])
            yield TableChunk(number, stream.position, table, [row.line for row in sound], shape, refused)

    def rows(self, stream: Stream) -> Iterator[Row]:
        """Yield the rows below the header: a list of texts each, or why it is none."""
        rows = self._rows(stream)
        next(rows, None)  # the header
        return map(self._checked, rows)

    def _checked(self, row: Row) -> Row:
        """Refuse a row that has too few values, or too many, or is no text."""
        if row.why:
            return row
        if len(row.value) != len(self.names):
            count = len(row.value)
            return row._replace(
                why=f"The row has {count} value{'s' * (count != 1)}, the columns are {len(self.names)}."
            )
        text = "".join(row.value)
        if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
            return row._replace(why="The row is not UTF-8.")
        return row

    def _table(self, rows: list[list[str]]) -> pa.Table:
        """Return the rows as a table of texts; what is empty is not given."""
        if not rows:
            return pa.table({name: pa.array([], pa.string()) for name in self.names})
        values = zip(self.names, zip(*rows, strict=True), strict=True)
        return pa.table({name: _given(pa.array(those, pa.string())) for name, those in values})


def _given(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), None, values)


class _Texts:
    """The lines as texts for a reader of rows; it tells where it is, and how it ended."""

    def __init__(self, stream: Stream) -> None:
        self._rows = lines(stream)
        self.line = 0
        self.size = 0
        self.why = ""
        self.broken: CutOffError | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            row = next(self._rows)
        except CutOffError as error:
            self.broken = error
            raise StopIteration from None
        self.line = row.line
        self.size += row.size
        self.why = self.why or row.why
        text: bytes = row.value or b""
        return text.decode(errors="surrogateescape") + "\n"
