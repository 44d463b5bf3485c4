"""Exports of log tables: files whose rows another system wrote, and which become several kinds of facts.

A file travels once for each kind, in chunks that depend on the file alone.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.catalogue.columns import shown_columns
from trunkline.catalogue.exports import Last, kinds, read
from trunkline.catalogue.facts import Fact, LogLine
from trunkline.errors import InvalidError
from trunkline.sources.chunks import ARROW, Chunk, Cutter, Plan, packed
from trunkline.sources.exported import Exported, WrongError, exported, guessed, says_table
from trunkline.sources.files import SourceFile
from trunkline.sources.lines import Row, Sheet, groups, lines, written
from trunkline.sources.packing import CutOffError, Stream
from trunkline.sources.rules import Refused, typed
from trunkline.sources.translation import Made, made

MOST_ROWS = 10_000
MOST_BYTES = 2_000_000
LONGEST_LINE = 1 << 20
LARGEST_DOCUMENT = 256 << 20
# a part of every chunk's name: who changes how files are cut, or what rows become, changes it as well
MARK = f"trunkline export 1: {MOST_ROWS} rows, {MOST_BYTES} bytes, {LONGEST_LINE} a line\n".encode()
_LOOKED_AT = 100
_ZONED = re.compile(r"(.+?) \[(.+)\]")
_BOM = b"\xef\xbb\xbf"
Version = tuple[str, ...]


class Export:
    """A file of rows of log tables. `counts` tells how many rows each table has in it.

    Use `opened`. Raises InvalidError for a table that there is none, and a file of which no row can be read.
    """

    def __init__(self, path: Path, form: _Form, table: str) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._form = form
        self._table = table
        self._last: dict[Version, float] = {}
        with suppress(CutOffError):  # whoever reads on is told
            for row in form.rows(Stream(path)):
                self._count(row)

    def _count(self, row: Row) -> None:
        try:
            found = exported(row.value, self._table)
        except WrongError:
            return
        self.counts[found.table.name] += 1
        if (last := found.table.last) is not None:
            key = _version(found, last)
            self._last[key] = max(self._last.get(key, -1.0), _number(found, last))

    def parts(self) -> list[SourceFile]:
        """Return the file once for each kind of fact that its rows become; lines of a log first."""
        known = read().tables
        wanted = {one.fact for name in self.counts for one in known[name].facts}
        cutter = _Rows(self.path, self._form, self._table, self._last)
        return [
            SourceFile(self.path, cutter, Plan(kind=kind, places={}), MARK)
            for table, kind in kinds().items()
            if table == LogLine.table or table in wanted
        ]


def opened(path: Path, table: str = "") -> Export | None:
    """Open a file if it is an export; with `table` it is one, whatever its rows say. Raises InvalidError."""
    name = _named(table) if table else ""
    form = _form(path)
    if form is None:
        if name:
            raise InvalidError(f"{path} is no export of a log table: JSON or CSV, plain or packed by gzip or zstd.")
        return None
    first: list[Any] = []
    with suppress(CutOffError):  # whoever reads on is told
        first.extend(row.value for row in islice(form.rows(Stream(path)), _LOOKED_AT))
    if not name and not any(says_table(row) for row in first):
        name = guessed(form.names or (first[0] if first and isinstance(first[0], dict) else {}))
        if not name and not form.is_export:
            return None
    return Export(path, form, name)


def _named(table: str) -> str:
    known = read().tables
    by_name = {name.casefold(): name for name in known} | {row.category.casefold(): name for name, row in known.items()}
    found = by_name.get(table.casefold())
    if found is None:
        near = difflib.get_close_matches(table.casefold(), by_name, n=3, cutoff=0.4)
        raise InvalidError(
            f"There is no log table {table[:100]!r}"
            + (f"; the nearest are {', '.join(dict.fromkeys(by_name[one] for one in near))}." if near else "."),
            target="table",
        )
    return found


# --- forms ---


class _Form(ABC):
    """How the rows stand in a file; `is_export` when the form itself says that they are exported rows."""

    names: Sequence[str] = ()
    is_export = False

    @abstractmethod
    def rows(self, stream: Stream) -> Iterator[Row]:
        """Yield the rows, or why one is none. Raises CutOffError after the last that can be read."""


class _Lines(_Form):
    """A record a line, or several in a wrapping."""

    def rows(self, stream: Stream) -> Iterator[Row]:
        """Yield the records, each with the number of its line."""
        for row in written(lines(stream, LONGEST_LINE)):
            if row.why:
                yield row
                continue
            try:
                found = msgspec.json.decode(row.value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield row._replace(value=None, why=f"This is not JSON: {error}.")
                continue
            records = _unwrapped(found)
            if records is None:
                yield row._replace(value=found)
                continue
            size = -(-row.size // max(1, len(records)))
            for record in records:
                yield Row(row.line, size, record)


class _Document(_Form):
    """One JSON document: a list of rows, or such a list in a wrapping."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = self._text(Stream(path))
        self.is_sound = True
        if not text.startswith(b"["):
            try:
                self.is_export = _unwrapped(msgspec.json.decode(text)) is not None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.is_sound = False

    def _text(self, stream: Stream) -> bytes:
        blocks, size = [], 0
        for block in stream.blocks():
            blocks.append(block)
            size += len(block)
            if size > LARGEST_DOCUMENT:
                raise InvalidError(
                    f"{self._path} is one JSON document of more than {LARGEST_DOCUMENT >> 20} MiB: write its rows one "
                    "a line (`jq -c '.[]'`)."
                )
        return b"".join(blocks).removeprefix(_BOM).strip()

    def rows(self, stream: Stream) -> Iterator[Row]:
        """Yield the rows with their numbers from 1."""
        text = self._text(stream)
        try:
            if text.startswith(b"["):
                raws = msgspec.json.decode(text, type=list[msgspec.Raw])
                for number, raw in enumerate(raws, 1):
                    yield Row(number, len(memoryview(raw)) + 1, msgspec.json.decode(raw))
                return
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CutOffError(f"{self._path} is not JSON: {error}.") from error
        records = _unwrapped(found)
        records = [found] if records is None else records
        size = -(-len(text) // max(1, len(records)))
        yield from (Row(number, size, record) for number, record in enumerate(records, 1))


class _Sheet(_Form):
    """Values with commas between; moments are in the zone that their column names."""

    def __init__(self, path: Path) -> None:
        self._sheet = Sheet(path)
        self.names = [_unzoned(path, name) for name in self._sheet.names]

    def rows(self, stream: Stream) -> Iterator[Row]:
        """Yield the rows below the header by the names of their columns."""
        for row in self._sheet.rows(stream):
            yield row if row.why else row._replace(value=dict(zip(self.names, row.value, strict=True)))


def _unzoned(path: Path, name: str) -> str:
    """Return a column's name without its zone; raises InvalidError when that is not UTC."""
    found = _ZONED.fullmatch(name)
    if found is None:
        return name
    if found[2] not in read().forms.zones:
        raise InvalidError(
            f"The moments in {path} are those of {found[2]} ({name}): export it once more with the display set to "
            f"{read().forms.zones[0]}.",
            target=name,
        )
    return found[1]


def _unwrapped(found: Any) -> list[Any] | None:
    """Return the rows of an answer to a query or of a wrapping, None of what is none."""
    forms = read().forms
    if not isinstance(found, dict):
        return None
    if isinstance(tables := found.get(forms.tables), list):
        return [row for table in tables for row in _tabled(table)]
    return next((found[name] for name in forms.listed if isinstance(found.get(name), list)), None)


def _tabled(table: Any) -> Iterator[Any]:
    """Yield the rows of one table of an answer by the names of its columns; a row that does not fit as it is."""
    if not isinstance(table, dict):
        return
    columns, rows = table.get("columns"), table.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list):
        return
    names = [str(column.get("name", "")) if isinstance(column, dict) else str(column) for column in columns]
    for row in rows:
        fits = isinstance(row, list) and len(row) == len(names)
        yield dict(zip(names, row, strict=True)) if fits else row


