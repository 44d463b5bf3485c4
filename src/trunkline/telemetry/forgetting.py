"""Facts go when their time is over: the settings say how long each kind is kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from trunkline.catalogue.facts import KINDS
from trunkline.clock import Clock
from trunkline.errors import ConfigurationError
from trunkline.telemetry.store import Store

INTERVAL = timedelta(hours=1)
MOST_DAYS = 36_500
_ENTRY = re.compile(r"(?:([a-z_]+) *= *)?([0-9]{1,5})")


def periods(texts: Iterable[str]) -> dict[str, timedelta]:
    """Read how long the facts of each table are kept; those kept for ever are left out.

    `90` means every kind that is not named, `calls=400` one; 0 is for ever. Raises ConfigurationError.
    """
    names = [kind.table for kind in KINDS]
    days: dict[str, int] = {}
    for text in texts:
        entry = _ENTRY.fullmatch(text)
        if entry is None or int(entry[2]) > MOST_DAYS:
            raise ConfigurationError(
                f"retention_days holds {text!r}; it can be days for every fact, or a fact and its days like calls=400, "
                f"up to {MOST_DAYS}, 0 being for ever."
            )
        name = entry[1] or ""
        if name and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" (is {near[0]} meant?)" if near else ""
            raise ConfigurationError(f"retention_days names {name!r}{hint}; there are {', '.join(names)}.")
        if name in days:
            raise ConfigurationError(f"retention_days says twice how long {name or 'every fact'} is kept.")
        days[name] = int(entry[2])
    kept = {name: days.get(name, days.get("", 0)) for name in names}
    return {name: timedelta(days=many) for name, many in kept.items() if many}


class Forgetting:
    """Removes what is older than its period, hourly, some at a time; for the one thread that writes to the store."""

    def __init__(self, store: Store, clock: Clock, kept: Mapping[str, timedelta]) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept
        self._due: datetime | None = None
        self._left: list[str] = []

    def go_on(self) -> None:
        """Take one step of what is due; raises UnavailableError, and tries that again when it is called again."""
        now = self._clock.now()
        if self._due is None or now >= self._due:
            self._due, self._left = now + INTERVAL, list(self._kept)
        if self._left:
            table = self._left[0]
            if not self._store.forget(table, now - self._kept[table]):
                self._left.remove(table)
