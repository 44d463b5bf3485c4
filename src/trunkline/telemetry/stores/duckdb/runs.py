"""Runs: entries of ids in the order of their hashes, in memory or in a file, searched by halving.

An entry says that between two moments facts of a table lie which bear an id of that hash. A file is made of segments,
each with its hashes, first moments, last moments and facts one after the other, and ends with what it holds. It is
made of what the database knows, and can be made anew at any time.
"""

from __future__ import annotations

import mmap
import os
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BufferedWriter
from pathlib import Path
from typing import Any, Literal

import msgspec

from trunkline.durable import sync

Entry = tuple[int, int, int]
"""The number of a fact's table, and the first and the last moment in microseconds since 1970."""
SUFFIX = ".ids"
_MAGIC = b"trunkline ids 1\n"
_COLUMNS: tuple[Literal["Q", "q", "B"], ...] = ("Q", "q", "q", "B")
_ENDING = 24
_ALIGNED = 8


class Contents(msgspec.Struct, frozen=True):
    """What a file holds: the entries of these runs, by the stamps of these; its segments, and their checksum."""

    first: int
    last: int
    stamp: int
    segments: list[tuple[int, int, int]]
    """Of each: where it begins, how many entries it has, the lowest hash."""
    checksum: int

    @property
    def many(self) -> int:
        """How many entries it has."""
        return sum(many for _, many, _ in self.segments)


class Segment:
    """Entries that lie one column after the other in memory, in order of their hashes."""

    def __init__(self, columns: Iterable[memoryview[int]]) -> None:
        self._hashes, self._firsts, self._lasts, self._facts = columns

    def __len__(self) -> int:
        return len(self._hashes)

    def of(self, hashed: int) -> Iterator[Entry]:
        """Yield the entries of a hash."""
        for place in range(bisect_left(self._hashes, hashed), len(self._hashes)):
            if self._hashes[place] != hashed:
                return
            yield self._facts[place], self._firsts[place], self._lasts[place]


def segment(rows: Any) -> Segment:
    """Return an Arrow table of entries (hash, first, last, fact), which is in order, as a segment."""
    return Segment(_columns(rows))


def _columns(rows: Any) -> Iterator[memoryview[int]]:
    for column, kind in zip(rows.combine_chunks().columns, _COLUMNS, strict=True):
        if not len(column):
            yield memoryview(b"").cast(kind)
            continue
        array = column.chunk(0)
        data = memoryview(array.buffers()[1]).cast("B")
        width = array.type.bit_width // 8
        yield data[array.offset * width : (array.offset + len(array)) * width].cast(kind)


class RunFile:
    """A file of entries, mapped into memory."""

    def __init__(self, file: Path) -> None:
        """Open a file; raises ValueError or OSError when it is none, or not whole."""
        if file.suffix != SUFFIX:
            raise ValueError(f"{file} was never finished")
        self.file = file
        with file.open("rb") as opened:
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        data = memoryview(self._map)
        ending = bytes(data[-_ENDING:])
        if len(ending) < _ENDING or ending[8:] != _MAGIC:
            raise ValueError(f"{file} is no file of ids")
        told = int.from_bytes(ending[:8], "little")
        try:
            self.contents = msgspec.json.decode(bytes(data[-_ENDING - told : -_ENDING]), type=Contents)
        except msgspec.MsgspecError as error:
            raise ValueError(f"{file} does not tell what it holds") from error
        self._body = data[: -_ENDING - told]
        self._lowest = [lowest for _, _, lowest in self.contents.segments]
        self._segments = [self._segment(place, many) for place, many, _ in self.contents.segments]

    def _segment(self, place: int, many: int) -> Segment:
        columns = []
        for kind in _COLUMNS:
            end = place + many * (1 if kind == "B" else 8)
            columns.append(self._body[place:end].cast(kind))
            place = end
        if len(columns[-1]) != many:
            raise ValueError(f"{self.file} is not whole")
        return Segment(columns)

    def is_sound(self) -> bool:
        """Tell whether it holds what was written; this reads all of it."""
        return zlib.crc32(self._body) == self.contents.checksum

    def of(self, hashed: int) -> Iterator[Entry]:
        """Yield the entries of a hash."""
        place = bisect_right(self._lowest, hashed) - 1
        if place >= 0:
            yield from self._segments[place].of(hashed)

    def remove(self) -> None:
        """Remove it from the disk; who searches it now still can."""
        with suppress(OSError):
            self.file.unlink()


def written(file: Path, first: int, last: int, stamp: int, parts: Iterable[Any]) -> Iterator[None]:
    """Write a file part by part, each an Arrow table of entries as `segment` takes it; raises OSError.

    The parts are in order of their hashes, and no hash is in two. It has its name once it is durable.
    """
    fresh = file.with_suffix(".new")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as out:
            yield from _written(out, first, last, stamp, parts)
        fresh.replace(file)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
    sync(file.parent, deep=False)


def _written(out: BufferedWriter, first: int, last: int, stamp: int, parts: Iterable[Any]) -> Iterator[None]:
    segments: list[tuple[int, int, int]] = []
    checksum = place = 0
    for rows in parts:
        columns = list(_columns(rows))
        if many := len(columns[0]):
            segments.append((place, many, columns[0][0]))
            pieces = [column.cast("B") for column in columns]
            pieces.append(memoryview(bytes(-sum(map(len, pieces)) % _ALIGNED)))
            for piece in pieces:
                checksum = zlib.crc32(piece, checksum)
                place += out.write(piece)
        yield
    told = msgspec.json.encode(Contents(first, last, stamp, segments, checksum))
    out.write(told + len(told).to_bytes(8, "little") + _MAGIC)
    out.flush()
    os.fsync(out.fileno())
