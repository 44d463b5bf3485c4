"""The demo's traffic: a few support chats at once, reminders, and a client that somebody configured wrongly."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator

from trunkline.clock import Clock
from trunkline.demo import NAME
from trunkline.demo.chats import Chat
from trunkline.demo.client import Client
from trunkline.demo.reminders import Reminder
from trunkline.demo.script import DIALOGUES

HOST = f"{NAME}.communication.localhost"
BURST = 120
AT_ONCE = 3
PAUSE_S = 1.0
MISTAKES = 0.05
REMINDERS = 0.15
_MISSPELT = ("/chat/thread", "/chat/threads/all/message", "/identities/list/all")


class Traffic:
    """Makes requests one after the other; the same `chance` makes the same ones."""

    def __init__(self, client: Client, clock: Clock, chance: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._chats: list[AsyncIterator[None]] = []
        self._reminders: list[AsyncIterator[None]] = []
        self._wrong_key = base64.b64encode(chance.randbytes(64)).decode()

    async def burst(self) -> None:
        """Make enough requests at once that every question has an answer. Raises UnavailableError."""
        await self._fail_to_sign()
        await self._ask_the_wrong_way()
        for _ in range(BURST):
            await self.step()

    async def run(self) -> None:
        """Make about one request a second until cancelled. Raises UnavailableError."""
        while True:
            await self._clock.sleep(min(5 * PAUSE_S, self._chance.expovariate(1 / PAUSE_S)))
            await self.step()

    async def step(self) -> None:
        """Make the next request or, now and then, a mistaken one."""
        dice = self._chance.random()
        if dice < MISTAKES:
            await (self._fail_to_sign() if dice < MISTAKES / 2 else self._ask_the_wrong_way())
            return
        if dice < MISTAKES + REMINDERS:
            if not self._reminders or self._chance.random() < 0.5:
                self._reminders.append(Reminder(self._client, self._chance).steps())
            await self._go_on(self._reminders)
            return
        if len(self._chats) < AT_ONCE:
            self._chats.append(Chat(self._client, self._chance.choice(DIALOGUES), self._chance).steps())
        await self._go_on(self._chats)

    async def _go_on(self, those: list[AsyncIterator[None]]) -> None:
        """Make the next request of one of those; whichever has ended is left."""
        one = self._chance.choice(those)
        try:
            await anext(one)
        except StopAsyncIteration:
            those.remove(one)

    async def _fail_to_sign(self) -> None:
        """Sign with a key that was replaced long ago: 401."""
        await self._client.signed("POST", "/identities", {"createTokenWithScopes": ["chat"]}, key=self._wrong_key)

    async def _ask_the_wrong_way(self) -> None:
        """Ask at a path that has a spelling mistake: 404."""
        await self._client.signed("GET", self._chance.choice(_MISSPELT))
