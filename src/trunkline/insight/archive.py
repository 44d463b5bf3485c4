"""A zip archive that is written as it is read: no part of it waits for the whole, and its size is bounded."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

MANIFEST = "manifest.json"
_MADE = (1980, 1, 1, 0, 0, 0)
"""The moment of every member: when a bundle was made stands in it once."""


class _Sink(io.RawIOBase):
    """Takes what zipfile writes, until it is fetched."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def fetched(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Member(msgspec.Struct, frozen=True):
    """A file in the archive: its name, and its bytes as they come."""

    name: str
    pieces: Iterable[bytes]


class LeftOutError(Exception):
    """A member cannot be given; the sentence says why."""


def archive(members: Iterable[Member], most_bytes: int) -> Iterator[bytes]:
    """Yield a zip archive of some members, and last a manifest: sizes and digests, and what was left out and why.

    A member that raises LeftOutError, or comes when there are `most_bytes`, ends there and is named in the manifest.
    """
    sink = _Sink()
    listed: list[dict[str, Any]] = []
    missing: list[dict[str, str]] = []
    room = most_bytes
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        for member in members:
            digest, size = hashlib.sha256(), 0
            try:
                for at, piece in enumerate(_within(member.pieces, room)):
                    if not at:
                        opened = made.open(zipfile.ZipInfo(member.name, _MADE), "w", force_zip64=True)
                    digest.update(piece)
                    size += len(piece)
                    opened.write(piece)
                    yield sink.fetched()
            except LeftOutError as error:
                missing.append({"name": member.name, "why": str(error)})
            if size:
                opened.close()
                room -= size
                listed.append({"name": member.name, "bytes": size, "sha256": digest.hexdigest()})
        made.writestr(
            zipfile.ZipInfo(MANIFEST, _MADE),
            msgspec.json.format(msgspec.json.encode({"files": listed, "left_out": missing})),
            zipfile.ZIP_DEFLATED,
        )
    yield sink.fetched()


def _within(pieces: Iterable[bytes], room: int) -> Iterator[bytes]:
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise LeftOutError("The bundle would be too large; this ends here, or is not in it at all.")
        if piece:
            yield piece
