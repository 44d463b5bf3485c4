"""Facts put into a store directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.catalogue.columns import kind_of
from trunkline.catalogue.facts import Fact
from trunkline.telemetry.batches import batch
from trunkline.telemetry.store import Store


def append(store: Store, facts: Mapping[str, Sequence[Fact]], source: str = "p", number: int = 1) -> None:
    """Append facts as a source's number."""
    store.append({table: batch(kind_of(table), those) for table, those in facts.items()}, {source: number})
