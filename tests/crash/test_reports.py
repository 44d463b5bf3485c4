"""Queries whose server is killed: each that was acknowledged is answered after the next start, and its result sent."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.crash.caller import Caller, UnansweredError, UnsentError
from tests.crash.life import Life
from tests.delivery.rig import receiving, until

QUERIES = 80
ENOUGH = 20
MOST_LIVES = 6
POST, REQUESTS = "/metrics/1/query-aggregate-data", "/metrics/1/requests/"


def query(url: str) -> bytes:
    """Write a query with a callback."""
    filters = {
        "channelCodes": ["VOICE_VIDEO"],
        "sentSince": "2026-01-01T00:00:00.000+0000",
        "sentUntil": "2099-01-01T00:00:00.000+0000",
    }
    request = {"filterBy": filters, "aggregateBy": ["STATUS"], "metrics": ["TOTAL_CALL_COUNT"]}
    return msgspec.json.encode({"callbackUrl": url, "request": request})


def running(data: Path) -> int:
    """Count the queries that a dead server left unanswered."""
    with sqlite3.connect(data / "state.sqlite") as state:
        return int(state.execute("SELECT count(*) FROM reports WHERE state = 'running'").fetchone()[0])


async def killed_amid(life: Life, headers: dict[str, str], caller: Caller, url: str) -> list[str]:
    """Put queries until enough were acknowledged, and kill the server then; returns what was acknowledged."""
    acknowledged: list[str] = []

    async def put() -> None:
        try:
            answer = await caller.post(POST, query(url), headers)
        except (UnansweredError, UnsentError):
            return
        assert answer.status == 201, answer
        acknowledged.append(str(answer.body["requestId"]))
        if len(acknowledged) == ENOUGH:
            life.kill()

    await asyncio.gather(*(put() for _ in range(QUERIES)))
    return acknowledged


def test_a_query_that_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Kill -9 with some unanswered; the callback hears of every one, under its id."""

    async def run() -> None:
        data, log = tmp_path / "data", tmp_path / "log"
        acknowledged: list[str] = []
        async with receiving() as receiver:
            left = 0
            for _ in range(MOST_LIVES):
                life = Life(data, log)
                connection = await life.ready()
                headers = {"authorization": f"App {connection.app_key}", "content-type": "application/json"}
                async with Caller(connection) as caller:
                    acknowledged += await killed_amid(life, headers, caller, receiver.url)
                if left := running(data):
                    break
            assert left, "no life ended with a query unanswered"
            life = Life(data, log)
            try:
                connection = await life.ready()
                headers = {"authorization": f"App {connection.app_key}"}
                await until(lambda: set(acknowledged) <= {one.json["requestId"] for one in receiver.heard})
                found = [await result(connection.http, headers, one) for one in acknowledged]
                assert Counter(one["status"] for one in found) == {"SUCCESS": len(acknowledged)}
                await until(lambda: running(data) == 0)
                told = {one.json["requestId"]: one.json for one in receiver.heard}
                assert all(told[one["requestId"]] == one for one in found)
            finally:
                life.kill()

    asyncio.run(run())


async def result(url: str, headers: dict[str, str], request_id: str) -> Any:
    """Fetch a result."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}{REQUESTS}{request_id}/result", headers=headers) as answer,
    ):
        assert answer.status == 200
        return await answer.json()
