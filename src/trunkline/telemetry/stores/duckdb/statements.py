"""Statements that the engine has read once: reading a wide one again takes as long as running it."""

from __future__ import annotations

from functools import lru_cache

import duckdb

_KEPT = 512
_LONGEST = 8192
"""A text longer than this lists many ids, and will hardly come again."""


def read(cursor: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement | str:
    """Return a text as what a cursor executes the soonest; nothing of it is bound to the cursor."""
    if len(text) > _LONGEST:
        return text
    known = _kept(text)
    if not known:
        known.append(cursor.extract_statements(text)[0])
    return known[0]


@lru_cache(_KEPT)
def _kept(text: str) -> list[duckdb.Statement]:  # noqa: ARG001 - what it is kept by
    return []
