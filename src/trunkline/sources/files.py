"""Files of facts: what one holds, known by its first bytes, and the chunks in which it travels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trunkline.catalogue.facts import Fact
from trunkline.errors import InvalidError
from trunkline.sources.chunks import MARK, Chunk, Cutter, Plan
from trunkline.sources.lines import JsonLines, Sheet
from trunkline.sources.packing import PLAIN, CutOffError, Stream, packing_of
from trunkline.sources.rules import TAKEN, guessed, placed
from trunkline.sources.tables import Arrow, Parquet

_HASHED_AT_ONCE = 1 << 20
_STREAM = b"\xff\xff\xff\xff"
_PACKED = {".gz", ".zst", ".gzip", ".zstd"}


class SourceFile:
    """A file, read as facts of one kind. `mark` begins the name of how it is cut."""

    known_by = ""
    """How it is known what it holds, when that was not given."""
    ignored: Sequence[str] = ()
    """Its columns that are left out."""

    def __init__(self, path: Path, cutter: Cutter, plan: Plan, mark: bytes = MARK) -> None:
        self.path = path
        self.kind = plan.kind
        self._cutter = cutter
        self._plan = plan
        self._mark = mark
        self._seen = self._stamp()

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self.path.stat().st_size

    @property
    def total(self) -> int:
        """How far the `position` of its chunks goes; 0 if nobody knows."""
        return self._cutter.total

    def chunks(self, after: int = 0) -> Iterator[Chunk]:
        """Yield the chunks behind the first so many.

        Raises CutOffError after the last that can be read: the file ends early, is damaged, or changes meanwhile.
        """
        yield from self._cutter.chunks(self._plan, after)
        if self._stamp() != self._seen:
            raise CutOffError(f"{self.path} was changed while it was read.")

    def mark(self, progress: Callable[[int], None] = lambda _: None) -> str:
        """Return the name by which the file's chunks are known: a hash of all its bytes and of how it is cut."""
        found = hashlib.sha256(self._mark)
        self._seen = self._stamp()
        with self.path.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                found.update(block)
                progress(len(block))
        return found.hexdigest()

    def _stamp(self) -> tuple[int, int]:
        about = self.path.stat()
        return about.st_size, about.st_mtime_ns


class FactFile(SourceFile):
    """A file of facts of one kind.

    Raises InvalidError for a file that cannot be read, or whose columns are not the fact's.
    """

    def __init__(self, path: Path, fact: str = "", *, ignore_unknown: bool = False) -> None:
        cutter = _cutter(path)
        kind, known_by = (_named(fact), "") if fact else guessed(cutter.names, _stem(path))
        places = placed(kind, cutter.names, is_flat=cutter.is_flat, ignore_unknown=ignore_unknown)
        super().__init__(path, cutter, Plan(kind=kind, places=places, ignores_unknown=ignore_unknown))
        self.known_by = known_by
        self.ignored = [name for name, place in places.items() if place is None]


def _named(fact: str) -> type[Fact]:
    kind = TAKEN.get(fact.lower().replace("-", "_"))
    if kind is None:
        raise InvalidError(f"There are no facts {fact!r}; there are {', '.join(TAKEN)}.", target="fact")
    return kind


def _stem(path: Path) -> str:
    name = path.name
    while Path(name).suffix in _PACKED | {".csv", ".json", ".ndjson", ".jsonl", ".parquet", ".arrow"}:
        name = Path(name).stem
    return name


def _cutter(path: Path) -> Cutter:
    """Return what reads a file; raises InvalidError."""
    try:
        if not path.is_file():
            why = "is a folder, a pipe or a device: give a file" if path.exists() else "does not exist"
            raise InvalidError(f"{path} {why}.", target=str(path))
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(b"PAR1"):
            return Parquet(path)
        if head.startswith((b"ARROW1", _STREAM)):
            return Arrow(path, is_stream=head.startswith(_STREAM))
        begins = next((block for block in Stream(path).blocks() if block.strip()), b"")
    except (OSError, CutOffError) as error:
        raise InvalidError(error.message if isinstance(error, CutOffError) else f"{path}: {error.strerror}.") from error
    if not begins:
        raise InvalidError(f"{path} is empty.", target=str(path))
    if packing_of(head) != PLAIN and begins.startswith((b"PAR1", b"ARROW1", _STREAM)):
        raise InvalidError(f"{path} is a table that was packed as a whole: unpack it first.")
    if b"\0" in begins[:1000]:
        raise InvalidError(f"{path} is none of NDJSON, CSV, Parquet and Arrow (plain, or packed by gzip or zstd).")
    first = begins.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return JsonLines(path) if first in {b"{", b"["} else Sheet(path)
