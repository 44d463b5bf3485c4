"""The autopsy: what a kill interrupted, read in a copy of the dead (or frozen) server's state.

It only shows that the kills hit what they should, and steers them there; nothing is judged by it.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from tests.crash.traffic import Traffic

_untold = "SELECT count(*) FROM outbox WHERE told_at IS NULL"
_waiting = "SELECT attempts, event_ids FROM parcels WHERE finished_at IS NULL"
_described = """
    SELECT attempts, last_outcome, last_status, max(due_at), count(*) FROM parcels
    WHERE finished_at IS NULL GROUP BY attempts, last_outcome, last_status
"""
_ids = msgspec.msgpack.Decoder(tuple[str, ...]).decode


@dataclass(frozen=True)
class Wounds:
    """What was under way.

    `untold` counts events that were committed and not handed over, `retries` parcels that wait for another attempt,
    `posts` parcels whose attempt the receiver knows of and the queue does not, `reposts` those of them that were
    retries. `more` is what the kinds of traffic count.
    """

    untold: int
    retries: int
    posts: int
    reposts: int
    more: dict[str, int] = field(default_factory=dict)


def look(data: Path, attempts: Mapping[str, int], kinds: Sequence[Traffic]) -> Wounds:
    """Look into a copy; `attempts` says how many attempts the receiver heard of each event, by its id."""
    with _copy(data) as state:
        waiting = [(made, _ids(names)) for made, names in state.execute(_waiting)]
        posted = [made for made, names in waiting if any(attempts.get(name, 0) > made for name in names)]
        more: dict[str, int] = {}
        for kind in kinds:
            more |= kind.wounds(state)
        return Wounds(
            untold=state.execute(_untold).fetchone()[0],
            retries=sum(made > 0 for made, _ in waiting),
            posts=len(posted),
            reposts=sum(made > 0 for made in posted),
            more=more,
        )


def waiting(data: Path, now: datetime) -> list[str]:
    """Describe what waits in the queue, to explain a failure: attempts, last outcome, seconds until the next."""
    with _copy(data) as state:
        rows = state.execute(_described).fetchall()
    return [
        f"{many} after {attempts} attempts ({outcome} {status}), due in {(due - now.timestamp() * 1e6) / 1e6:.0f} s"
        for attempts, outcome, status, due, many in rows
    ]


@contextmanager
def _copy(data: Path) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("state.sqlite", "state.sqlite-wal"):
            if (data / name).exists():
                shutil.copy(data / name, folder)
        with closing(sqlite3.connect(Path(folder) / "state.sqlite")) as state:
            yield state
