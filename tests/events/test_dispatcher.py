"""The dispatcher: from an event in the outbox to a webhook that hears of it."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.delivery.rig import Heard, receiving, rigged, settle, until
from tests.events.scene import ADA, BEN, CAT, TOPIC, a_message, agreeing, notifications, staged
from tests.support.states import url_for
from trunkline.delivery import queue
from trunkline.errors import ConflictError, NotFoundError
from trunkline.events import dispatcher, outbox
from trunkline.events.filters import Filter

RECEIVED = "Microsoft.Communication.ChatMessageReceived"
IN_THREAD = "Microsoft.Communication.ChatMessageReceivedInThread"

MESSAGE_TO_BEN = {
    "topic": TOPIC,
    "subject": f"thread/19:t1@thread.v2/sender/{ADA}/recipient/{BEN}",
    "data": {
        "messageBody": "Where is my order?",
        "metadata": {"order": "1024"},
        "transactionId": "cv.0",
        "threadId": "19:t1@thread.v2",
        "messageId": "1771000000000",
        "senderId": ADA,
        "senderCommunicationIdentifier": {
            "kind": "communicationUser",
            "rawId": ADA,
            "communicationUser": {"id": ADA},
        },
        "senderDisplayName": "Ada",
        "composeTime": "2026-11-21T12:00:00.000Z",
        "type": "Text",
        "version": 1771000000000,
        "recipientId": BEN,
        "recipientCommunicationIdentifier": {
            "kind": "communicationUser",
            "rawId": BEN,
            "communicationUser": {"id": BEN},
        },
    },
    "eventType": RECEIVED,
    "dataVersion": "1.0",
    "metadataVersion": "1",
    "eventTime": "2026-11-21T12:00:00.0000000Z",
}
"""What a webhook gets, but for the id."""


def test_a_message_is_told_to_the_webhook_once_for_each_recipient(tmp_path: Path) -> None:
    """The whole way, with body and headers as documented."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url, filter=Filter(types=(RECEIVED,)))
            await scene.tell(a_message(scene.rig.clock.now()))
            await until(lambda: len(notifications(receiver)) == 2)
            first = min(notifications(receiver), key=lambda one: str(one.json[0]["subject"]))
            (event,) = first.json
            assert event.pop("id") == first.headers["aeg-output-event-id"]
            assert event == MESSAGE_TO_BEN
            headers = {name: value for name, value in first.headers.items() if name.startswith("aeg-")}
            del headers["aeg-output-event-id"]
            assert headers == {
                "aeg-event-type": "Notification",
                "aeg-subscription-name": "ORDERS",
                "aeg-delivery-count": "0",
                "aeg-metadata-version": "1",
                "aeg-data-version": "1.0",
            }
            assert first.headers["content-type"] == "application/json; charset=utf-8"
            assert first.headers["accept-encoding"] == "gzip, deflate"

    asyncio.run(run())


def test_a_cloudevents_subscription_gets_one_object(tmp_path: Path) -> None:
    """Not an array, with the origin and the content type of CloudEvents."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url, schema="cloudevents", filter=Filter(types=(IN_THREAD,)))
            await scene.tell(a_message(scene.rig.clock.now()))
            (heard,) = await until(lambda: notifications(receiver))
            event = heard.json
            assert (event["specversion"], event["type"], event["source"]) == ("1.0", IN_THREAD, TOPIC)
            assert event["time"] == "2026-11-21T12:00:00.0000000Z"
            assert event["data"]["messageBody"] == "Where is my order?"
            assert heard.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
            assert (heard.headers["origin"], heard.headers["aeg-data-version"]) == ("eventgrid.azure.net", "")

    asyncio.run(run())


def test_batches_hold_at_most_what_was_asked_for(tmp_path: Path) -> None:
    """Ten events in batches of four: arrays, and nothing is lost."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url, most_events=4, filter=Filter(types=(IN_THREAD,)))
            now = scene.rig.clock.now()
            await scene.tell(*(a_message(now, facts={"content": str(number)}) for number in range(10)))
            await until(lambda: sum(len(one.json) for one in notifications(receiver)) == 10)
            sizes = sorted(len(one.json) for one in notifications(receiver))
            assert sizes == [2, 4, 4]
            told = sorted(event["data"]["messageBody"] for one in notifications(receiver) for event in one.json)
            assert told == [str(number) for number in range(10)]

    asyncio.run(run())


