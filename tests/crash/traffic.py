"""Traffic: what is sent while the server dies again and again, and how it is looked for afterwards.

A kind of traffic says how one thing is sent, how everything that is there is read back by the public API, and which
events are owed for each. All the rest (rounds, kills, judgement) knows no kind.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any

import msgspec

from tests.crash.caller import Caller, UnansweredError, UnsentError

Key = Hashable
"""What an event says, without its id and its time: two events with one key are one event told twice."""


class Found(msgspec.Struct, frozen=True):
    """One thing that is there: the word it carries, its id, and whatever its kind needs to know what is owed."""

    word: str
    id: str
    about: tuple[str, ...] = ()


class Ledger:
    """What was sent (words), how often `again`, what of it was acknowledged and as what, and what was refused."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.acknowledged: dict[str, str] = {}
        self.refused: list[str] = []
        self.again = 0

    def unanswered(self, life: int) -> set[str]:
        """Name what was sent in a life and never answered."""
        prefix = f"{life}."
        return {word for word in self.sent - self.acknowledged.keys() if word.startswith(prefix)}


class Traffic(ABC):
    """One kind; it keeps its `ledger` and what it made in `prepare` (users, numbers) over all lives of the server.

    `service`, `operation` and `status` say under what the acknowledged requests are measured, `event_types` (without
    the vendor's prefix) what is subscribed to.
    """

    name: str
    service: str
    operation: str
    status: str
    event_types: tuple[str, ...]

    def __init__(self) -> None:
        self.ledger = Ledger()

    @abstractmethod
    async def prepare(self, caller: Caller) -> None:
        """Make what sending needs, once, in the first life."""

    @abstractmethod
    async def send(self, caller: Caller, word: str) -> str:
        """Send one thing that carries a word, and return its id.

        Raises RefusedError for an answer that acknowledges nothing.
        """

    @abstractmethod
    async def find(self, caller: Caller) -> list[Found]:
        """Read back everything that is there, each as often as it is there."""

    @abstractmethod
    def owed(self, found: Found) -> set[Key]:
        """Say which events must arrive for a thing that is there."""

    @abstractmethod
    def key(self, event: dict[str, Any]) -> Key | None:
        """Say which event one is that arrived; None for one of another kind of traffic."""

    def wounds(self, _state: sqlite3.Connection) -> dict[str, int]:
        """Count what a kill interrupted that only this kind has (debts, say), in a copy of the dead server's state.

        Each name must be the same at every call, and more than 0 at least once in a run.
        """
        return {}

    async def complaints(self, _caller: Caller, _found: list[Found]) -> list[str]:
        """Complain of whatever else is wrong with what is there."""
        return []

    async def attempt(self, caller: Caller, word: str) -> bool:
        """Send one thing and keep the ledger; returns whether the server still answers."""
        self.ledger.sent.add(word)
        try:
            self.ledger.acknowledged[word] = await self.send(caller, word)
        except RefusedError as error:
            self.ledger.refused.append(f"{word}: {error}")
        except UnsentError:
            self.ledger.sent.remove(word)
            return False
        except UnansweredError:
            return False
        return True


class RefusedError(Exception):
    """The answer was another than the one that acknowledges."""
