"""A small world for the control plane's tests: a real state, real facts, and the door, without listeners."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from tests.support.states import database_at
from trunkline.api.application import Application
from trunkline.api.door import Handler
from trunkline.api.hosts import Hosts
from trunkline.apis.azure.auth import Callers
from trunkline.apis.azure.door import AzureDoor
from trunkline.apis.azure.event_grid import EventGridHandlers
from trunkline.apis.azure.metric_answers import MetricAnswers
from trunkline.apis.azure.metrics import Metrics
from trunkline.apis.azure.monitor import MonitorHandlers
from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.facts import Request, status_class
from trunkline.catalogue.load import load as load_catalogue
from trunkline.clock import TurnedClock
from trunkline.config import Settings
from trunkline.delivery.courier import Courier
from trunkline.events.subscriptions import Subscriptions
from trunkline.ids import Ids
from trunkline.services.access import Keyring
from trunkline.services.issuers import Issuers
from trunkline.services.resources import Resources
from trunkline.state.transaction import metadata
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.recorder import Recorder
from trunkline.telemetry.stores.duckdb import DuckDBStore

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
VERSION = "api-version=2024-02-01"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)


class World:
    """The control plane over a folder; every call runs the event loop until it is answered."""

    def __init__(self, folder: Path, runner: asyncio.Runner, **given: Any) -> None:
        self.runner = runner
        self.clock = TurnedClock(NOW)
        self.ids = Ids()
        self.settings = Settings(subscription_id=SUBSCRIPTION, resource_group="Main-Group", resource="contoso", **given)
        self.catalogue = load_catalogue()
        self.folder = folder
        runner.run(self._open())
        self.resource = self.resources.get("contoso")
        self.id = resource_id(SUBSCRIPTION, "Main-Group", "contoso")

    async def _open(self) -> None:
        self.database = database_at(self.folder)
        metadata.create_all(self.database.engine)
        self.store = DuckDBStore(self.folder / "facts.duckdb")
        inbox = Inbox(self.database)
        self.loader = Loader(inbox, self.store)
        self.loader.open()
        self.database.start()
        self.loader.start()
        self.recorder = Recorder(self.database, inbox, self.loader, self.store, Planner(self.catalogue.measures))
        self.resources = Resources(self.database, self.clock, self.ids)
        self.resources.open(self.settings)
        await self.resources.settle(self.settings)
        self.keyring = Keyring(self.database, self.clock)
        await self.keyring.open()
        issuers = Issuers(self.settings.issuers, self.settings.audiences, self.clock, self.settings.owners)
        self.callers = Callers(self.settings, self.clock, self.resources, self.keyring, issuers)
        self.application = Application(
            doors=[AzureDoor(self.catalogue.of_vendor("azure"), await self.handlers(), self.callers)],
            hosts=Hosts(self.settings, self.resources),
            resources=self.resources,
            recorder=self.recorder,
            clock=self.clock,
            ids=self.ids,
            largest_body=self.settings.max_body_bytes,
        )

    async def handlers(self) -> dict[str, Handler]:
        """Return what is plugged into the door."""
        answers = MetricAnswers(self.recorder)
        monitor = MonitorHandlers(Metrics(self.catalogue), answers, self.callers)
        self.courier = Courier(database=self.database, clock=self.clock, settings=self.settings, recorder=self.recorder)
        await self.courier.start()
        self.subscriptions = Subscriptions(
            database=self.database,
            clock=self.clock,
            ids=self.ids,
            courier=self.courier,
            resource=self.resources.find,
            look_for_resources=self.resources.refresh,
            public_url=lambda: "https://localhost:8443",
        )
        self.subscriptions.open()
        await self.subscriptions.start()
        grid = EventGridHandlers(self.catalogue, self.subscriptions, self.callers)
        return {**monitor.handlers(), **grid.handlers()}

    def close(self) -> None:
        """Stop every part."""
        self.runner.run(self._close())

    async def _close(self) -> None:
        await self.subscriptions.stop()
        await self.courier.stop()
        await self.loader.stop()
        await self.database.stop()
        self.recorder.close()
        self.store.close()

    # --- what tests do ---

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        bearer: str | None = "anything",
    ) -> Answer:
        """Send one request; a target without api-version gets one."""
        if "api-version" not in target and "api%2Dversion" not in target:
            target += ("&" if "?" in target else "?") + VERSION
        return self.runner.run(self._call(method, target, body, headers or {}, bearer))

    def get(self, target: str, **more: Any) -> Answer:
        """Send a GET."""
        return self.call("GET", target, **more)

    def metrics(self, query: str = "", **more: Any) -> Answer:
        """Ask for metrics of the resource."""
        return self.get(f"{self.id}/providers/Microsoft.Insights/metrics?{query}&{VERSION}", **more)

    async def _call(self, method: str, target: str, body: Any, headers: dict[str, str], bearer: str | None) -> Answer:
        path, _, query = target.partition("?")
        sent = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = {"host": "localhost:8443", "content-length": str(len(sent)), **headers}
        if bearer is not None:
            given["authorization"] = f"Bearer {bearer}"
        scope = {
            "type": "http",
            "method": method,
            "path": urlsplit(path).path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "scheme": "https",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8443),
        }
        messages: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.application(scope, receive, send)
        head = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        return Answer(messages[0]["status"], head, b"".join(m.get("body", b"") for m in messages[1:]))

    def happen(
        self,
        operation: str,
        status: int = 200,
        *,
        ago_s: float = 60,
        times: int = 1,
        service: str = "chat",
        resource: str = "contoso",
        **more: Any,
    ) -> None:
        """Let requests have been measured that many seconds ago."""
        for _ in range(times):
            fact = Request(
                happened_at=self.clock.now() - timedelta(seconds=ago_s),
                resource=resource,
                service=service,
                operation=operation,
                status=status,
                status_class=status_class(status),
                **more,
            )
            self.recorder.record(fact)
