"""Event subscriptions by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.support.world import World
from trunkline.delivery import queue
from trunkline.delivery.parcel import Parcel, State
from trunkline.state.transaction import Transaction


class Hook:
    """A webhook within the world's own loop: agrees, unless told to answer with another status."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.status = 200
        self.events: list[Any] = []
        self.url = ""
        world.run(self._start())

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook?code=tops3cret"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            return web.json_response({"validationResponse": body[0]["data"]["validationCode"]}, status=self.status)
        self.events += body
        return web.Response(status=self.status)

    def stop(self) -> None:
        """Close the webhook."""
        self.world.run(self._runner.cleanup())


@pytest.fixture
def hook(world: World) -> Iterator[Hook]:
    """Run a webhook that agrees."""
    made = Hook(world)
    yield made
    made.stop()


def test_a_webhook_that_agrees_gets_what_it_asked_for(own: Any, world: World, hook: Hook) -> None:
    """By type, in its short name and any case; the operation that caused it makes the dispatcher look at once."""
    made = own(
        "POST", "/subscriptions", json={"name": "mine", "url": hook.url, "types": ["chatmessagereceivedinthread"]}
    )
    assert (made.status, made.json["state"]) == (201, "active")
    assert made.json["types"] == ["Microsoft.Communication.ChatMessageReceivedInThread"]
    assert "tops3cret" not in made.body.decode()
    user = world.user()
    thread = world.thread(user)
    assert world.call("POST", f"{thread}/messages", json={"content": "hi"}, token=user.token).status == 201
    world.until(lambda: bool(hook.events))
    assert [event["data"]["messageBody"] for event in hook.events] == ["hi"]


def test_an_example_is_fired_past_the_filter(own: Any, world: World, hook: Hook) -> None:
    """Of the type named, else the first that the subscription asks for."""
    wanted = {"name": "mine", "url": hook.url, "types": ["ChatThreadDeleted"], "subject_begins": "nowhere"}
    own("POST", "/subscriptions", json=wanted)
    fired = own("POST", "/subscriptions/mine/test", json={})
    assert (fired.status, fired.json["type"]) == (202, "Microsoft.Communication.ChatThreadDeleted")
    world.until(lambda: bool(hook.events))
    assert hook.events[0]["eventType"] == fired.json["type"]
    assert own("POST", "/subscriptions/mine/test", json={"type": "Nonsense"}).status == 400
    assert own("POST", "/subscriptions/other/test", json={}).status == 404


def test_subscriptions_are_listed_shown_and_deleted(own: Any, world: World, hook: Hook) -> None:
    """Each account has its own."""
    own("PUT", "/accounts/shop")
    own("POST", "/subscriptions", json={"name": "mine", "url": hook.url})
    own("POST", "/subscriptions?account=shop", json={"name": "theirs", "url": hook.url})
    assert [one["name"] for one in own("GET", "/subscriptions").json["subscriptions"]] == ["mine"]
    assert own("GET", "/subscriptions/theirs?account=shop").json["account"] == "shop"
    assert own("DELETE", "/subscriptions/mine").status == 204
    assert own("GET", "/subscriptions/mine").status == 404


def test_a_subscription_with_minutes_ends_by_itself(own: Any, world: World, hook: Hook) -> None:
    """What a killed listener leaves behind goes away."""
    own("POST", "/subscriptions", json={"name": "listen-1", "url": hook.url, "minutes": 30})
    world.advance(29 * 60)
    assert own("GET", "/subscriptions/listen-1").status == 200
    for _ in range(10):  # the cleaning runs every minute, and takes a moment of real time
        world.advance(61)
        world.run(asyncio.sleep(0.05))
    assert own("GET", "/subscriptions").json["subscriptions"] == []


def test_a_webhook_that_refuses_is_shown_as_failed_with_the_reason(own: Any, hook: Hook) -> None:
    """The answer waits for the handshake."""
    hook.status = 500
    made = own("POST", "/subscriptions", json={"name": "mine", "url": hook.url})
    assert made.json["state"] == "failed"
    assert "handshake failed" in made.json["problem"]
    assert "tops3cret" not in made.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "url": "http://127.0.0.1:1/"},
        {"name": "mine", "url": "ftp://127.0.0.1/"},
        {"name": "mine", "url": "http://169.254.169.254/latest"},
        {"name": "mine", "url": "http://127.0.0.1:1/", "types": ["Nonsense"]},
        {"name": "mine", "url": "http://127.0.0.1:1/", "schema": "xml"},
        {"name": "mine"},
    ],
)
def test_what_cannot_be_subscribed_is_a_problem(own: Any, body: dict[str, Any]) -> None:
    """400, before anything is kept."""
    assert own("POST", "/subscriptions", json=body).status == 400
    assert own("GET", "/subscriptions").json["subscriptions"] == []


def test_what_could_not_be_delivered_is_listed(own: Any, world: World, hook: Hook) -> None:
    """With the reason, after the delay that the settings name."""
    own("POST", "/subscriptions", json={"name": "mine", "url": hook.url, "types": ["ChatThreadDeleted"]})
    hook.status = 400
    own("POST", "/subscriptions/mine/test", json={})
    world.until(lambda: world.house.database.read_now(queue.counts)["dead"] == 1)
    world.advance(world.settings.dead_letter_delay_s + 1)
    letters = own("GET", "/dead-letters").json["dead_letters"]
    assert [letter["subscription"] for letter in letters] == ["mine"]
    assert letters[0]["event"]["deadLetterReason"] == "UndeliverableDueToHttpBadRequest"
    assert "tops3cret" not in str(letters[0]["url"])
    hook.status = 200
    again = own("POST", "/subscriptions/mine/resend")
    assert (again.status, again.json) == (202, {"events": 1})
    world.until(lambda: world.house.database.read_now(queue.counts)["delivered"] == 1)
    assert own("GET", "/dead-letters").json["dead_letters"] == []
    assert own("POST", "/subscriptions/nobody/resend").status == 404


def test_as_many_dead_letters_are_listed_as_were_asked_for(own: Any, world: World) -> None:
    """A batch counts as what is in it, not as one; the newest come first."""
    now = world.clock.now()
    resource = world.house.resources.default

    def batch(number: int) -> Parcel:
        return Parcel(
            subscription="gone",
            subscription_name="mine",
            resource=resource,
            url="http://127.0.0.1/hook",
            body=msgspec.json.encode([{"id": f"{number}-{place}"} for place in range(150)]),
            headers={},
            made_at=now,
            due_at=now,
            expires_at=now,
            state=State.DEAD,
            finished_at=now,
        )

    def unit(transaction: Transaction) -> None:
        for number in range(20):
            queue.put(transaction, batch(number))

    world.run(world.house.database.write(unit))
    newest = [f"{number}-{place}" for number in reversed(range(20)) for place in range(150)]
    for query, many in (("", 100), ("?most=7", 7), ("?most=400", 400), ("?most=1000", 1000), ("?most=2000", 1000)):
        letters = own("GET", f"/dead-letters{query}").json["dead_letters"]
        assert [letter["event"]["id"] for letter in letters] == newest[:many]
