"""Facts in ClickHouse: rows of blocks, which count from the moment when their block is done."""

from trunkline.telemetry.stores.clickhouse.store import ClickHouseStore as ClickHouseStore