def test_a_batch_stays_near_its_preferred_size_and_a_large_event_goes_alone(tmp_path: Path) -> None:
    """One kilobyte is preferred; an event of three goes in a batch of its own."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            wanted = Filter(types=(IN_THREAD,))
            await scene.subscribe(receiver.url, schema="cloudevents", most_events=50, preferred_kb=2, filter=wanted)
            now = scene.rig.clock.now()
            contents = ["a", "b", "x" * 3000, "c", "d"]
            await scene.tell(*(a_message(now, facts={"content": content}) for content in contents))
            await until(lambda: sum(len(one.json) for one in notifications(receiver)) == 5)
            batches = sorted(
                [event["data"]["messageBody"][:1] for event in one.json] for one in notifications(receiver)
            )
            assert batches == [["a", "b"], ["c", "d"], ["x"]]
            first = notifications(receiver)[0]
            assert first.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"

    asyncio.run(run())


def test_a_subscription_without_types_gets_all_but_previews(tmp_path: Path) -> None:
    """A preview name comes only to who names it."""

    async def run() -> None:
        async with receiving() as plain, receiving() as named, staged(tmp_path) as scene:
            plain.answer = named.answer = agreeing
            preview = "microsoft.communication.chatmemberaddedtothreadwithuser"
            await scene.subscribe(plain.url)
            await scene.subscribe(named.url, "previews", filter=Filter(types=(preview,)))
            now = scene.rig.clock.now()
            ben = {"id": BEN, "display_name": "Ben", "metadata": {}}
            facts = {
                "thread_id": "19:t1@thread.v2", "created_at": now, "added_at": now, "added_by": ADA,
                "participant": ben, "participant_id": BEN, "version": 1, "recipients": [CAT],
            }  # fmt: skip
            event = a_message(now, name="chat.participant.added")
            event.facts.clear()
            event.facts.update(facts)
            await scene.tell(event)
            await until(lambda: len(notifications(plain)) == 2 and notifications(named))
            await settle()
            names = sorted(one.json[0]["eventType"].rpartition(".")[2] for one in notifications(plain))
            assert names == ["ChatParticipantAddedToThreadWithUser", "ChatThreadParticipantAdded"]
            (heard,) = notifications(named)
            told = heard.json[0]
            assert told["eventType"] == "Microsoft.Communication.ChatMemberAddedToThreadWithUser"
            assert told["subject"].startswith(f"thread/19:t1@thread.v2/memberAdded/{BEN}")
            assert told["data"]["memberAdded"] == {"displayName": "Ben", "memberId": BEN}
            assert told["data"]["participantAdded"]["participantCommunicationIdentifier"]["rawId"] == BEN
            assert told["data"]["time"] == "2026-11-21T12:00:00.0000000Z"

    asyncio.run(run())


def test_a_setting_sends_the_preview_names_to_all(tmp_path: Path) -> None:
    """Then a subscription without types gets them too."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path, preview_event_types=True) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url)
            await scene.dispatcher.fire("trunkline", "orders", "ChatThreadParticipantRemoved")
            now = scene.rig.clock.now()
            ben = {"id": BEN, "display_name": "Ben", "metadata": {}}
            event = a_message(
                now,
                name="chat.participant.removed",
                facts={
                    "created_at": now,
                    "removed_at": now,
                    "removed_by": ADA,
                    "participant": ben,
                    "participant_id": BEN,
                    "recipients": [CAT],
                },
            )
            await scene.tell(event)
            await until(lambda: len(notifications(receiver)) == 4)
            names = [one.json[0]["eventType"].rpartition(".")[2] for one in notifications(receiver)]
            assert "ChatMemberRemovedFromThreadWithUser" in names

    asyncio.run(run())


def test_a_resource_hears_only_of_its_own_events(tmp_path: Path) -> None:
    """The subscription of one resource is silent about another."""

    async def run() -> None:
        async with receiving() as mine, receiving() as others, staged(tmp_path) as scene:
            mine.answer = others.answer = agreeing
            await scene.subscribe(mine.url)
            await scene.subscribe(others.url, resource="demo")
            await scene.tell(a_message(scene.rig.clock.now()))
            await until(lambda: len(notifications(mine)) == 3)
            await settle()
            assert notifications(others) == []

    asyncio.run(run())


