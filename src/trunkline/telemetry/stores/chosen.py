"""Which fact store a server uses: the one in its folder, or the one that a setting names."""

from __future__ import annotations

from pathlib import Path

from trunkline.telemetry.store import Store
from trunkline.telemetry.stores.duckdb import DuckDBStore
from trunkline.telemetry.stores.duckdb.room import TEMP_MB


def chosen(facts: str, folder: Path, *, memory_mb: int = 0, temp_mb: int = TEMP_MB) -> Store:
    """Open the store at an address, or without one the file in the folder; raises ConfigurationError.

    The bounds of memory and disk are the file's.
    """
    if facts:
        from trunkline.telemetry.stores.clickhouse import ClickHouseStore  # noqa: PLC0415 - only where it is wanted

        return ClickHouseStore(facts)
    return DuckDBStore(folder / "facts.duckdb", memory_mb=memory_mb, temp_mb=temp_mb)
