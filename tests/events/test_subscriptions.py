"""Subscriptions: what is refused, what changes keep, and the end."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.delivery.rig import Heard, receiving, settle, until
from tests.events.scene import TOPIC, a_message, agreeing, notifications, staged
from trunkline.delivery import queue
from trunkline.errors import InvalidError, NotFoundError
from trunkline.events.filters import Condition, Filter
from trunkline.events.subscription import Header, Spec

IN_THREAD = "Microsoft.Communication.ChatMessageReceivedInThread"
THREAD = Filter(types=(IN_THREAD,))


def test_a_change_that_keeps_the_address_needs_no_handshake(tmp_path: Path) -> None:
    """The filter is new at once; members that are not given stay, secrets too."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            headers = (Header(name="X-Key", value="s3cret", secret=True), Header(name="X-From", source="data.senderId"))
            await scene.subscribe(receiver.url, headers=headers, labels=("a",), extra={"one": 1})
            kept = await scene.subscriptions.change(
                "trunkline",
                "orders",
                url=None,
                filter=THREAD,
                labels=None,
                headers=(Header(name="x-key", secret=True),),
                extra={"two": 2},
            )
            assert (kept.state, len(receiver.heard)) == ("active", 1)
            assert (kept.spec.url, kept.spec.labels, kept.spec.filter) == (receiver.url, ("a",), THREAD)
            assert (kept.spec.headers[0].value, kept.spec.extra) == ("s3cret", {"one": 1, "two": 2})
            await scene.tell(a_message(scene.rig.clock.now()))
            (heard,) = await until(lambda: notifications(receiver))
            assert heard.headers["x-key"] == "s3cret"

    asyncio.run(run())


def test_own_headers_come_with_every_delivery(tmp_path: Path) -> None:
    """Fixed ones, and those read from the event; line breaks of users never make a header."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            headers = (
                Header(name="X-Fixed", value="one"),
                Header(name="X-Name", source="data.senderDisplayName"),
                Header(name="X-Version", source="data.version"),
                Header(name="X-Object", source="data.metadata"),
                Header(name="X-Missing", source="data.missing"),
            )
            await scene.subscribe(receiver.url, headers=headers, filter=THREAD)
            sly = "Ada\r\nX-Evil: yes"
            await scene.tell(a_message(scene.rig.clock.now(), facts={"sender_display_name": sly, "version": 7}))
            (heard,) = await until(lambda: notifications(receiver))
            own = {name: value for name, value in heard.headers.items() if name.startswith("x-")}
            assert own == {"x-fixed": "one", "x-name": "Ada X-Evil: yes", "x-version": "7"}
            long = a_message(scene.rig.clock.now(), facts={"sender_display_name": "a" + "ж" * 5000})
            await scene.tell(long)
            heard = (await until(lambda: notifications(receiver)[1:]))[0]
            assert len(heard.headers["x-name"].encode()) == 4095, "a header has 4096 bytes at most, and whole letters"

    asyncio.run(run())


def test_a_new_address_is_asked_while_the_old_one_goes_on(tmp_path: Path) -> None:
    """Until it agrees events go to the old one; afterwards what waits goes to the new one too."""

    async def run() -> None:
        async with receiving() as old, receiving() as new, staged(tmp_path) as scene:
            old.answer = agreeing
            held = asyncio.Event()

            async def hold(heard: Heard) -> web.Response:
                await held.wait()
                return await agreeing(heard)

            new.answer = hold
            await scene.subscribe(old.url, filter=THREAD)
            changed = await scene.subscriptions.change("trunkline", "orders", url=new.url)
            assert (changed.state, changed.spec.url, changed.wanted.url) == ("updating", old.url, new.url)

            async def refuse(_heard: Heard) -> web.Response:
                return web.Response(status=500)

            old.answer = refuse
            await scene.tell(a_message(scene.rig.clock.now()))
            await until(lambda: notifications(old))
            await scene.rig.until_attempts(1)
            held.set()
            await until(lambda: scene.subscriptions.get("trunkline", "orders").state == "active")
            await settle()
            scene.rig.clock.advance(10)
            (heard,) = await until(lambda: notifications(new))
            assert heard.headers["aeg-delivery-count"] == "1"
            assert heard.body == notifications(old)[0].body

    asyncio.run(run())


def test_a_new_address_that_does_not_agree_changes_nothing(tmp_path: Path) -> None:
    """The subscription stays active as it was and says what went wrong."""

    async def run() -> None:
        async with receiving() as old, receiving() as new, staged(tmp_path) as scene:
            old.answer, new.status = agreeing, 404
            await scene.subscribe(old.url, filter=THREAD)
            await scene.subscriptions.change("trunkline", "orders", url=new.url)
            kept = await scene.subscriptions.settled("trunkline", "orders")
            assert (kept.state, kept.spec.url) == ("active", old.url)
            assert "response code NotFound" in kept.problem
            await scene.tell(a_message(scene.rig.clock.now()))
            await until(lambda: notifications(old))

    asyncio.run(run())


def test_a_deleted_subscription_gets_a_farewell_and_nothing_more(tmp_path: Path) -> None:
    """What waited is taken back; the last request says that it is over."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url, filter=THREAD)

            async def refuse(_heard: Heard) -> web.Response:
                return web.Response(status=500)

            receiver.answer = refuse
            await scene.tell(a_message(scene.rig.clock.now()))
            await scene.rig.until_attempts(1)
            await scene.subscriptions.delete("trunkline", "ORDERS")
            last = await until(
                lambda: receiver.heard[-1].headers["aeg-event-type"] == "SubscriptionDeletion" and receiver.heard[-1]
            )
            (event,) = last.json
            assert event["eventType"] == "Microsoft.EventGrid.SubscriptionDeletedEvent"
            assert event["data"] == {
                "eventSubscriptionId": f"{TOPIC}/providers/Microsoft.EventGrid/eventSubscriptions/orders"
            }
            scene.rig.clock.advance(60)
            await scene.tell(a_message(scene.rig.clock.now()))
            await scene.all_told()
            await settle()
            assert receiver.heard[-1] is last
            with pytest.raises(NotFoundError):
                scene.subscriptions.get("trunkline", "orders")
            with pytest.raises(NotFoundError):
                await scene.subscriptions.delete("trunkline", "orders")

    asyncio.run(run())


