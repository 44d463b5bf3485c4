"""Batches of records made whole: pieces of one record become one row, and what is left unsaid is worked out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.columns import kind_of
from trunkline.catalogue.facts import Fact
from trunkline.outcomes import completed
from trunkline.telemetry.batches import batch, facts_of
from trunkline.telemetry.pieces import gathered
from trunkline.telemetry.store import Store


def whole(store: Store, table: str, rows: Any) -> tuple[Any, Any]:
    """Return a batch with each record once and completed, and the records of the store that it replaces, or None.

    Most records come in one piece and go through as columns; only those in pieces are taken apart. Facts that are no
    records are returned as they are. Raises UnavailableError.
    """
    kind = kind_of(table)
    if not kind.key:
        return rows, None
    rows = rows.combine_chunks()
    # what has no moment of revision is of our own making, and known to be whole
    pieces = rows.filter(pc.is_valid(rows.column("revised_at")))
    if not len(pieces):
        return completed(rows), None
    known = store.known(table, pieces)
    keys = list(zip(*(rows.column(name).to_pylist() for name in kind.key), strict=True))
    there = set(zip(*(known.column(name).to_pylist() for name in kind.key), strict=True))
    counts = Counter(keys)
    in_pieces = [counts[key] > 1 or key in there for key in keys]
    if any(in_pieces):
        mask = pa.array(in_pieces)
        merged: list[Fact] = gathered(facts_of(kind, rows.filter(mask)), facts_of(kind, known))
        # what is completed together is quicker where nothing in it was of several ages
        parts = [completed(rows.filter(pc.invert(mask))), completed(batch(kind, merged))]
        return pa.concat_tables(parts), known if len(known) else None
    return completed(rows), None
