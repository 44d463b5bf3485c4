"""A file as a stream of bytes, unpacked as it is read; what is cut off says so after what could be read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from trunkline.errors import InvalidError

BLOCK = 1 << 18
PLAIN, GZIP, ZSTD = "", "gzip", "zstd"
_MARKS = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}
_UNPACKED = 1 << 20


class CutOffError(InvalidError):
    """The file ends before its end, or is damaged; what was before it is sound."""


def packing_of(head: bytes) -> str:
    """Return how a file that begins like this is packed."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), PLAIN)


class Stream:
    """The bytes of a file, unpacked; `position` is how far the file itself has been read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.position = 0

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes, some at a time. Raises CutOffError after the last that could be read."""
        with self._path.open("rb") as file:
            packing = packing_of(file.read(4))
            file.seek(0)
            if packing == GZIP:
                yield from self._gunzipped(file)
            elif packing == ZSTD:
                yield from self._unzstd(file)
            else:
                while block := self._read(file):
                    yield block

    def _read(self, file: BinaryIO) -> bytes:
        block = file.read(BLOCK)
        self.position += len(block)
        return block

    def _gunzipped(self, file: BinaryIO) -> Iterator[bytes]:
        part = zlib.decompressobj(wbits=31)
        waiting = self._read(file)
        while waiting:
            try:
                block = part.decompress(waiting, _UNPACKED)
            except zlib.error as error:
                raise self._cut_off(f"is damaged ({error})") from error
            if block:
                yield block
            if part.eof:  # several parts one after the other are one file; zeros may fill its end
                waiting = (part.unused_data or self._read(file)).lstrip(b"\0")
                part = zlib.decompressobj(wbits=31)
                while not waiting and (more := self._read(file)):
                    waiting = more.lstrip(b"\0")
                if not waiting:
                    return
            else:
                waiting = part.unconsumed_tail or self._read(file)
        raise self._cut_off("ends early")

    def _unzstd(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
                while block := stream.read(BLOCK):
                    self.position = file.tell()
                    yield block
        except (OSError, pa.ArrowException) as error:
            raise self._cut_off(f"ends early or is damaged ({error})") from error

    def _cut_off(self, how: str) -> CutOffError:
        return CutOffError(f"{self._path} {how}: after byte {self.position} of it nothing can be unpacked.")
