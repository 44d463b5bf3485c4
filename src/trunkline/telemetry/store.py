"""What a fact store is; the folder `stores` holds those there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from trunkline.telemetry.dialects import Dialect
from trunkline.telemetry.plan import Plan

NONE_REPLACED: Mapping[str, Any] = MappingProxyType({})


class Span(msgspec.Struct, frozen=True):
    """Facts of a table that bear an id lie from the first moment to the last, both included."""

    table: str
    first: datetime
    last: datetime


class Frozen(Protocol):
    """What a store held at a moment, to be copied while more comes in."""

    def copy(self, file: Path, check: Callable[[], None]) -> None:
        """Copy it into a new file; for a thread.

        `check` is called now and then, and what it raises ends the copy. Raises UnavailableError.
        """
        ...

    def release(self) -> None:
        """Let go of it; a second call does nothing."""
        ...


class Store(Protocol):
    """A columnar store of facts: one writer appends, any number of readers ask.

    Batches are Arrow tables in the columns of their kind of fact (see `batches.schema`).
    """

    @property
    def dialect(self) -> Dialect:
        """How plans for it are spelled."""
        ...

    @property
    def name(self) -> str:
        """Where it keeps them, for messages."""
        ...

    def loaded(self, source: str) -> int:
        """Return the highest number of that source whose facts are here; raises UnavailableError."""
        ...

    def append(
        self, batches: Mapping[str, Any], marks: Mapping[str, int], replaced: Mapping[str, Any] = NONE_REPLACED
    ) -> None:
        """Add batches by table, take away the records `replaced`, and mark each source's number, all or nothing.

        Raises UnavailableError when the store cannot write; whether it did shows in `loaded`.
        """
        ...

    def known(self, table: str, pieces: Any) -> Any:
        """Return the records that pieces belong to, those within a week of them; raises UnavailableError."""
        ...

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a planned question and return its rows; raises UnavailableError."""
        ...

    def table(self, plan: Plan) -> Any:
        """Run a planned question and return its answer as an Arrow table; raises UnavailableError."""
        ...

    def spans(self, wanted: Sequence[str]) -> dict[str, list[Span]]:
        """Return where in time facts bear each of some ids, by table and day, oldest first; raises UnavailableError."""
        ...

    def forget(self, table: str, before: datetime) -> bool:
        """Remove facts of a table from before a moment, the oldest first, and what was made of them.

        It takes a bounded time, and tells whether some are left; called by the one writer. Raises UnavailableError.
        """
        ...

    def tidy(self, *, is_calm: bool = True) -> None:
        """Do what is due between writes, such as a checkpoint or bringing rows together; called by the one writer.

        What may wait is done when it is calm: no large batches come in.
        """
        ...

    def freeze(self) -> Frozen:
        """Hold on to what is here now; called by the one writer. Raises UnavailableError, ConflictError."""
        ...

    def figures(self) -> Mapping[str, int]:
        """Return what the state page shows of it: `bytes` on the disk and whatever else it counts. For a thread."""
        ...

    def close(self) -> None:
        """Close the store."""
        ...
