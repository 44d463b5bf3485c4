"""The writer's memory: what one unit of work read, kept for the units after it until a row that is written changes it.

It is right because there is one writer: whoever changes what is remembered hands the row over to the same thread, and
`note` sees every row before the next unit reads. Nothing has to be told by hand, so nothing can be left untold: the
tables that matter stand in the `Subject`. A group that fails takes everything with it, and so does the turn of another
process on a shared database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Subject:
    """Something that units read under a key again and again; a constant of the module that reads it.

    `changed_by` names every table it is read from, and for each the names under which a row, or what is bound to an
    update, carries the key; a row that carries none of them may change anything, and all of the subject is forgotten.
    At most `most` are kept, the oldest goes first.
    """

    changed_by: Mapping[str, tuple[str, ...]]
    most: int


class Memory:
    """What is remembered of each subject; for one thread."""

    def __init__(self, generation: int = 0) -> None:
        self.generation = generation
        """Grows when another process may have changed anything."""

        self._kept: dict[Subject, dict[Hashable, Any]] = {}
        self._watched: dict[str, list[tuple[tuple[str, ...], dict[Hashable, Any]]]] = {}

    def recall(self, subject: Subject, key: Hashable, read: Callable[[], Any]) -> Any:
        """Return what is remembered under a key, or read it; None is not remembered."""
        kept = self._kept.get(subject)
        if kept is None:
            kept = self._kept[subject] = {}
            for table, names in subject.changed_by.items():
                self._watched.setdefault(table, []).append((names, kept))
        found = kept.get(key)
        if found is None and (found := read()) is not None:
            kept[key] = found
            if len(kept) > subject.most:
                del kept[next(iter(kept))]
        return found

    def note(self, table: str, row: Mapping[str, Any]) -> None:
        """Forget what a row changes that is about to be written."""
        for names, kept in self._watched.get(table, ()):
            key = next((row[name] for name in names if name in row), None)
            if key is None:
                kept.clear()
            else:
                kept.pop(key, None)

    def grow_old(self) -> None:
        """Forget everything, because another process wrote."""
        self.generation += 1
        self.clear()

    def clear(self) -> None:
        """Forget everything: what was read may never have become durable."""
        for kept in self._kept.values():
            kept.clear()
