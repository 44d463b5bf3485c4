"""Posted bodies: lines of JSON, an array, or Arrow, plain or packed; cut into parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.apis.trunkline import arrow
from trunkline.apis.trunkline.columnar import Columns, NotPlainError
from trunkline.errors import InvalidError, TooLargeError

LONGEST_LINE = 64 * 1024
MOST_UNPACKED = 32 * 1024 * 1024
MOST_FACTS = 100_000
SLICE = 5000
_SLICE_BYTES = 4 * 1024 * 1024
_CHUNK = 256 * 1024
_WORD_OF_CODEC = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
Item = tuple[int, Any]
"""The number of a line (or of an array's part, or of a row), and what stands there."""


class Part:
    """Some rows of a body: the number of the first, how many (blank lines counted), and what they are.

    `rows` are lines of JSON in one piece, a list of objects, or a table.
    """

    def __init__(self, first: int, many: int, rows: Any) -> None:
        self._first = first
        self._many = many
        self._rows = rows

    def items(self) -> Iterator[Item]:
        """Yield each row with its number."""
        if isinstance(self._rows, pa.Table):
            return arrow.rows(self._rows, self._first)
        lines = self._rows.split(b"\n") if isinstance(self._rows, bytes) else self._rows
        return ((number, line) for number, line in enumerate(lines, self._first) if line.strip())

    def columns(self, reader: Columns) -> Any:
        """Return the rows as a batch; raises NotPlainError."""
        if isinstance(self._rows, pa.Table):
            return reader.table(self._rows)
        text = self._rows if isinstance(self._rows, bytes) else b"\n".join(self._rows)
        if _has_longer_line(text):
            raise NotPlainError
        return reader.lines(text, self._many)


class Body:
    """A body, unpacked: its size and its parts. Raises InvalidError when it is none, TooLargeError."""

    def __init__(self, body: bytes, media_type: str, encoding: str) -> None:
        codecs = [word for part in encoding.lower().split(",") if (word := part.strip()) not in {"", "identity"}]
        if len(codecs) > 1:
            raise InvalidError("A body is packed once.", target="Content-Encoding")
        for codec in codecs:
            body = _unpacked(body, codec)
        self.size = len(body)
        self.parts = _parts(body, media_type)

    def items(self) -> Iterator[Item]:
        """Yield each row with its number."""
        return (item for part in self.parts for item in part.items())


def _parts(body: bytes, media_type: str) -> list[Part]:
    if arrow.is_arrow(body) or "arrow" in media_type:
        rows = arrow.table(body, MOST_FACTS)
        slices = [(start, rows.slice(start, SLICE)) for start in range(0, rows.num_rows, SLICE)]
        return [Part(start + 1, len(part), part) for start, part in slices]
    head = body[:1000].lstrip()[:1]
    if not head and not body.strip():
        raise InvalidError("The body is empty: send one JSON object a line, or an array.", target="body")
    if head == b"[":
        return _listed(_elements(body))
    if body[: body.find(b"\n")].strip() == b"{":  # one object, written over several lines for people
        return _listed([body])
    return _cut(body)


def _elements(body: bytes) -> list[bytes]:
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"The body is not a JSON array: {error}.", target="body") from error
    if len(parts) > MOST_FACTS:
        raise _too_many()
    return [bytes(part) for part in parts]


def _listed(objects: list[bytes]) -> list[Part]:
    slices = [(start, objects[start : start + SLICE]) for start in range(0, len(objects), SLICE)]
    return [Part(start + 1, len(part), part) for start, part in slices]


def _cut(text: bytes) -> list[Part]:
    """Cut lines into parts of about the size in which they are read best; raises TooLargeError."""
    parts: list[Part] = []
    before = begin = 0
    while begin < len(text):
        end = text.find(b"\n", begin + _SLICE_BYTES) + 1 or len(text)
        lines = text[begin:end].removesuffix(b"\n")
        many = lines.count(b"\n") + 1
        parts.append(Part(before + 1, many, lines))
        before, begin = before + many, end
        if before > MOST_FACTS:
            raise _too_many()
    return parts


def _too_many() -> TooLargeError:
    return TooLargeError(f"At most {MOST_FACTS} facts are taken at once.")


def _has_longer_line(text: bytes) -> bool:
    """Tell whether a line is longer than one may be: if none is, an end stands within each such stretch."""
    begin = 0
    while len(text) - begin > LONGEST_LINE:
        begin = text.rfind(b"\n", begin, begin + LONGEST_LINE + 1) + 1
        if not begin:
            return True
    return False


def _unpacked(body: bytes, codec: str) -> bytes:
    """Unpack a body, up to a bound."""
    name = _WORD_OF_CODEC.get(codec)
    if name is None:
        raise InvalidError("A body is sent plain, or packed by gzip or zstd.", target="Content-Encoding")
    chunks: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), name) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MOST_UNPACKED:
                    raise TooLargeError(f"The unpacked body is larger than {MOST_UNPACKED} bytes.")
                chunks.append(chunk)
    except (OSError, pa.ArrowException) as error:
        raise InvalidError(f"The body is not {name}.", target="Content-Encoding") from error
    return b"".join(chunks)