def test_without_subscriptions_events_are_only_marked_as_told(tmp_path: Path) -> None:
    """Nothing is queued, nothing stays untold, also in more than one round."""

    async def run() -> None:
        async with staged(tmp_path) as scene:
            now = scene.rig.clock.now()
            await scene.tell(*(a_message(now) for _ in range(1200)))
            await scene.all_told()
            assert (await scene.rig.counts())["waiting"] == 0
            await until(lambda: scene.dispatcher.told == 1200)

    asyncio.run(run())


def test_an_event_that_nobody_nudged_for_is_told_by_the_slow_poll(tmp_path: Path) -> None:
    """What was written just before a crash is found."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url)
            scene.dispatcher.nudge = lambda: None  # type: ignore[method-assign]
            await settle()
            await scene.tell(a_message(scene.rig.clock.now()))
            await settle()
            assert notifications(receiver) == []
            scene.rig.clock.advance(2)
            await until(lambda: len(notifications(receiver)) == 3)

    asyncio.run(run())


def test_an_event_that_cannot_be_wrapped_holds_up_no_other(tmp_path: Path) -> None:
    """It is counted and logged, and the next one arrives."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url)
            now = scene.rig.clock.now()
            broken = a_message(now)
            broken.facts["composed_at"] = "not a moment"
            await scene.tell(broken, a_message(now))
            await until(lambda: len(notifications(receiver)) == 3)
            assert scene.dispatcher.failed == 1
            await scene.all_told()

    asyncio.run(run())


def test_an_example_can_be_fired_past_the_filter(tmp_path: Path) -> None:
    """Every type can be fired at a subscription by its full or short name; unknown ones are refused."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await scene.subscribe(receiver.url, filter=Filter(types=(RECEIVED,), subject_begins="nothing"))
            names = list(scene.dispatcher._catalogue.event_types)
            for name in names:
                await scene.dispatcher.fire("trunkline", "orders", name.rpartition(".")[2].lower())
            await until(lambda: len(notifications(receiver)) == len(names))
            assert {one.json[0]["eventType"] for one in notifications(receiver)} == set(names)
            assert all(None not in one.json[0]["data"].values() for one in notifications(receiver))
            with pytest.raises(NotFoundError):
                await scene.dispatcher.fire("trunkline", "orders", "NoSuchType")
            with pytest.raises(NotFoundError):
                await scene.dispatcher.fire("trunkline", "missing", RECEIVED)

    asyncio.run(run())


def test_dead_letters_are_sent_again_to_the_address_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that one subscription has, as often as it takes; nothing of another's, and nothing twice."""

    async def run() -> None:
        async with receiving() as receiver, receiving() as mended, staged(tmp_path) as scene:
            receiver.answer = mended.answer = agreeing
            await scene.subscribe(receiver.url)
            await scene.subscribe(receiver.url, name="others")

            async def refusing(_heard: Heard) -> web.Response:
                return web.Response(status=400)

            receiver.answer = refusing
            await scene.tell(*(a_message(scene.rig.clock.now()) for _ in range(3)))
            await until(lambda: scene.rig.courier.buried == 18)
            await scene.subscribe(mended.url)
            monkeypatch.setattr(dispatcher, "MOST_PARCELS", 4)
            assert await scene.dispatcher.resend("trunkline", "orders") == 9
            await until(lambda: len(notifications(mended)) == 9)
            assert await scene.dispatcher.resend("trunkline", "orders") == 0
            assert (await scene.rig.counts())["dead"] == 9

    asyncio.run(run())


def test_dead_letters_of_an_address_that_has_not_agreed_stay(tmp_path: Path) -> None:
    """Nothing is sent where nobody wants it."""

    async def run() -> None:
        async with staged(tmp_path) as scene:
            await scene.subscribe("http://127.0.0.1:1/")
            with pytest.raises(ConflictError, match="failed"):
                await scene.dispatcher.resend("trunkline", "orders")

    asyncio.run(run())


