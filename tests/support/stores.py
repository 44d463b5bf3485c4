"""Every fact store there is, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.support.clickhouse import Served
from trunkline.telemetry.dialects import DUCKDB
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.rollups import rollups
from trunkline.telemetry.store import Store
from trunkline.telemetry.stores.chosen import chosen
from trunkline.telemetry.stores.duckdb import DuckDBStore

STORES = ("duckdb", "clickhouse")
_FEWER = 10  # an example takes so much longer over HTTP
_numbers = count(1)


class Place:
    """Where a store keeps what it is given: it may be opened, closed and opened again."""

    def __init__(self, kind: str, folder: Path, server: Callable[[], Served]) -> None:
        self.kind = kind
        self._folder = folder
        self._server = server
        self._database = f"facts_{next(_numbers)}"

    @property
    def setting(self) -> str:
        """What the setting `facts` is for it."""
        return "" if self.kind == "duckdb" else self._server().address(self._database)

    def open(self) -> Any:
        """Open the store."""
        return chosen(self.setting, self._folder)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the store until the block ends."""
        store = self.open()
        try:
            yield store
        finally:
            store.close()


def empty(store: Any, table: str) -> None:
    """Take away all facts of a table and its rollup, by the shortest way; ids stay."""
    for name in (table, f"{table}_by_minute") if table in rollups() else (table,):
        if isinstance(store, DuckDBStore):
            store._writer.execute(f"DELETE FROM {name}")  # noqa: S608 - a name
        else:
            store._server.run(Plan(f"TRUNCATE TABLE kept_{name}"))


def on_every_store(many: int, **strategies: Any) -> Callable[[Callable[..., None]], Callable[[Store], None]]:
    """Let a property hold for the fixture `store`, with so many examples where they are quick."""

    def decorated(body: Callable[..., None]) -> Callable[[Store], None]:
        def test(store: Store) -> None:
            examples = many if store.dialect is DUCKDB else many // _FEWER

            @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            @given(**strategies)
            def property_of_store(**drawn: Any) -> None:
                body(store, **drawn)

            property_of_store()

        test.__doc__, test.__name__ = body.__doc__, body.__name__
        return test

    return decorated
