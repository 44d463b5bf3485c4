"""One support chat, a request at a time: from the customer's first word to the closed thread."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from trunkline.demo.client import Answer, Client
from trunkline.demo.script import AGENTS, CUSTOMERS, SUPERVISOR, Dialogue


class Person(msgspec.Struct, frozen=True):
    """Someone with an access token."""

    id: str
    token: str
    name: str

    @property
    def as_participant(self) -> dict[str, Any]:
        """The person as one who joins a thread."""
        user = {"rawId": self.id, "communicationUser": {"id": self.id}}
        return {"communicationIdentifier": user, "displayName": self.name}


class Chat:
    """A support chat; `steps` yields after each request."""

    def __init__(self, client: Client, dialogue: Dialogue, chance: random.Random) -> None:
        self._client = client
        self._dialogue = dialogue
        self._chance = chance
        self._people: dict[str, Person] = {}
        self._thread = ""
        self._last = ""
        self._words = ""  # the customer's last message, which only he may delete

    async def steps(self) -> AsyncIterator[None]:
        """Play the chat; it ends early when the server gives no identity or thread."""
        for role, name in (("c", self._chance.choice(CUSTOMERS)), ("a", self._chance.choice(AGENTS))):
            if not await self._arrive(role, name):
                return
            yield
        if not await self._open():
            return
        yield
        for line in self._dialogue.lines:
            async for _ in self._say(line[0], line[2:]):
                yield
        async for _ in self._end():
            yield

    async def _arrive(self, role: str, name: str) -> bool:
        answer = await self._client.signed("POST", "/identities", {"createTokenWithScopes": ["chat"]})
        if answer.status != 201:
            return False
        self._people[role] = Person(answer.body["identity"]["id"], answer.body["accessToken"]["token"], name)
        return True

    async def _open(self) -> bool:
        people = [person.as_participant for person in self._people.values()]
        body = {"topic": self._dialogue.topic, "participants": people, "metadata": {"channel": "web"}}
        answer = await self._client.spoken(self._people["a"].token, "POST", "/chat/threads", body)
        if answer.status != 201:
            return False
        self._thread = f"/chat/threads/{quote(answer.body['chatThread']['id'], safe='')}"
        return True

    async def _say(self, role: str, text: str) -> AsyncIterator[None]:
        if role not in self._people:  # the supervisor is fetched when there is something to say
            async for _ in self._fetch(role):
                yield
        if role not in self._people:
            return
        me = self._people[role]
        if self._last and self._chance.random() < 0.7:
            await self._as(role, "POST", "/readReceipts", {"chatMessageId": self._last})
            yield
        if self._chance.random() < 0.8:
            await self._as(role, "POST", "/typing", {"senderDisplayName": me.name})
            yield
        slip = self._chance.random() < 0.12
        said = text.replace("e", "ee", 1) if slip else text
        answer = await self._as(
            role, "POST", "/messages", {"content": said, "type": "text", "senderDisplayName": me.name}
        )
        self._last = answer.body["id"] if answer.status == 201 else ""
        self._words = self._last if role == "c" else self._words
        yield
        if slip and self._last:
            await self._as(role, "PATCH", f"/messages/{self._last}", {"content": text})
            yield
        if self._chance.random() < 0.3:
            await self._as("a", "GET", "/messages")
            yield

    async def _fetch(self, role: str) -> AsyncIterator[None]:
        if await self._arrive(role, SUPERVISOR):
            yield
            await self._as("a", "POST", "/participants/:add", {"participants": [self._people[role].as_participant]})
            yield
            await self._as(role, "GET", "/participants")
            yield

    async def _end(self) -> AsyncIterator[None]:
        if supervisor := self._people.get("s"):
            await self._as("s", "POST", "/participants/:remove", supervisor.as_participant["communicationIdentifier"])
            yield
        if self._chance.random() < 0.15 and self._words:
            await self._as("c", "DELETE", f"/messages/{self._words}")
            yield
        if self._chance.random() < 0.5:
            await self._as("a", "PATCH", "", {"topic": f"{self._dialogue.topic} (solved)"})
            yield
        await self._as("a", "GET", "")
        yield
        await self._as("a", "DELETE", "")
        yield
        await self._client.signed("POST", f"/identities/{quote(self._people['c'].id, safe='')}/:revokeAccessTokens")
        yield

    async def _as(self, role: str, method: str, path: str, body: Any = None) -> Answer:
        return await self._client.spoken(self._people[role].token, method, self._thread + path, body)
