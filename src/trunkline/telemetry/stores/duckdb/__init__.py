"""Facts in DuckDB: tables without indexes, found by hashes of their ids, and rolled up by the minute."""

from trunkline.telemetry.stores.duckdb.store import DuckDBStore as DuckDBStore
