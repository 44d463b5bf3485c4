"""Files of tables: Parquet and Arrow, read some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trunkline.errors import InvalidError
from trunkline.sources.chunks import MOST_BYTES, MOST_ROWS, Chunk, Cutter, Plan, TableChunk
from trunkline.sources.packing import CutOffError
from trunkline.sources.rules import Shape
from trunkline.telemetry.batches import in_utc

_READ_AT_ONCE = 5_000


class Parquet(Cutter):
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _sound(path), pq.ParquetFile(path) as file:
            self.names = file.schema_arrow.names
            self.total = file.metadata.num_rows

    def chunks(self, plan: Plan, after: int = 0) -> Iterator[Chunk]:
        """Yield the rows in their order."""
        return _chunks(plan, after, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with _broken(self._path), pq.ParquetFile(self._path) as file:
            yield from file.iter_batches(batch_size=_READ_AT_ONCE)


class Arrow(Cutter):
    """An Arrow file or stream; `total` is the file's bytes for a stream, which tells not how many rows it has."""

    def __init__(self, path: Path, *, is_stream: bool) -> None:
        self._path = path
        self._is_stream = is_stream
        with _sound(path), pa.memory_map(str(path)) as source:
            opened = pa.ipc.open_stream(source) if is_stream else pa.ipc.open_file(source)
            self.names = opened.schema.names
            self.total = (
                0 if is_stream else sum(opened.get_batch(at).num_rows for at in range(opened.num_record_batches))
            )

    def chunks(self, plan: Plan, after: int = 0) -> Iterator[Chunk]:
        """Yield the rows in their order."""
        return _chunks(plan, after, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with _broken(self._path), pa.memory_map(str(self._path)) as source:
            if self._is_stream:
                yield from pa.ipc.open_stream(source)
                return
            file = pa.ipc.open_file(source)
            yield from (file.get_batch(at) for at in range(file.num_record_batches))


def _chunks(plan: Plan, after: int, batches: Iterator[pa.RecordBatch]) -> Iterator[Chunk]:
    """Yield the rows of the batches in chunks, whose places do not depend on the batches'."""
    shape = Shape(plan.kind, plan.places)
    number, first = 0, 1
    for table in map(in_utc, _regrouped(batches)):
        for part in _parts(table):
            number += 1
            if number > after:
                lines = range(first, first + part.num_rows)
                yield TableChunk(number, lines.stop - 1, part, lines, shape, [])
            first += part.num_rows


def _regrouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield tables of as many rows as a chunk has at most; what was before a break comes, too."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    broken: CutOffError | None = None
    try:
        for batch in batches:
            waiting.append(batch)
            count += batch.num_rows
            while count >= MOST_ROWS:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, MOST_ROWS)
                waiting, count = table.slice(MOST_ROWS).to_batches(), count - MOST_ROWS
    except CutOffError as error:
        broken = error
    if count:
        yield pa.Table.from_batches(waiting)
    if broken is not None:
        raise broken


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    """Cut wide rows in halves until each part has no more bytes than a chunk may have."""
    if table.num_rows < 2 or sum(_size(column) for column in table.columns) <= MOST_BYTES:
        yield table
        return
    half = -(-table.num_rows // 2)
    yield from _parts(table.slice(0, half))
    yield from _parts(table.slice(half))


def _size(column: pa.ChunkedArray) -> int:
    """Count the bytes of a column's values, however they lie in memory."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    size: int = pa.concat_arrays(column.chunks).nbytes if column.num_chunks else 0
    return size


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InvalidError(f"{path} cannot be read: {_first(error)}.") from error


@contextmanager
def _broken(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        raise CutOffError(f"{path} is damaged: {_first(error)}.") from error


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")[:300]
