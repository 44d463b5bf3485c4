"""Makes a data folder with whatever version of the code it runs on; `README.md` says when and how.

What is in it is written down in `told.json` within it. The server ends as if it were killed, with facts in the inbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tarfile
from pathlib import Path

from tests.support.world import World

MESSAGES = 30
LATER = 10
ASKED = {
    "measures": ["requests.count"],
    "start": "2026-11-21T00:00:00Z",
    "end": "2026-11-22T00:00:00Z",
    "by": ["operation"],
}


def make(folder: Path) -> None:
    """Fill a folder and end."""
    world = World(folder)
    key = {"x-api-key": world.house.resources.get(world.house.resources.default).api_key}
    alice, bob = world.user(), world.user()
    thread = world.thread(alice, bob, topic="kept")
    world.run(world.house.resources.create("shop"))
    world.run(world.house.resources.settle(world.settings))
    sent = [send(world, thread, alice.token, number) for number in range(MESSAGES)]
    text = {"from": "+18005550199", "smsRecipients": [{"to": "+14255550123"}], "message": "kept"}
    answer = world.call("POST", "/sms?api-version=2021-03-07", json=text, key=True)
    assert answer.status == 202, answer.body
    world.run(world.house.recorder.settled())
    answer = world.call("POST", "/api/v1/ask?", json=ASKED, headers=key)
    assert answer.status == 200, answer.body
    told = {
        "thread": thread,
        "token": alice.token,
        "keys": {one.name: one.key1 for one in world.house.resources.all()},
        "loaded": {point["split"][0]: point["values"][0] for point in answer.json["points"]},
        "messages": sent,
    }
    task = world.house.loader._task
    assert task is not None
    task.cancel()  # what comes now stays in the inbox
    told["messages"] += [send(world, thread, alice.token, MESSAGES + number) for number in range(LATER)]
    world.run(world.house.database.settled())
    world.run(asyncio.sleep(0.1))
    (folder / "told.json").write_text(json.dumps(told, indent=1))


def send(world: World, thread: str, token: str, number: int) -> str:
    """Send a message; returns its id."""
    answer = world.call("POST", f"{thread}/messages", json={"content": f"message {number}"}, token=token)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def nameless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made it and when."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    place, archive = Path(sys.argv[1]), Path(sys.argv[2])
    make(place)
    with tarfile.open(archive, "w:xz") as packed:
        for name in ("state.sqlite", "state.sqlite-wal", "facts.duckdb", "facts.duckdb.wal", "told.json"):
            if (place / name).exists():
                packed.add(place / name, name, filter=nameless)
    os._exit(0)  # as a kill ends it
