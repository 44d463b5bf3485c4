"""Support files as a bundle gives them: texts without what nobody may see, the rest only if nothing is found in it."""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from trunkline.insight.archive import LeftOutError, Member
from trunkline.insight.redaction import Redactor
from trunkline.services.support_files import safe_name

_AT_ONCE = 64 * 1024
"""So much is searched at once: a search lets no other thread go on."""
_LONGEST_LINE = 1024 * 1024
_HEAD = 64 * 1024
_OVERLAP = 16 * 1024
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_MOST_FILES = 200
_BROKEN = (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, zlib.error)
_PACKED = (_ZIP, _GZIP, b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
"""How archives and packed files begin."""


def members(name: str, file: BinaryIO, redactor: Redactor) -> Iterator[Member]:
    """Yield a file as a bundle has it, and close it: a zip archive file by file, what gzip packed as it was before."""
    with file:
        head = file.read(len(_ZIP))
        file.seek(0)
        if head.startswith(_GZIP):
            yield Member(f"{name}.unpacked", given(cast("BinaryIO", gzip.GzipFile(fileobj=file)), redactor))
        elif head == _ZIP:
            yield from _of_zip(name, file, redactor)
        else:
            yield Member(name, given(file, redactor))


def _of_zip(name: str, file: BinaryIO, redactor: Redactor) -> Iterator[Member]:
    try:
        packed = zipfile.ZipFile(file)
    except _BROKEN:
        yield Member(name, left_out("It is no sound archive."))
        return
    those = [one for one in packed.infolist() if not one.is_dir()]
    for number, one in enumerate(those[:_MOST_FILES], 1):
        inner = f"{name}/{number}-{safe_name(redactor.text(one.filename))}"
        try:
            yield Member(inner, given(cast("BinaryIO", packed.open(one)), redactor))
        except _BROKEN:
            yield Member(inner, left_out("It is locked by a password, or broken."))
    if len(those) > _MOST_FILES:
        yield Member(name, left_out(f"Of {len(those)} files in it {_MOST_FILES} are given."))


def given(file: BinaryIO, redactor: Redactor) -> Iterator[bytes]:
    """Yield a file's bytes without what nobody may see, and close it; raises LeftOutError.

    A packed file is not given: what is in it cannot be looked at. Nor is one that is no text and in which a secret is
    found, or, where numbers or texts are to be removed, one that is no text at all.
    """
    try:
        with file:
            head = file.read(_HEAD)
            if head.startswith(_PACKED):
                raise LeftOutError("It is packed, and what is in it cannot be looked at; fetch it by its id.")
            encoding = _encoding(head)
            file.seek(0)
            yield from _text(file, encoding, redactor) if encoding else _plain(file, redactor)
    except _BROKEN as error:
        raise LeftOutError("It cannot be read to its end.") from error


def left_out(why: str) -> Iterator[bytes]:
    """Yield nothing: the manifest names what it would have been, and why it is not."""
    raise LeftOutError(why)
    yield b""


def _encoding(head: bytes) -> str:
    """Return how a text is encoded; "" is no text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        return ""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return ""
    return "utf-8-sig"


def _text(file: BinaryIO, encoding: str, redactor: Redactor) -> Iterator[bytes]:
    """Yield a text as UTF-8, cut at the ends of lines, so that no secret is cut in two."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    waiting, is_last = "", False
    while not is_last:
        piece = file.read(_AT_ONCE)
        is_last = not piece
        waiting += decoder.decode(piece, final=is_last)
        end = len(waiting) if is_last else _cut(waiting)
        if end:
            yield redactor.text(waiting[:end]).encode()
            waiting = waiting[end:]
        elif len(waiting) > _LONGEST_LINE:
            raise LeftOutError("It has a line that is too long to be looked at; what came before it is given.")


def _cut(text: str) -> int:
    """Return where a text can be cut: after a line, and not within a private key."""
    end = text.rfind("\n") + 1
    begun = text.rfind("-----BEGIN ", 0, end)
    if begun >= 0 and text.find("-----END ", begun, end) < 0 and end - begun < _OVERLAP:
        return text.rfind("\n", 0, begun) + 1
    return end


def _plain(file: BinaryIO, redactor: Redactor) -> Iterator[bytes]:
    if redactor.hides_numbers or redactor.hides_texts:
        raise LeftOutError("It is no text: numbers and texts of messages cannot be removed from it.")
    before = b""
    while piece := file.read(_AT_ONCE):
        if redactor.knows(before + piece):
            raise LeftOutError("It is no text, and something secret stands in it.")
        before = piece[-_OVERLAP:]
    file.seek(0)
    while piece := file.read(_AT_ONCE):
        yield piece
