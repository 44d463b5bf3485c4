"""A house in a test: its clock is turned by hand, its ids come from a seed, its callers sign like the SDKs."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from tests.support import folders, states
from tests.support.asgi import Answer, ask
from tests.support.patience import until
from tests.support.signing import signed
from trunkline.app import House
from trunkline.clock import TurnedClock
from trunkline.config import Settings
from trunkline.events.event import Event
from trunkline.events.outbox import outbox
from trunkline.ids import Ids
from trunkline.state.folder import Folder
from trunkline.state.transaction import Reader

T = TypeVar("T")
HOST = "localhost:8443"
VERSION = "2024-03-07"


@dataclass(frozen=True)
class User:
    """A user with a token."""

    id: str
    token: str

    @property
    def path(self) -> str:
        """The id as it stands in a path."""
        return quote(self.id, safe="")

    @property
    def model(self) -> dict[str, Any]:
        """The id as it stands in a body."""
        return {"rawId": self.id, "communicationUser": {"id": self.id}}


class World:
    """A house that a test owns; everything runs in the test's own thread, while one of the calls waits.

    `call` puts one request and returns the answer; `run` runs a coroutine (within it use `request`);
    `advance` turns the clock. Other threads of the house (writer, readers) go on by themselves.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = TurnedClock()
        self._random = random.Random(settings.pop("seed", 7))
        self.settings = Settings(**{"data": str(folder), "database": states.url_for(folder), **settings})
        if not self.settings.database and not self.settings.facts:
            folders.furnish(folder, folders.STATE, folders.FACTS)
        self._runner = asyncio.Runner()
        try:
            self.house = self._open()
        except BaseException:
            self._runner.close()
            raise

    def _open(self) -> House:
        # another process goes on with other randomness, and remembers nothing of the ids that were made
        self.ids = Ids(self._random.randbytes)
        house = House(self.settings, Folder(self.folder), self.clock, self.ids)
        self._runner.run(house.open())
        return house

    def restart(self, **settings: Any) -> None:
        """Stop the house and start another one on the same folder, with some settings changed."""
        self._runner.run(self.house.close())
        self.settings = dataclasses.replace(self.settings, **settings)
        self.house = self._open()

    def close(self) -> None:
        """Stop the house; facts that nobody asked for stay in its inbox: to load them takes longer than to stop."""
        self.house.loader._drain_last = _nothing  # type: ignore[method-assign]
        self._runner.run(self.house.close())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the house's loop."""
        return self._runner.run(work)

    def advance(self, seconds: float) -> None:
        """Turn the clock, and give whoever slept a few turns of the loop."""

        async def turn() -> None:
            self.clock.advance(seconds)
            for _ in range(5):
                await asyncio.sleep(0)

        self.run(turn())

    def until(self, holds: Callable[[], object]) -> None:
        """Let the loop run until something holds; fails when it does not in real time."""
        self.run(until(holds))

    # --- requests ---

    @property
    def key(self) -> str:
        """The first access key of the default resource."""
        return self.house.resources.get(self.house.resources.default).key1

    def call(self, method: str, target: str, **given: Any) -> Answer:
        """Put one request; see `request`."""
        return self.run(self.request(method, target, **given))

    async def request(
        self,
        method: str,
        target: str,
        *,
        json: Any = msgspec.UNSET,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        key: str | bool = False,
        token: str = "",
        host: str = HOST,
        scheme: str = "https",
        client: str = "127.0.0.1",
    ) -> Answer:
        """Put one request: signed with an access key (True: the default resource's), or with a bearer.

        A target without a query gets an api-version; `json` is encoded, `body` sent as it is.
        """
        target = target if "?" in target else f"{target}?api-version={VERSION}"
        sent = {"host": host}
        if json is not msgspec.UNSET:
            body = msgspec.json.encode(json)
            sent["content-type"] = "application/json"
        if key:
            secret = self.key if key is True else key
            sent |= signed(method, target, host, body, secret, self.clock.now())
        if token:
            sent["authorization"] = f"Bearer {token}"
        sent |= headers or {}
        return await ask(self.house.application, method, target, headers=sent, body=body, scheme=scheme, client=client)

    def happenings(self) -> list[Event]:
        """Return every happening that was told of and is still kept, oldest first."""

        def read(reader: Reader) -> list[Event]:
            rows = reader.all(sa.select(outbox).order_by(outbox.c.number))
            return [
                Event(
                    id=row.id,
                    name=row.name,
                    resource=row.resource,
                    at=row.at,
                    cause=row.cause,
                    facts=msgspec.msgpack.decode(row.facts),
                )
                for row in rows
            ]

        return self.run(self.house.database.read(read))

    # --- who and where ---

    def user(self, *scopes: str, **given: Any) -> User:
        """Make a user with a token (scope chat unless told otherwise)."""
        wanted = {"createTokenWithScopes": list(scopes) or ["chat"]}
        answer = self.call("POST", "/identities", json=wanted, **{"key": True, **given})
        assert answer.status == 201, answer.body
        return User(answer.json["identity"]["id"], answer.json["accessToken"]["token"])

    def thread(self, creator: User, *others: User, topic: str = "topic") -> str:
        """Make a chat thread; returns its path."""
        body = {"topic": topic, "participants": [{"communicationIdentifier": one.model} for one in others]}
        answer = self.call("POST", "/chat/threads", json=body, token=creator.token)
        assert answer.status == 201, answer.body
        return f"/chat/threads/{quote(answer.json['chatThread']['id'], safe='')}"


async def _nothing() -> None:
    pass
