"""The real server in a thread of its own: TLS, free ports, the real clock. What tests with SDKs talk to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from trunkline.app import House
from trunkline.certificates import Certificates, ensure
from trunkline.config import Settings
from trunkline.server import Server, bind
from trunkline.state.folder import Folder

T = TypeVar("T")
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Served:
    """A running server: its addresses without a slash at the end, its secrets, and the house behind it."""

    http: str
    https: str
    ca_file: str
    access_keys: tuple[str, str]
    subscription_id: str
    resource_group: str
    resource: str
    api_key: str
    house: House
    loop: asyncio.AbstractEventLoop

    @property
    def connection_string(self) -> str:
        """What an SDK's `from_connection_string` takes."""
        return f"endpoint={self.https}/;accesskey={self.access_keys[0]}"

    @property
    def resource_id(self) -> str:
        """The resource's id in Azure's management."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Communication/communicationServices/{self.resource}"
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop, from the test's thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Served]:
    """Serve on free ports of loopback while the block lasts."""
    chosen = Settings(**{"data": str(folder), "http_port": 0, "https_port": 0, **settings})
    started = threading.Event()
    outcome: list[Served | BaseException] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        end = asyncio.Event()
        stop.append((asyncio.get_running_loop(), end))
        house = House(chosen, Folder(folder))
        await house.open()
        try:
            certificates = ensure(folder / "certificates", chosen.host_names, datetime.now(UTC))
            http, https = bind(chosen.host, 0, "http"), bind(chosen.host, 0, "https")
            served = _served(house, certificates, http.getsockname()[1], https.getsockname()[1])
            application: Any = house.application  # Starlette's name of the type, uvicorn's spells it out
            server = Server(application, http=http, https=https, certificate=certificates.leaf, graceful_timeout_s=2)
            await server.start()
            outcome.append(served)
            started.set()
            await end.wait()
            await server.stop()
        finally:
            await house.close()

    def live() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as error:  # noqa: BLE001 - whatever went wrong is the test's to see
            outcome.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=live, name="served")
    thread.start()
    try:
        started.wait(PATIENCE_S)
        first = outcome[0]
        if isinstance(first, BaseException):
            raise first
        yield first
    finally:
        for loop, end in stop:
            if not loop.is_closed():
                loop.call_soon_threadsafe(end.set)
        thread.join(PATIENCE_S)
    assert not thread.is_alive(), "the server did not stop"
    if isinstance(outcome[-1], BaseException):
        raise outcome[-1]


def _served(house: House, certificates: Certificates, http: int, https: int) -> Served:
    resource = house.resources.get(house.resources.default)
    return Served(
        http=f"http://localhost:{http}",
        https=f"https://localhost:{https}",
        ca_file=str(certificates.ca_file),
        access_keys=resource.keys,
        subscription_id=resource.subscription_id,
        resource_group=resource.resource_group,
        resource=resource.name,
        api_key=resource.api_key,
        house=house,
        loop=asyncio.get_running_loop(),
    )
