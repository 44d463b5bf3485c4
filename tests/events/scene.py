"""What the tests of events share: everything from the outbox to the courier, around one resource."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tests.delivery.rig import Heard, Receiver, Rig, rigged, until
from trunkline.catalogue.load import load
from trunkline.events import outbox
from trunkline.events.dispatcher import Dispatcher
from trunkline.events.event import Event
from trunkline.events.subscription import Spec, Subscription
from trunkline.events.subscriptions import Subscriptions
from trunkline.ids import Ids

TOPIC = "/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.Communication/communicationServices/trunkline"
ADA = "8:acs:d6f2f6b0-0000-4000-8000-000000000001_00000000-0000-4000-8000-00000000000a"
BEN = "8:acs:d6f2f6b0-0000-4000-8000-000000000001_00000000-0000-4000-8000-00000000000b"
CAT = "8:acs:d6f2f6b0-0000-4000-8000-000000000001_00000000-0000-4000-8000-00000000000c"


@dataclass(frozen=True)
class Account:
    """A resource, as far as envelopes tell of it."""

    name: str
    subscription_id: str = "sub-1"
    resource_group: str = "group-1"


ACCOUNTS = {"trunkline": Account("trunkline"), "demo": Account("demo")}


@dataclass
class Scene:
    """Subscriptions and a dispatcher on a rig."""

    rig: Rig
    subscriptions: Subscriptions
    dispatcher: Dispatcher

    async def tell(self, *events: Event) -> None:
        """Write events as a service does, and nudge the dispatcher."""

        def unit(transaction: Any) -> None:
            for event in events:
                outbox.tell(transaction, event)

        await self.rig.database.write(unit)
        self.dispatcher.nudge()

    async def subscribe(self, url: str, name: str = "orders", resource: str = "trunkline", **spec: Any) -> Subscription:
        """Subscribe and wait for the handshake."""
        await self.subscriptions.create_or_update(resource, name, Spec(url=url, **spec))
        return await self.subscriptions.settled(resource, name)

    async def all_told(self) -> None:
        """Wait until the outbox is empty."""

        async def empty() -> bool:
            return not await self.rig.database.read(lambda reader: outbox.untold(reader, 1))

        await until(empty)


@asynccontextmanager
async def staged(folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    """Start everything on an empty folder."""
    async with rigged(folder, **settings) as rig:
        ids = Ids()
        subscriptions = Subscriptions(
            database=rig.database,
            clock=rig.clock,
            ids=ids,
            courier=rig.courier,
            resource=ACCOUNTS.get,
            look_for_resources=rig.database.settled,
            public_url=lambda: "https://trunkline.example",
        )
        subscriptions.open()
        await subscriptions.start()
        dispatcher = Dispatcher(
            database=rig.database,
            clock=rig.clock,
            ids=ids,
            settings=rig.settings,
            catalogue=load(),
            subscriptions=subscriptions,
            courier=rig.courier,
            resource=ACCOUNTS.get,
        )
        await dispatcher.start()
        try:
            yield Scene(rig, subscriptions, dispatcher)
        finally:
            await dispatcher.stop()
            await subscriptions.stop()


async def agreeing(heard: Heard) -> web.Response:
    """Answer the handshake of either schema and take everything else."""
    if heard.method == "OPTIONS":
        return web.Response(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})
    if heard.headers.get("aeg-event-type") == "SubscriptionValidation":
        code = heard.json[0]["data"]["validationCode"]
        return web.Response(body=msgspec.json.encode({"validationResponse": code}))
    return web.Response()


def notifications(receiver: Receiver) -> list[Heard]:
    """List what a receiver heard beside handshakes."""
    return [one for one in receiver.heard if one.headers.get("aeg-event-type") == "Notification"]


def a_message(at: datetime, **changes: Any) -> Event:
    """Make the event of a message that Ada sent to Ben and Cat."""
    facts = {
        "thread_id": "19:t1@thread.v2",
        "message_id": "1771000000000",
        "sender_id": ADA,
        "sender_display_name": "Ada",
        "content": "Where is my order?",
        "type": "text",
        "metadata": {"order": "1024"},
        "composed_at": at,
        "version": 1771000000000,
        "recipients": [BEN, CAT],
        **changes.pop("facts", {}),
    }
    values = {"id": Ids().guid(), "name": "chat.message.sent", "resource": "trunkline", "at": at, "cause": "cv.0"}
    return Event(**{**values, **changes}, facts=facts)