def _form(path: Path) -> _Form | None:
    """Return how a file's rows stand in it, None if it cannot be an export."""
    try:
        begins = next((block for block in Stream(path).blocks() if block.strip()), b"") if path.is_file() else b""
    except (OSError, CutOffError):
        return None  # whoever opens it otherwise tells what is wrong
    text = begins.removeprefix(_BOM).lstrip()
    if not text or b"\0" in begins[:1000] or text.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        return None
    try:
        if text.startswith(b"["):
            return _Document(path)
        if not text.startswith(b"{"):
            return _Sheet(path)
        return _object_form(path)
    except CutOffError:
        return None
    except InvalidError:
        if text.startswith((b"[", b"{")) or read().forms.moment.encode() in text[:LONGEST_LINE].split(b"\n", 1)[0]:
            raise
        return None


def _object_form(path: Path) -> _Form:
    """Return how a file that begins with an object is written: a record a line, or one document over several lines.

    Lines of a document may be whole objects, too, so where the first is none the document is tried before the lines.
    """
    seen: list[bool] = []
    with suppress(CutOffError):  # whoever reads on is told
        seen.extend(_is_object(row) for row in islice(written(lines(Stream(path), LONGEST_LINE)), _LOOKED_AT))
    if seen and seen[0]:
        return _Lines()
    document = _Document(path)
    return document if document.is_sound or not any(seen) else _Lines()


