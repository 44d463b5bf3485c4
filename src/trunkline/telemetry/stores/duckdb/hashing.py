"""The engine's hash of a text, told without asking the engine: that takes a hundred times as long."""

from __future__ import annotations

import duckdb

_SEED, _OF_LENGTH, _FACTOR = 0xE17A1465, 0xC6A4A7935BD1E995, 0xD6E8FEB86659FD93
_WORD = 0xFFFFFFFFFFFFFFFF
_PROBES = ("", "trunkline", "a text of several words", "ä" * 12, "0123456789abcdef" * 4)


def hashed(text: str) -> int:
    """Return DuckDB's `hash(text)`: 64 bits, as it has been since its version 1.0 (its source, `hash.cpp`)."""
    data = text.encode()
    length = len(data)
    found = _SEED ^ (length * _OF_LENGTH & _WORD)
    for place in range(0, length, 8):
        found = (found ^ int.from_bytes(data[place : place + 8], "little")) * _FACTOR & _WORD
    for _ in range(2):
        found = (found ^ found >> 32) * _FACTOR & _WORD
    return found ^ found >> 32


def agrees(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether the engine hashes as we do."""
    asked = f"SELECT {', '.join(['hash(?)'] * len(_PROBES))}"
    return connection.execute(asked, list(_PROBES)).fetchone() == tuple(map(hashed, _PROBES))
