"""Chunks: the rows of a file in pieces that depend on the file alone, so that whoever resumes cuts the same ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.catalogue.facts import Fact
from trunkline.sources.rules import Place, Refused, Shape

MOST_ROWS = 40_000
MOST_BYTES = 4_000_000
"""What cannot be packed has to go into one body all the same, of which a server takes 4 MiB unless told otherwise."""
LONGEST_LINE = 65_536
# a part of every chunk's name: who changes how files are cut changes it as well
MARK = f"trunkline import 1: {MOST_ROWS} rows, {MOST_BYTES} bytes, {LONGEST_LINE} a line\n".encode()
LINES, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"
_codec = pa.Codec("zstd", compression_level=1)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """As what a file is read: the kind of its facts, and where each of its columns belongs."""

    kind: type[Fact]
    places: Mapping[str, Place | None]
    ignores_unknown: bool = False


class Chunk(ABC):
    """Some rows of a file in their order: packed only when they are wanted.

    `number` counts from 1; `lines` are those of the rows in the body, `refused` the rows that are no facts; `position`
    is how far the file had been read.
    """

    media_type = LINES

    def __init__(self, number: int, position: int) -> None:
        self.number = number
        self.position = position
        self.lines: Sequence[int] = ()
        self.refused: list[Refused] = []

    @abstractmethod
    def body(self) -> bytes:
        """Return the rows, packed by zstd; sets `lines` and `refused`. It is empty when none is left."""

    @abstractmethod
    def rows(self) -> Sequence[Any]:
        """Return the rows of the body: lines of JSON, or objects."""

    def row(self, line: int) -> Any:
        """Return what stands in a line, as far as it is known."""
        del line
        return None


class LinesChunk(Chunk):
    """Lines of JSON, as they stand in the file."""

    def __init__(
        self,
        number: int,
        position: int,
        lines: list[int],
        texts: list[bytes],
        refused: list[Refused],
        keep: frozenset[str] | None,
    ) -> None:
        super().__init__(number, position)
        self.lines = lines
        self.refused = refused
        self._texts = texts
        self._keep = keep

    def body(self) -> bytes:
        """Return the lines; the members that are not kept are left out."""
        if not self._texts:
            return b""
        return packed(b"\n".join(self.rows()))

    def rows(self) -> Sequence[bytes]:
        """Return the lines."""
        return self._texts if self._keep is None else [_kept(text, self._keep) for text in self._texts]

    def row(self, line: int) -> Any:
        """Return a line's object, or its text."""
        try:
            text = self._texts[self.lines.index(line)]
        except ValueError:
            return None
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return text.decode(errors="replace")


class TableChunk(Chunk):
    """Rows of a table, whose columns are still the file's."""

    media_type = ARROW

    def __init__(
        self, number: int, position: int, table: pa.Table, lines: Sequence[int], shape: Shape, refused: list[Refused]
    ) -> None:
        super().__init__(number, position)
        self._table = table
        self._all = lines
        self._shape = shape
        self._unreadable = refused
        self._made: pa.Table | None = None

    def body(self) -> bytes:
        """Return the rows as an Arrow stream of the fact's columns."""
        table = self._shaped()
        if not table.num_rows:
            return b""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return packed(sink.getvalue())

    def rows(self) -> Sequence[dict[str, Any]]:
        """Return the rows as objects, without what is not given."""
        found = self._shaped().to_pylist(maps_as_pydicts="lossy")
        return [{name: value for name, value in row.items() if value is not None} for row in found]

    def row(self, line: int) -> Any:
        """Return a line's values by the names of the file's columns."""
        try:
            at = self._all.index(line)
        except ValueError:
            return None
        (row,) = self._table.slice(at, 1).to_pylist(maps_as_pydicts="lossy")
        return {name: value for name, value in row.items() if value is not None}

    def _shaped(self) -> pa.Table:
        if self._made is None:
            table, wrong = self._shape(self._table)
            told = (Refused(line=self._all[at], path=path, why=why) for at, (path, why) in wrong.items())
            self.refused = sorted((*self._unreadable, *told), key=lambda refused: refused.line)
            self.lines = self._all
            if wrong:
                sound = [at not in wrong for at in range(table.num_rows)]
                self.lines = [line for line, is_sound in zip(self._all, sound, strict=True) if is_sound]
                table = table.filter(pa.array(sound))
            self._made = table
        return self._made


class Cutter(ABC):
    """Cuts one kind of file."""

    is_flat = True
    """Whether the entries of a map are columns of their own, as in `extra.region`."""
    names: Sequence[str]
    """The columns, as far as the file tells them at its beginning."""
    total: int
    """How far `position` goes."""

    @abstractmethod
    def chunks(self, plan: Plan, after: int = 0) -> Iterator[Chunk]:
        """Yield the chunks behind the first so many. Raises CutOffError after the last that can be read."""


def packed(body: Any) -> bytes:
    """Pack a body."""
    found: bytes = _codec.compress(body, asbytes=True)
    return found


def _kept(text: bytes, names: frozenset[str]) -> bytes:
    try:
        row = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return text  # the server tells what is wrong with it
    if row.keys() <= names:
        return text
    return msgspec.json.encode({name: value for name, value in row.items() if name in names})
