"""What a fact store is; the folder `stores` holds those there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from trunkline.catalogue.facts import Fact
from trunkline.telemetry.planner import Plan


class Store(Protocol):
    """A columnar store of facts: one writer appends, any number of readers ask."""

    @property
    def name(self) -> str:
        """Where it keeps them, for messages."""
        ...

    def loaded(self, process: str) -> int:
        """Return the highest inbox number of that process whose facts are here."""
        ...

    def append(
        self,
        facts: Mapping[str, Sequence[Fact]],
        process: str,
        number: int,
        replaced: Mapping[str, Sequence[Fact]] = ...,
    ) -> None:
        """Add facts by table, take away those `replaced`, and note the inbox number, in one transaction.

        Raises UnavailableError when the store cannot write; whether it did shows in `loaded`.
        """
        ...

    def known(self, table: str, pieces: Sequence[Fact]) -> list[Fact]:
        """Return the records that pieces belong to, those within a week of them; raises UnavailableError."""
        ...

    def answer(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Run a planned question and return its rows; raises UnavailableError."""
        ...

    def tidy(self) -> None:
        """Do what is due between writes, such as a checkpoint; called by the one writer."""
        ...

    def close(self) -> None:
        """Close the store."""
        ...
