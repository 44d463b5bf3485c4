"""kill -9 at any moment: every acknowledged fact is there exactly once after a restart."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from trunkline.state.database import Database
from trunkline.state.transaction import metadata
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.stores.duckdb import DuckDBStore

ROUNDS = 8
# how long a round lives after its first acknowledgement: some die while the first facts are loaded, some later
LONGEST_LIFE_S = 0.35

PROGRAM = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from trunkline.catalogue.facts import Request
from trunkline.state.database import Database
from trunkline.state.transaction import metadata
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.stores.duckdb import DuckDBStore

async def main(folder, first):
    database = Database.in_folder(folder)
    metadata.create_all(database.engine)
    store = DuckDBStore(folder / "facts.duckdb")
    inbox = Inbox(database)
    loader = Loader(inbox, store, period_s=0.005)
    loader.open()
    database.start()
    loader.start()
    number = first
    while True:
        batch = range(number, number + 7)
        for number in batch:
            inbox.put(Request(happened_at=datetime.now(UTC), resource="r", service="s", operation="o", status=200,
                              status_class="2xx", ms_cv=str(number)))
        await database.settled()
        os.write(1, f"{number}\\n".encode())  # everything up to here is acknowledged
        number += 1

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def test_every_acknowledged_fact_is_there_once_after_being_killed_again_and_again(tmp_path: Path) -> None:
    """The process dies between inbox, store and drop; nothing is missing, nothing is there twice."""
    chance = random.Random(20261121)
    acknowledged = 0
    for _ in range(ROUNDS):
        acknowledged = one_life(tmp_path, acknowledged, chance.uniform(0, LONGEST_LIFE_S))
    found = asyncio.run(everything_loaded(tmp_path))
    assert len(found) == len(set(found)), "a fact is there twice"
    assert set(range(1, acknowledged + 1)) - set(found) == set(), "an acknowledged fact is missing"
    assert acknowledged > ROUNDS * 7


def one_life(folder: Path, acknowledged: int, life_s: float) -> int:
    """Run the program until it is killed; returns the last number that it acknowledged.

    It begins at a number that no earlier life has put: what a life put without acknowledging may be there.
    """
    first = acknowledged + 1
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, str(folder), str(first)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], 30)
        assert ready, "the process said nothing"
        time.sleep(life_s)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        told = process.stdout.read().split(b"\n")[:-1]
        process.stdout.close()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return retire(folder, int(told[-1]))


def retire(folder: Path, acknowledged: int) -> int:
    """Check this life's facts, and return the highest number in use, acknowledged or not."""
    found = asyncio.run(everything_loaded(folder))
    assert len(found) == len(set(found)), "a fact is there twice"
    missing = set(range(1, acknowledged + 1)) - set(found)
    assert not missing, f"acknowledged, but missing: {sorted(missing)[:10]}"
    return max(found)


async def everything_loaded(folder: Path) -> list[int]:
    """Start once more, load what is left in the inbox, and read the numbers of all facts."""
    database = Database.in_folder(folder)
    metadata.create_all(database.engine)
    store = DuckDBStore(folder / "facts.duckdb")
    inbox = Inbox(database)
    loader = Loader(inbox, store)
    loader.open()
    database.start()
    loader.start()
    await loader.caught_up(inbox.durable)
    await loader.stop()
    await database.stop()
    store.close()
    with duckdb.connect(str(folder / "facts.duckdb"), read_only=True) as connection:
        return [int(row[0]) for row in connection.execute("SELECT ms_cv FROM requests").fetchall()]
