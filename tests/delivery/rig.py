"""What the tests of delivery share: a real receiver on loopback, a database of their own, and a courier."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tests.support.states import database_at
from trunkline.catalogue.facts import Fact
from trunkline.clock import Clock, TurnedClock
from trunkline.config import Settings
from trunkline.delivery import queue
from trunkline.delivery.courier import Courier
from trunkline.delivery.parcel import Parcel
from trunkline.state.database import Database
from trunkline.state.transaction import metadata

PATIENCE_S = 20.0


@dataclass
class Heard:
    """One request that a receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """A webhook: keeps what it hears and answers as it is told."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answer: Callable[[Heard], Awaitable[web.StreamResponse]] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def hear(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        one = Heard(
            request.method,
            request.path_qs,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        self.heard.append(one)
        if self.answer is not None:
            return await self.answer(one)
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


class Records:
    """Keeps facts where a test can see them."""

    def __init__(self) -> None:
        self.facts: list[Any] = []

    def record(self, fact: Fact) -> None:
        """Keep a fact."""
        self.facts.append(fact)


@asynccontextmanager
async def database_in(folder: Path) -> AsyncIterator[Database]:
    """Open a database with every table."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test may wait for its own folder
    database = database_at(folder)
    metadata.create_all(database.engine)
    database.start()
    try:
        yield database
    finally:
        await database.stop()


@dataclass
class Rig:
    """A courier on a database, with a clock to turn."""

    database: Database
    clock: TurnedClock
    settings: Settings
    records: Records
    courier: Courier

    async def put(self, *parcels: Parcel) -> None:
        """Queue parcels and wake the courier."""

        def unit(transaction: Any) -> None:
            for parcel in parcels:
                queue.put(transaction, parcel)

        await self.database.write(unit)
        self.courier.wake({parcel.subscription for parcel in parcels})

    async def find(self, number: int = 1) -> Parcel:
        """Read a parcel that is there."""
        found = await self.database.read(lambda reader: queue.find(reader, number))
        assert found is not None
        return found

    async def counts(self) -> dict[str, int]:
        """Count the parcels by state."""
        return await self.database.read(queue.counts)

    async def until_attempts(self, many: int, number: int = 1) -> Parcel:
        """Wait until a parcel's outcome of so many attempts is durable."""
        return await until(lambda: self._with_attempts(many, number))

    async def _with_attempts(self, many: int, number: int) -> Parcel | None:
        found = await self.database.read(lambda reader: queue.find(reader, number))
        return found if found is not None and found.attempts >= many else None


@asynccontextmanager
async def rigged(folder: Path, *, timeout_s: float = 5.0, lookup: Any = None, **settings: Any) -> AsyncIterator[Rig]:
    """Start a courier without jitter on an empty folder."""
    wanted = Settings(**{"dead_letter_delay_s": 0, "graceful_timeout_s": 1, **settings})
    clock, records = TurnedClock(), Records()
    more = {} if lookup is None else {"lookup": lookup}
    async with database_in(folder) as database:
        courier = Courier(
            database=database,
            clock=clock,
            settings=wanted,
            recorder=records,
            random=lambda: 0.0,
            timeout_s=timeout_s,
            **more,
        )
        await courier.start()
        try:
            yield Rig(database, clock, wanted, records, courier)
        finally:
            await courier.stop()


def a_parcel(clock: Clock, url: str, **changes: Any) -> Parcel:
    """Make a parcel that is due now."""
    now = clock.now()
    parcel = Parcel(
        subscription="s1",
        subscription_name="orders",
        resource="trunkline",
        url=url,
        body=b'[{"id":"e1"}]',
        headers={"Content-Type": "application/json"},
        count_header="aeg-delivery-count",
        event_type="Example.Event",
        event_ids=("e1",),
        made_at=now,
        due_at=now,
        expires_at=now + timedelta(days=1),
    )
    return msgspec.structs.replace(parcel, **changes)


async def until(question: Callable[[], Any]) -> Any:
    """Return the first answer that is true; fails a test that waits too long (real time)."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = question()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(0.005)


async def settle() -> None:
    """Let the event loop and the threads do what they have to do (real time)."""
    await asyncio.sleep(0.05)
