"""Queries of the Metrics API in a world of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from tests.support.asgi import Answer
from tests.support.world import World

QUERY, REQUESTS = "/metrics/1/query-aggregate-data?", "/metrics/1/requests/"
SPAN = {"sentSince": "2026-11-01T00:00:00.000+0000", "sentUntil": "2026-11-08T00:00:00.000+0000"}
Table = dict[tuple[Any, ...], list[Any]]


class Client:
    """An account's client: posts facts, asks, fetches."""

    def __init__(self, world: World, account: str = "trunkline") -> None:
        self.world = world
        self.account = world.house.resources.get(account)
        self.authorization = f"App {self.account.app_key}"

    def put(self, fact: str, rows: Iterable[dict[str, Any]]) -> None:
        """Post facts of the account, the nth of them at the nth minute of 3 November unless it says when."""
        lines = b"\n".join(
            msgspec.json.encode({"happened_at": f"2026-11-03T12:{place:02d}:00Z", **row})
            for place, row in enumerate(rows)
        )
        answer = self.world.call("POST", f"/api/v1/{fact}?", body=lines, token=self.account.api_key)
        assert answer.status == 200, answer.body
        assert not answer.json["rejected"], answer.body

    def send(self, method: str, path: str, **given: Any) -> Answer:
        """Put one request with the account's key, or with other headers."""
        headers = {"authorization": self.authorization, **given.pop("headers", {})}
        return self.world.call(method, path if "?" in path else f"{path}?", headers=headers, **given)

    def query(
        self, metrics: Any = ("TOTAL_CALL_COUNT",), by: Any = (), channels: Any = ("VOICE_VIDEO",), **filters: Any
    ) -> Answer:
        """Start a query; `filters` are added to the span and the channels, None takes one away."""
        filter_by = {"channelCodes": channels, **SPAN, **filters}
        request = {
            "filterBy": {name: value for name, value in filter_by.items() if value is not None},
            "aggregateBy": by,
            "metrics": metrics,
        }
        return self.send("POST", QUERY, json={"request": request})

    def result(self, started: Answer) -> Any:
        """Fetch the result of a query."""
        assert started.status == 201, started.body
        answer = self.send("GET", f"{REQUESTS}{started.json['requestId']}/result")
        assert answer.status == 200, answer.body
        assert answer.json["status"] == "SUCCESS", answer.body
        return answer.json["response"]

    def ask(self, metrics: Any = ("TOTAL_CALL_COUNT",), by: Any = (), **filters: Any) -> Table:
        """Ask; returns the metrics by the dimensions that were asked for."""
        found = self.result(self.query(metrics, by, **filters))
        names = [column["columnName"] for column in found["columns"]]
        assert names[-len(metrics) :] == list(metrics)
        assert len(found["rows"]) == found["totalRows"]
        table = {
            tuple(cell for name, cell in zip(names, row, strict=True) if name in by): row[-len(metrics) :]
            for row in found["rows"]
        }
        assert len(table) == found["totalRows"]
        return table

    def total(self, metric: str = "TOTAL_CALL_COUNT", **filters: Any) -> Any:
        """Ask for one number; nothing is 0."""
        return self.ask([metric], **filters).get((), [0])[0]


@pytest.fixture(name="clients")
def _clients(world: World) -> Callable[[str], Client]:
    return lambda account: Client(world, account)


@pytest.fixture
def client(world: World) -> Client:
    """Give the default account's client."""
    return Client(world)
