"""Churn for minutes: what comes in goes again, and neither the files nor the memory grow."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.crash.caller import Caller
from tests.crash.life import Life
from trunkline.clock import monotonic

SPEED = 1440
"""A day of the server's is a minute of ours."""
WARM_UP = 0.4
"""This share of the minutes is needed until as much goes as comes; what is compared comes after it."""
GROWTH = 1.10
EACH_S = 1.0


@pytest.mark.soak
def test_neither_files_nor_memory_grow(tmp_path: Path) -> None:
    """`make soak MINUTES=10`: the means of the middle and of the end are within 10 % of each other."""
    minutes = float(os.environ.get("MINUTES") or 10)
    curve = asyncio.run(churn(tmp_path, minutes * 60))
    steady = curve[int(len(curve) * WARM_UP) :]
    third = len(steady) // 3
    told = []
    for place, name in ((1, "files"), (2, "memory")):
        first, last = (sum(row[place] for row in part) / third for part in (steady[:third], steady[-third:]))
        told.append(f"{name}: {first / 1e6:.1f} MB after the warm-up, {last / 1e6:.1f} MB at the end")
        assert last <= first * GROWTH, told
    print("\n".join(told))  # noqa: T201 - what the run is for


async def churn(folder: Path, seconds: float) -> list[tuple[float, float, float, float]]:
    """Let a server live for some time; returns each second: seconds, bytes of its files, memory, facts in it."""
    settings = {"TRUNKLINE_RETENTION_DAYS": "1", "TRUNKLINE_EVENT_RETENTION_HOURS": "24"}
    life = Life(folder / "data", folder / "server.log", fast=SPEED, more=settings)
    curve: list[tuple[float, float, float, float]] = []
    try:
        async with Caller(await life.ready()) as caller, working(caller) as tasks:
            began = monotonic()
            shown = 0.0
            while (now := monotonic() - began) < seconds:
                await asyncio.sleep(EACH_S)
                for task in tasks:
                    assert not task.done(), task.exception()
                files = sum(file.stat().st_size for file in life.data.iterdir() if file.is_file())
                memory = await caller.page("trunkline_resident_memory_bytes")
                counted = await caller.own("POST", "/api/v1/ask", {"measures": ["calls.count"], "since": "30d"})
                facts = sum(point["values"][0] for point in counted.body["points"])
                curve.append((now, files, memory, facts))
                if now >= shown:
                    print(f"{now:5.0f} s {files / 1e6:7.1f} MB {memory / 1e6:7.1f} MB {facts:9.0f} calls")  # noqa: T201
                    shown += max(seconds / 30, 5)
        assert life.stop() == 0
    finally:
        life.kill()
    return curve


@asynccontextmanager
async def working(caller: Caller) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Post and ask until the end; a task that ends was refused."""
    tasks = [
        asyncio.create_task(work) for work in (singles(caller), batches(caller), pieces(caller), questions(caller))
    ]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def singles(caller: Caller) -> None:
    """Post one request at a time."""
    for number in itertools.count():
        fact = {"service": "chat", "operation": "SendChatMessage", "status": 201, "ms_cv": f"cv{number}"}
        await post(caller, "requests", [fact])
        await asyncio.sleep(0.02)


async def batches(caller: Caller) -> None:
    """Post batches that go straight into the store, and others under a key."""
    for number in itertools.count():
        call = f"call-{number}"
        samples = [
            {"call_id": f"{call}-{one // 20}", "mos": 4.1, "rtt_ms": one / 7, "jitter_ms": 1} for one in range(1500)
        ]
        await post(caller, "samples", samples)
        calls = [{"leg_id": f"{call}-{one}", "outcome": "answered", "recipient": "+436641234567"} for one in range(100)]
        await post(caller, "calls", calls, f"key-{number}")
        await asyncio.sleep(0.2)


async def pieces(caller: Caller) -> None:
    """Post calls in two pieces, the second one of them late."""
    for number in itertools.count():
        leg = f"leg-{number}"
        await post(caller, "calls", [{"leg_id": leg, "direction": "inbound"}])
        await asyncio.sleep(0.1)
        await post(caller, "calls", [{"leg_id": leg, "outcome": "busy"}])


async def questions(caller: Caller) -> None:
    """Ask for measures and for the facts of one call."""
    for number in itertools.count():
        asked = {"measures": ["requests.count", "requests.duration_avg"], "since": "1d", "step_s": 600}
        found = {"fact": "calls", "id": f"leg-{number}", "since": "2d"}
        for target, body in (("/api/v1/ask", asked), ("/api/v1/facts", found)):
            answer = await caller.own("POST", target, body)
            assert answer.status == 200, answer
        await asyncio.sleep(0.1)


async def post(caller: Caller, kind: str, facts: list[dict[str, Any]], key: str = "") -> None:
    """Post facts; all are taken."""
    lines = b"\n".join(msgspec.json.encode(fact) for fact in facts)
    answer = await caller.post(f"/api/v1/{kind}", lines, {"idempotency-key": key} if key else {})
    assert answer.status == 200, answer
    assert answer.body["accepted"] == len(facts), answer
