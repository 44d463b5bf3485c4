"""The demo's traffic: believable, its own, and the same for the same seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trunkline.clock import RealClock, TurnedClock
from trunkline.demo import NAME
from trunkline.demo.client import Answer, Client
from trunkline.demo.reminders import NUMBER
from trunkline.demo.traffic import HOST, Traffic
from trunkline.errors import UnavailableError
from trunkline.library.served import Server, serve
from trunkline.services.resources import Resource
from trunkline.telemetry.questions import Series


class Recorded(Client):
    """A client that asks nobody: it remembers what was asked, and answers as the server would."""

    def __init__(self) -> None:
        super().__init__("http://localhost", "", "a2V5a2V5a2V5a2V5a2V5a2V5", TurnedClock())
        self.asked: list[tuple[str, str, Any]] = []

    async def _send(self, method: str, target: str, content: bytes, _headers: dict[str, str]) -> Answer:
        self.asked.append((method, target.partition("?")[0], content))
        number = str(len(self.asked))
        self.statuses[201] += 1
        body = {"id": number, "identity": {"id": f"8:{number}"}, "accessToken": {"token": number}}
        return Answer(201, {**body, "chatThread": {"id": f"19:{number}"}})


def asked(seed: str, steps: int) -> list[tuple[str, str, Any]]:
    """Return what is asked with a seed."""

    async def live() -> list[tuple[str, str, Any]]:
        client = Recorded()
        traffic = Traffic(client, TurnedClock(), random.Random(seed))
        for _ in range(steps):
            await traffic.step()
        return client.asked

    return asyncio.run(live())


def test_the_same_seed_makes_the_same_requests() -> None:
    """And another seed others."""
    assert asked("a", 300) == asked("a", 300)
    assert asked("a", 300) != asked("b", 300)


def test_a_chat_has_everything_that_chats_have() -> None:
    """Messages, edits, receipts, typing, people who join and leave, topics that change, threads that are closed."""
    kinds = set()
    for method, path, _ in asked("a", 900):
        parts = path.split("/")
        kinds.add((method, parts[-1] if len(parts) > 4 or parts[1] == "identities" else "thread"))
    assert kinds >= {
        ("POST", "messages"),
        ("GET", "messages"),
        ("POST", "typing"),
        ("POST", "readReceipts"),
        ("POST", ":add"),
        ("POST", ":remove"),
        ("GET", "participants"),
        ("PATCH", "thread"),
        ("DELETE", "thread"),
        ("POST", ":revokeAccessTokens"),
    }
    assert any(method == "PATCH" and "/messages/" in path for method, path, _ in asked("a", 900))


def test_patients_are_reminded_and_answer() -> None:
    """Reminders go out with a report, and answers come in by Trunkline's own API."""
    reminders = [msgspec.json.decode(body) for _, path, body in asked("a", 300) if path == "/sms"]
    answers = [msgspec.json.decode(body) for _, path, body in asked("a", 300) if path == "/api/v1/inbox/sms"]
    assert len(reminders) > len(answers) > 5
    assert all(one["smsSendOptions"]["enableDeliveryReport"] for one in reminders)
    assert {one["to"] for one in answers} == {one["from"] for one in reminders} == {NUMBER}


def test_it_goes_on_at_about_one_request_a_second() -> None:
    """Ten minutes of its clock hold some six hundred requests."""

    async def live() -> int:
        clock, client = TurnedClock(), Recorded()
        task = asyncio.create_task(Traffic(client, clock, random.Random(1)).run())
        for _ in range(6000):
            clock.advance(0.1)
            for _ in range(3):
                await asyncio.sleep(0)
        task.cancel()
        return len(client.asked)

    assert 450 < asyncio.run(live()) < 750


# --- against the real server ---


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server of this module's own: its questions count everything that was ever asked."""
    folder: Path = tmp_path_factory.mktemp("demo")
    with serve(folder) as running:
        yield running


@pytest.fixture(scope="module")
def burst(server: Server) -> Counter[int]:
    """Let the burst run once, and return the statuses that came back."""
    resource: Resource = server.run(server.house.resources.create(NAME))
    server.run(server.house.numbers.add(NAME, NUMBER))

    async def live() -> Counter[int]:
        async with Client(server.connection.http, HOST, resource.key1, RealClock(), api_key=resource.api_key) as client:
            await Traffic(client, RealClock(), random.Random(NAME)).burst()
            return client.statuses

    return asyncio.run(live())


def counted(server: Server, *by: str) -> dict[tuple[str, ...], float]:
    """Count the requests of the last hour, split."""
    now = datetime.now(UTC)
    question = Series(
        measures=("requests.count",), start=now - timedelta(hours=1), end=now + timedelta(minutes=1), by=by
    )
    return {point.split: point.values[0] or 0 for point in server.run(server.house.recorder.ask(question))}


def test_only_the_mistaken_requests_fail(burst: Counter[int]) -> None:
    """What the believable people do is right; the misconfigured client gets 401 and 404."""
    assert burst[401] > 0
    assert burst[404] > 0
    assert {status for status in burst if status >= 400} == {401, 404}
    assert sum(burst[status] for status in (200, 201, 202, 204)) > 100


def test_everything_is_counted_for_the_demo_alone(server: Server, burst: Counter[int]) -> None:
    """Its 401s too, because its Host names it."""
    found = counted(server, "resource", "status")
    assert {resource for resource, _ in found} == {NAME}
    assert found[NAME, "401"] == burst[401]
    assert found[NAME, "404"] == burst[404]


def test_the_misspelt_requests_are_bad_routes(server: Server, burst: Counter[int]) -> None:
    """They stand under the metric's own word for them."""
    assert burst[404] == sum(
        count
        for (operation, status), count in counted(server, "operation", "status").items()
        if operation == "Bad Route" and status == "404"
    )


def test_a_server_that_is_gone_is_said_to_be() -> None:
    """No traceback of the HTTP client's."""

    async def live() -> None:
        async with Client("http://127.0.0.1:9", HOST, "a2V5a2V5a2V5a2V5a2V5a2V5", RealClock()) as client:
            await Traffic(client, RealClock(), random.Random(1)).burst()

    with pytest.raises(UnavailableError, match="Nobody answers"):
        asyncio.run(live())