def test_an_event_is_for_a_subscription_that_was_made_while_the_dispatcher_looked(tmp_path: Path) -> None:
    """What it reads is newer than the addresses that it knew when it began to look."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            await settle()
            read, began, free = scene.rig.database.read_now, threading.Event(), threading.Event()

            def dawdle(question: Any) -> Any:
                began.set()
                free.wait(10)
                return read(question)

            scene.rig.database.read_now = dawdle  # type: ignore[method-assign]
            scene.dispatcher.nudge()
            await asyncio.to_thread(began.wait, 10)
            await scene.subscribe(receiver.url, filter=Filter(types=(RECEIVED,)))
            scene.rig.database.read_now = read  # type: ignore[method-assign]
            await scene.tell(a_message(scene.rig.clock.now()))
            free.set()
            await until(lambda: notifications(receiver))

    asyncio.run(run())


@pytest.mark.parametrize("then", ["deleted", "readdressed"])
def test_an_event_goes_nowhere_that_was_given_up_while_the_dispatcher_looked(tmp_path: Path, then: str) -> None:
    """A deleted subscription gets nothing after its farewell, and one with a new address nothing at the old one."""

    async def run() -> None:
        async with receiving() as old, receiving() as new, staged(tmp_path) as scene:
            old.answer = new.answer = agreeing
            await scene.subscribe(old.url, filter=Filter(types=(IN_THREAD,)))
            await settle()
            write = scene.rig.database.write
            event = a_message(scene.rig.clock.now())

            async def write_late(unit: Any) -> Any:
                """Let the subscription change between what the dispatcher read and what it writes."""
                scene.rig.database.write = write  # type: ignore[method-assign]
                if then == "deleted":
                    await scene.subscriptions.delete("trunkline", "orders")
                else:
                    await scene.subscriptions.change("trunkline", "orders", url=new.url)
                    await scene.subscriptions.settled("trunkline", "orders")
                return await write(unit)

            await write(lambda transaction: outbox.tell(transaction, event))
            scene.rig.database.write = write_late  # type: ignore[method-assign,assignment]
            scene.dispatcher.nudge()
            await scene.all_told()
            await settle()
            assert notifications(old) == []
            if then == "readdressed":
                await until(lambda: notifications(new))

    asyncio.run(run())


def test_an_idle_dispatcher_does_nothing(tmp_path: Path) -> None:
    """Between slow polls the database is not written."""

    async def run() -> None:
        async with staged(tmp_path) as scene:
            await settle()
            groups = scene.rig.database.groups
            await asyncio.sleep(0.3)
            assert scene.rig.database.groups == groups

    asyncio.run(run())


PROGRAM = """
import asyncio, sys
from pathlib import Path
from typing import Any
from tests.events.scene import a_message, staged
async def run():
    async with staged(Path(sys.argv[1])) as scene:
        for number in range(200):
            await scene.tell(a_message(scene.rig.clock.now(), facts={"message_id": str(number)}))
            print(number, flush=True)
        await asyncio.sleep(60)
asyncio.run(run())
"""


def test_no_event_that_was_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """Kill -9 amid telling; after the restart every event has its parcels, told twice at most with equal ids."""

    async def run() -> None:
        async with receiving() as receiver:
            receiver.answer = agreeing
            async with staged(tmp_path) as scene:
                await scene.subscribe(receiver.url, filter=Filter(types=(IN_THREAD,)))
            root = str(Path(__file__).parents[2])
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                PROGRAM,
                str(tmp_path),
                env={**os.environ, "PYTHONPATH": root, "STATE_URL": url_for(tmp_path)},
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            acknowledged = -1
            while acknowledged < 60:
                acknowledged = int(await process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = (await process.communicate())[0].split()
            acknowledged = max([acknowledged, *map(int, rest[:-1])])
            async with staged(tmp_path) as scene:
                await scene.all_told()

                async def nothing_waits() -> bool:
                    return (await scene.rig.database.read(queue.counts))["waiting"] == 0

                await until(nothing_waits)
            heard: dict[str, set[str]] = {}
            for one in notifications(receiver):
                (event,) = one.json
                heard.setdefault(event["data"]["messageId"], set()).add(event["id"])
            assert {str(number) for number in range(acknowledged + 1)} <= heard.keys()
            assert all(len(ids) == 1 for ids in heard.values())

    asyncio.run(run())


def test_the_tables_survive_a_second_opening(tmp_path: Path) -> None:
    """Subscriptions are read back as they were."""

    async def run() -> None:
        async with receiving() as receiver:
            receiver.answer = agreeing
            async with staged(tmp_path) as scene:
                kept = await scene.subscribe(receiver.url, labels=("a",), filter=Filter(subject_begins="thread/"))
            async with staged(tmp_path) as scene:
                assert scene.subscriptions.get("trunkline", "ORDERS") == kept
        async with rigged(tmp_path / "other") as rig:
            assert await rig.counts() == {"waiting": 0, "delivered": 0, "dead": 0}

    asyncio.run(run())
