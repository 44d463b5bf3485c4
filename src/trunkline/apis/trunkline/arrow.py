"""Rows of Arrow's streams and files: read with care, because they come from outside."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from trunkline.errors import InvalidError, TooLargeError
from trunkline.telemetry.batches import in_utc

_FILE = b"ARROW1"
_STREAM = b"\xff\xff\xff\xff"
_SLICE = 500
_RECORD_BATCH = 3
_BROKEN = "The body is no Arrow stream or file that can be read: {}."


def is_arrow(body: bytes) -> bool:
    """Tell whether a body begins as Arrow does."""
    return body.startswith((_FILE, _STREAM))


def table(body: bytes, most: int) -> Any:
    """Return a body as a table. Raises InvalidError, TooLargeError."""
    try:
        _check_messages(body)
        source = pa.BufferReader(body)
        if body.startswith(_FILE):
            file = pa.ipc.open_file(source)
            _check_types(file.schema)
            schema, batches = file.schema, [file.get_batch(number) for number in range(file.num_record_batches)]
        else:
            stream = pa.ipc.open_stream(source)
            _check_types(stream.schema)
            schema, batches = stream.schema, list(stream)
        for batch in batches:
            batch.validate(full=True)
    except (OSError, ValueError, IndexError, struct.error, pa.ArrowException, MemoryError) as error:
        raise InvalidError(_BROKEN.format(str(error).partition("\n")[0][:200]), target="body") from error
    if sum(batch.num_rows for batch in batches) > most:
        raise TooLargeError(f"At most {most} facts are taken at once.")
    return in_utc(pa.Table.from_batches(batches, schema))


def rows(those: Any, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each row of a table with its number, counted from that of the first; what is null is left out."""
    number = first - 1
    maps = [field.name for field in those.schema if pa.types.is_map(field.type)]
    for start in range(0, those.num_rows, _SLICE):
        for row in those.slice(start, _SLICE).to_pylist():
            number += 1
            given = {name: value for name, value in row.items() if value is not None}
            yield number, given | {name: dict(given[name]) for name in maps if name in given}


def _check_types(schema: Any) -> None:
    for field in schema:
        if not _is_simple(field.type):
            raise InvalidError(f"The type {field.type} is not taken.", target=field.name)
    if len(set(schema.names)) != len(schema.names):
        raise InvalidError("Two columns have the same name.", target="body")


def _is_simple(kind: Any) -> bool:
    types = pa.types
    if types.is_map(kind):
        return all(types.is_string(part) or types.is_large_string(part) for part in (kind.key_type, kind.item_type))
    if types.is_dictionary(kind):
        return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))
    return any(
        check(kind)
        for check in (
            *(types.is_string, types.is_large_string, types.is_boolean),
            *(types.is_integer, types.is_floating, types.is_timestamp),
        )
    )


def _check_messages(body: bytes) -> None:
    """Refuse buffers that are packed inside: how large they would become is nowhere bounded."""
    at = 8 if body.startswith(_FILE) else 0
    while at + 8 <= len(body):
        marker, length = struct.unpack_from("<Ii", body, at)
        if marker != 0xFFFFFFFF:
            return  # the footer of a file, or what the reader refuses
        if length <= 0:
            return
        head = memoryview(body)[at + 8 : at + 8 + length]
        kind, table, size = _header(head)
        if kind == _RECORD_BATCH and _field(head, table, 3):
            raise InvalidError("Send Arrow with plain buffers, and pack the whole body with Content-Encoding.")
        if size < 0:
            raise ValueError("a body of negative length")
        at += 8 + length + size


def _header(head: memoryview) -> tuple[int, int, int]:
    """Read a message's kind, where its table is, and the length of its body (the flatbuffer that Arrow documents)."""
    root = struct.unpack_from("<I", head, 0)[0]
    kind_at, table_at, size_at = (_field(head, root, number) for number in (1, 2, 3))
    kind = head[kind_at] if kind_at else 0
    table = table_at + struct.unpack_from("<I", head, table_at)[0] if table_at else 0
    size = struct.unpack_from("<q", head, size_at)[0] if size_at else 0
    return kind, table, size


def _field(head: memoryview, table: int, number: int) -> int:
    """Return where a table's field is, 0 when it is left out."""
    vtable = table - struct.unpack_from("<i", head, table)[0]
    if vtable < 0:
        raise ValueError("a table outside of its message")
    length = struct.unpack_from("<H", head, vtable)[0]
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", head, vtable + place)[0] if place < length else 0
    return table + offset if offset else 0
