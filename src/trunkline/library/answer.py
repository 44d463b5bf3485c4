"""An answer: rows, an Arrow table, or a data frame."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import pyarrow as pa

from trunkline.apis.trunkline import tabled
from trunkline.errors import UnavailableError

_FRAMES = ("pandas", "polars")


class Answer:
    """What was asked for, over [start, end); iterating gives the rows, one dict each.

    Of measures: `at`, the beginning of the step, if it was asked by steps; the splits, as text; the measures, as
    numbers; all under the words in which they were asked for. Of the top, the splits of all others together are None.
    Of facts: their columns. `is_cut` says that the limit was reached, and there is more; `at` names the column of the
    steps, and `step` the step of the calendar, "" where there is none.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        about = tabled.about(table)
        self.start: datetime = about.start
        self.end: datetime = about.end
        self.is_cut = about.cut
        self.at = about.at
        self.step = about.step

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in their order."""
        return list(self._table.column_names)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows: moments are aware and in UTC, what is not known is None."""
        found: list[dict[str, Any]] = self._table.to_pylist(maps_as_pydicts="lossy")
        return found

    def arrow(self) -> pa.Table:
        """Return the table as Arrow holds it."""
        return self._table

    def frame(self, library: Literal["", "pandas", "polars"] = "") -> Any:
        """Return a data frame of pandas, else of polars; raises UnavailableError if neither is installed."""
        wanted = (library,) if library else _FRAMES
        name = next((one for one in wanted if find_spec(one) is not None), "")
        if not name:
            raise UnavailableError(
                f"A data frame needs {' or '.join(wanted)}, which is not installed here: `pip install {wanted[0]}`. "
                "`arrow()` and `rows` need nothing more."
            )
        return import_module("polars").from_arrow(self._table) if name == "polars" else self._table.to_pandas()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"Answer({', '.join(self.columns)}: {len(self)} rows{', cut' if self.is_cut else ''})"
