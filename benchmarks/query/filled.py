"""A data folder that was filled once by our own import, and is kept for the next run."""

import hashlib
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import filling, ours
from benchmarks.facts import SEED, Year
from benchmarks.ours import Ours
from benchmarks.peers import CACHE
from benchmarks.query.plain import Plain
from trunkline import __version__

FACTS = ("requests", "samples", "calls")
_SETTLED_S = 120.0
_JUDGED_S = 3600.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a folder that is full: before when its facts lie, and how each kind was loaded."""

    end: datetime
    loaded: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Filled:
    """A full data folder; beside it the same calls in a plain table."""

    year: Year
    data: Path
    plain: Path
    told: Told
    was_there: bool


def filled(rows: int, *, fresh: bool) -> Filled:
    """Return a folder with so many facts of each kind: filled now, unless an earlier run with the same facts did."""
    made = hashlib.sha256(Path(filling.__file__).with_name("facts.py").read_bytes()).hexdigest()
    folder = CACHE / f"year-{rows}-{hashlib.sha256(f'{SEED} {__version__} {made}'.encode()).hexdigest()[:12]}"
    done = folder / "told.json"
    was_there = done.exists() and not fresh
    if was_there:
        print(f"What an earlier run left in {folder.name} is used; --fresh fills it anew.", flush=True)
        told = msgspec.json.decode(done.read_bytes(), type=Told)
    else:
        for old in CACHE.glob(f"year-{rows}-*"):  # also those of other facts: a full one takes gigabytes
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(parents=True)
        told = _fill(folder, Year(rows, filling.latest_end()))
        done.write_bytes(msgspec.json.encode(told))
    return Filled(Year(rows, told.end.astimezone(UTC)), folder / "data", folder / "plain.duckdb", told, was_there)


def _fill(folder: Path, year: Year) -> Told:
    loaded = {}
    with ours.serving("filled", data=folder / "data") as server:
        for fact in FACTS:
            loaded[fact] = filling.fill(server, fact, year)
            loaded[fact]["memory_mb"] = round(server.process.memory_mb())
        server.judged(_JUDGED_S)
        _rest(server)
    began = time.monotonic()
    with Plain(folder / "plain.duckdb") as plain:
        plain.fill(year)
    loaded["plain"] = {"seconds": round(time.monotonic() - began, 1)}
    return Told(end=year.end, loaded=loaded)


def _rest(server: Ours) -> None:
    """Let the server bring together what it wants to: wait until it has been idle for a while."""
    began, before = time.monotonic(), -1.0
    while (now := server.process.cpu_s()) - before > 0.1 and time.monotonic() - began < _SETTLED_S:
        before = now
        time.sleep(1)
