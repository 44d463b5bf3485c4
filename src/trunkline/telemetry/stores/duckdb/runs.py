"""Runs: entries of ids in the order of their hashes, in memory or in a file, searched by halving.

An entry says that between two moments facts of a table lie which bear an id of that hash. A file is made of segments,
each with its hashes, first moments, last moments and facts one after the other, and ends with what it holds. It is
made of what the database knows, and can be made anew at any time.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BufferedWriter
from itertools import pairwise
from math import isqrt
from pathlib import Path
from typing import Any, Literal

import msgspec

from trunkline.durable import sync

Entry = tuple[int, int, int]
"""The number of a fact's table, and the first and the last moment in microseconds since 1970."""
SUFFIX = ".ids"
HASHES = 1 << 64
"""So many hashes there may be."""
_MAGIC = b"trunkline ids 1\n"
_COLUMNS: tuple[Literal["Q", "q", "B"], ...] = ("Q", "q", "q", "B")
_WIDTH = sum(map(struct.calcsize, _COLUMNS))
_ENDING = 24
_ALIGNED = 8
_PIECE = 4 * 1024 * 1024


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

    def fits(self, size: int) -> bool:
        """Tell whether so many bytes are segments one after the other, and nothing else."""
        end = 0
        for place, many, _ in self.segments:
            if place != end or many < 1:
                return False
            end += -(-many * _WIDTH // _ALIGNED) * _ALIGNED
        return end == size and self.first <= self.last


class Segment:
    """Entries that lie one column after the other in memory, in order of their hashes, which lie in [low, high)."""

    def __init__(self, columns: Iterable[memoryview[int]], low: int = 0, high: int = HASHES) -> None:
        self._hashes, self._firsts, self._lasts, self._facts = columns
        self._low, self._width = low, high - low

    @property
    def lowest(self) -> int:
        """The first of its hashes; raises IndexError where it has none."""
        return self._hashes[0]

    def of(self, hashed: int) -> Iterator[Entry]:
        """Yield the entries of a hash."""
        for place in range(self._begin(hashed), len(self._hashes)):
            if self._hashes[place] != hashed:
                return
            yield self._facts[place], self._firsts[place], self._lasts[place]

    def _begin(self, hashed: int) -> int:
        """Return where a hash begins: hashes lie evenly, so a file that is not in memory is read in one place."""
        many = len(self._hashes)
        guess = (hashed - self._low) * many // self._width
        off = 4 * isqrt(many)
        low, high = max(0, guess - off), min(many, guess + off)
        if (low == 0 or self._hashes[low] < hashed) and (high == many or self._hashes[high] >= hashed):
            return bisect_left(self._hashes, hashed, low, high)
        return bisect_left(self._hashes, hashed)


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
        if not self.contents.fits(len(self._body)):
            raise ValueError(f"{file} is not whole")
        self._lowest = [lowest for _, _, lowest in self.contents.segments]
        ends = pairwise([*self._lowest, HASHES])
        self._segments = [
            self._segment(place, many, low, high)
            for (place, many, _), (low, high) in zip(self.contents.segments, ends, strict=True)
        ]

    def _segment(self, place: int, many: int, low: int, high: int) -> Segment:
        columns = []
        for kind in _COLUMNS:
            end = place + many * struct.calcsize(kind)
            columns.append(self._body[place:end].cast(kind))
            place = end
        return Segment(columns, low, high)

    def check(self) -> Iterator[None]:
        """Read all of it, a piece at a time; at last raises ValueError unless it holds what was written."""
        found = 0
        for place in range(0, len(self._body), _PIECE):
            found = zlib.crc32(self._body[place : place + _PIECE], found)
            yield
        lowest = [one.lowest for one in self._segments]
        if (found, lowest) != (self.contents.checksum, self._lowest):
            raise ValueError(f"{self.file} does not hold what was written")

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
