"""A server that is killed while it judges: every call that was acknowledged gets its verdict after the next start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.crash.caller import Caller
from tests.crash.life import Life
from trunkline.clock import rfc3339

CALLS = 600
TAGS = ("short duration", "high packet loss")
PATIENCE_S = 30.0


def lines(round_: int) -> dict[str, bytes]:
    """Make short calls, and a bad reading of each."""
    at = rfc3339(datetime.now(UTC) - timedelta(minutes=1))
    calls: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    for number in range(CALLS):
        leg_id = f"{round_}-{number}"
        calls.append({"happened_at": at, "leg_id": leg_id, "outcome": "answered", "talk_ms": 5})
        samples.append({"happened_at": at, "call_id": leg_id, "edge": "sip", "direction": "inbound", "loss_percent": 9})
    return {
        "calls": b"\n".join(map(msgspec.json.encode, calls)),
        "samples": b"\n".join(map(msgspec.json.encode, samples)),
    }


async def tagged(caller: Caller, tag: str) -> int:
    """Count the calls that have a tag."""
    where = [{"column": f"tags.{tag}", "op": "is not", "values": [""]}]
    answer = await caller.own("POST", "/api/v1/ask", {"measures": ["calls.count"], "where": where, "since": "1d"})
    points = answer.body["points"]
    return int(points[0]["values"][0]) if points else 0


async def lived(folder: Path, round_: int, after_s: float) -> None:
    """Let a server take facts in and be killed; the next one judges, or the time is over."""
    expected = CALLS * round_
    life = Life(folder / "data", folder / "log")
    try:
        async with Caller(await life.ready()) as caller:
            for way, body in lines(round_).items():
                assert (await caller.post(f"/api/v1/{way}", body, {})).body["accepted"] == CALLS
            await asyncio.sleep(after_s)
    finally:
        life.kill()
    life = Life(folder / "data", folder / "log")
    try:
        async with Caller(await life.ready()) as caller, asyncio.timeout(PATIENCE_S):
            found = dict.fromkeys(TAGS, 0)
            while await caller.page("trunkline_verdicts_pending") or set(found.values()) != {expected}:
                await asyncio.sleep(0.2)
                found = {tag: await tagged(caller, tag) for tag in TAGS}
    finally:
        life.kill()


def test_no_verdict_is_lost_by_a_kill(tmp_path: Path) -> None:
    """Killed at once, and while it judges; a start right after the kill judges what is left."""
    for round_, after_s in enumerate((0.0, 1.1), 1):
        asyncio.run(lived(tmp_path, round_, after_s))