def test_a_subscription_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """It gets no more events, and the clean-up removes it."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            now = scene.rig.clock.now()
            await scene.subscribe(receiver.url, expires_at=now + timedelta(hours=1), filter=THREAD)
            scene.rig.clock.advance(3600)
            await scene.tell(a_message(now))
            await scene.all_told()
            assert notifications(receiver) == []
            await scene.subscriptions.remove_expired()
            assert scene.subscriptions.list("trunkline") == []

    asyncio.run(run())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_subscription_that_gets_more_time_while_old_ones_go_stays(tmp_path: Path, *, elsewhere: bool) -> None:
    """Also where it is to go on at another address, which has not agreed yet."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            end = scene.rig.clock.now() + timedelta(hours=1)
            await scene.subscribe(receiver.url, expires_at=end, filter=THREAD)
            scene.rig.clock.advance(3600)
            url = f"{receiver.url}/elsewhere" if elsewhere else None
            later = end + timedelta(hours=1)
            asked = asyncio.create_task(scene.subscriptions.change("trunkline", "orders", expires_at=later, url=url))
            await asyncio.sleep(0)
            await scene.subscriptions.remove_expired()
            await asked
            await scene.subscriptions.settled("trunkline", "orders")
            await scene.tell(a_message(scene.rig.clock.now()))
            await until(lambda: notifications(receiver))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ab", {}),
        ("a" * 65, {}),
        ("no_underscores", {}),
        ("orders", {"url": "ftp://hooks.example/"}),
        ("orders", {"url": "http://169.254.169.254/"}),
        ("orders", {"schema": "custom"}),
        ("orders", {"most_events": 0}),
        ("orders", {"most_events": 5001}),
        ("orders", {"preferred_kb": 1025}),
        ("orders", {"most_attempts": 31}),
        ("orders", {"live_minutes": 1441}),
        ("orders", {"headers": tuple(Header(name=f"X-{n}", value="v") for n in range(11))}),
        ("orders", {"headers": (Header(name="aeg-event-type", value="v"),)}),
        ("orders", {"headers": (Header(name="Content-Length", value="1"),)}),
        ("orders", {"headers": (Header(name="X Y", value="v"),)}),
        ("orders", {"headers": (Header(name="X", value="a\r\nb"),)}),
        ("orders", {"headers": (Header(name="X", value="v" * 4097),)}),
        ("orders", {"headers": (Header(name="X"),)}),
        ("orders", {"headers": (Header(name="X", value="1"), Header(name="x", value="2"))}),
        ("orders", {"filter": Filter(conditions=(Condition(operator="string_in", key="x"),))}),
    ],
)
def test_a_spec_beyond_the_rules_is_refused_before_anything_is_asked(
    name: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    """Nothing is stored and nobody is asked."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            spec = Spec(**{"url": receiver.url, **changes})
            with pytest.raises(InvalidError):
                await scene.subscriptions.create_or_update("trunkline", name, spec)
            assert (scene.subscriptions.list("trunkline"), receiver.heard) == ([], [])

    asyncio.run(run())


def test_a_subscription_of_an_unknown_resource_is_refused(tmp_path: Path) -> None:
    """Nobody could say what its topic is."""

    async def run() -> None:
        async with staged(tmp_path) as scene:
            with pytest.raises(NotFoundError):
                await scene.subscriptions.create_or_update("missing", "orders", Spec(url="http://hooks.example/"))

    asyncio.run(run())


def test_no_secret_shows_in_the_representation_of_a_subscription(tmp_path: Path) -> None:
    """Neither the code nor a header's value may reach a log."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            kept = await scene.subscribe(receiver.url, headers=(Header(name="X-Key", value="s3cret"),))
            assert "s3cret" not in repr(kept)
            assert kept.code not in repr(kept)
            assert "s3cret" in msgspec.json.encode(kept).decode()

    asyncio.run(run())


def test_a_parcel_of_a_subscription_that_was_deleted_is_not_revived_by_its_outcome(tmp_path: Path) -> None:
    """An attempt that ends after the deletion writes nothing."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url, filter=THREAD)
            held = asyncio.Event()

            async def hold(heard: Heard) -> web.Response:
                if heard.headers["aeg-event-type"] == "Notification":
                    await held.wait()
                return web.Response(status=500)

            receiver.answer = hold
            await scene.tell(a_message(scene.rig.clock.now()))
            await until(lambda: notifications(receiver))
            await scene.subscriptions.delete("trunkline", "orders")
            held.set()
            await until(lambda: scene.rig.courier.failed == 2)
            await settle()
            assert await scene.rig.database.read(lambda reader: queue.find(reader, 1)) is None

    asyncio.run(run())