def _is_object(row: Row) -> bool:
    try:
        return isinstance(msgspec.json.decode(row.value or b""), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


# --- chunks ---


class _Rows(Cutter):
    """Cuts an export."""

    def __init__(self, path: Path, form: _Form, table: str, last: Mapping[Version, float]) -> None:
        self._path = path
        self._form = form
        self._table = table
        self._last = last
        self.names = form.names
        self.total = path.stat().st_size

    def chunks(self, plan: Plan, after: int = 0) -> Iterator[Chunk]:
        """Yield the rows by their bytes in the file."""
        stream = Stream(self._path)
        for number, group in groups(self._form.rows(stream), after, MOST_ROWS, MOST_BYTES):
            yield _ExportChunk(number, stream.position, plan.kind, group, self)

    def facts(self, kind: type[Fact], value: Any) -> list[Made]:
        """Return the facts of a kind that a row becomes; raises WrongError."""
        row = exported(value, self._table)
        last = row.table.last
        is_stale = last is not None and _number(row, last) < self._last.get(_version(row, last), -1.0)
        return [] if is_stale and kind is not LogLine else list(made(row, kind.table))


class _ExportChunk(Chunk):
    """Some rows of an export, and the facts of one kind that they become."""

    media_type = ARROW

    def __init__(self, number: int, position: int, kind: type[Fact], rows: list[Row], cutter: _Rows) -> None:
        super().__init__(number, position)
        self._kind = kind
        self._rows = rows
        self._cutter = cutter
        self._facts: list[Made] | None = None

    def body(self) -> bytes:
        """Return the facts as an Arrow stream."""
        facts = self.rows()
        if not facts:
            return b""
        names = {name for fact in facts for name in fact}
        columns = {name: column for name, column in shown_columns(self._kind.table).items() if name in names}
        table = pa.table({name: typed([fact.get(name) for fact in facts], column) for name, column in columns.items()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return packed(sink.getvalue())

    def rows(self) -> Sequence[Made]:
        """Return the facts as objects; what cannot be read at all is refused once, as a line."""
        if self._facts is None:
            self._facts, numbers, refused = [], [], []
            for row in self._rows:
                try:
                    if row.why:
                        raise WrongError("", row.why)  # noqa: TRY301 - told like every other
                    found = self._cutter.facts(self._kind, row.value)
                except WrongError as error:
                    if self._kind is LogLine or error.is_of_fact:
                        refused.append(Refused(line=row.line, path=error.path, why=error.why))
                    continue
                self._facts += found
                numbers += [row.line] * len(found)
            self.lines, self.refused = numbers, refused
        return self._facts

    def row(self, line: int) -> Any:
        """Return what stands in a line."""
        return next((row.value for row in self._rows if row.line == line), None)


def _version(row: Exported, last: Last) -> Version:
    return (row.table.name, *(str(row.values.get(name, "")) for name in last.of))


def _number(row: Exported, last: Last) -> float:
    value = row.values.get(last.by)
    return float(value) if isinstance(value, int | float) else 0.0
