"""The courier: what it posts, when it tries again, when it gives up, and what it remembers."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

from aiohttp import web

from tests.delivery.rig import Heard, a_parcel, receiving, rigged, settle, until
from trunkline.delivery import queue
from trunkline.delivery.retry import LADDER_S


def test_a_parcel_arrives_as_it_was_packed(tmp_path: Path) -> None:
    """Body and headers reach the webhook, with the count of earlier attempts."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            await rig.put(a_parcel(rig.clock, receiver.url + "?code=a%2Fb%3D"))
            kept = await rig.until_attempts(1)
            (heard,) = receiver.heard
            assert heard.method == "POST"
            assert heard.path == "/hook?code=a%2Fb%3D"
            assert heard.body == b'[{"id":"e1"}]'
            assert heard.headers["aeg-delivery-count"] == "0"
            assert kept.state == "delivered"
            assert kept.finished_at == rig.clock.now()

    asyncio.run(run())


def test_every_attempt_is_recorded_as_a_fact(tmp_path: Path) -> None:
    """A failure and the success after it are two facts, numbered."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            receiver.status = 500
            await rig.put(a_parcel(rig.clock, receiver.url))
            await rig.until_attempts(1)
            receiver.status = 204
            await settle()
            rig.clock.advance(10)
            await rig.until_attempts(2)
            seen = [(fact.number, fact.status, fact.outcome) for fact in rig.records.facts]
            assert seen == [(1, 500, "failed"), (2, 204, "delivered")]
            fact = rig.records.facts[0]
            assert (fact.resource, fact.subscription, fact.event_type) == ("trunkline", "orders", "Example.Event")
            assert [heard.headers["aeg-delivery-count"] for heard in receiver.heard] == ["0", "1"]

    asyncio.run(run())


def test_a_failing_webhook_is_tried_on_every_rung_of_the_ladder_and_not_before(tmp_path: Path) -> None:
    """A second before each rung nothing comes, on it exactly one attempt."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            receiver.status = 500
            await rig.put(a_parcel(rig.clock, receiver.url, expires_at=rig.clock.now() + timedelta(days=9)))
            for made, wait_s in enumerate((*LADDER_S, 43_200, 43_200), start=1):
                kept = await rig.until_attempts(made)
                assert (kept.due_at - rig.clock.now()).total_seconds() == wait_s
                await settle()
                rig.clock.advance(wait_s - 1)
                await settle()
                assert len(receiver.heard) == made
                rig.clock.advance(1)

    asyncio.run(run())


def test_a_parcel_dies_after_its_last_attempt_and_is_listed(tmp_path: Path) -> None:
    """With two attempts allowed, the second failure buries it; it is listed once the delay has passed."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path, dead_letter_delay_s=300) as rig:
            receiver.status = 404
            await rig.put(a_parcel(rig.clock, receiver.url, most_attempts=2))
            await rig.until_attempts(1)
            await settle()
            rig.clock.advance(299)
            await settle()
            assert len(receiver.heard) == 1  # a 404 waits five minutes at least
            rig.clock.advance(1)
            kept = await rig.until_attempts(2)
            assert (kept.state, kept.reason, kept.last_status) == ("dead", "attempts exceeded", 404)

            async def listed() -> int:
                now = rig.clock.now()
                return len(await rig.database.read(lambda reader: queue.dead(reader, "trunkline", now)))

            assert await listed() == 0
            rig.clock.advance(300)
            assert await listed() == 1

    asyncio.run(run())


def test_a_parcel_that_is_too_old_when_due_is_given_up_without_an_attempt(tmp_path: Path) -> None:
    """The time to live is looked at when the next attempt is due."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            receiver.status = 503
            await rig.put(a_parcel(rig.clock, receiver.url, expires_at=rig.clock.now() + timedelta(seconds=20)))
            await rig.until_attempts(1)
            await settle()
            rig.clock.advance(30)  # a 503 waits half a minute at least

            async def dead() -> bool:
                return (await rig.find()).state == "dead"

            await until(dead)
            kept = await rig.find()
            assert (kept.reason, kept.attempts, len(receiver.heard)) == ("time exceeded", 1, 1)

    asyncio.run(run())


def test_statuses_that_say_never_are_not_tried_again(tmp_path: Path) -> None:
    """400, 401, 403 and 413 bury a parcel at once."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            statuses = iter((400, 401, 403, 413))

            async def answer(_heard: Heard) -> web.Response:
                return web.Response(status=next(statuses))

            receiver.answer = answer
            await rig.put(*(a_parcel(rig.clock, receiver.url, subscription=f"s{n}") for n in range(4)))
            await until(lambda: rig.courier.buried == 4)
            for number in range(1, 5):
                kept = await rig.until_attempts(1, number)
                assert (kept.state, kept.reason, kept.attempts) == ("dead", "rejected", 1)

    asyncio.run(run())


def test_a_redirect_is_a_failure_and_is_not_followed(tmp_path: Path) -> None:
    """A webhook cannot send the courier elsewhere."""

    async def run() -> None:
        async with receiving() as receiver, receiving() as elsewhere, rigged(tmp_path) as rig:
            receiver.status, receiver.headers = 307, {"Location": elsewhere.url}
            await rig.put(a_parcel(rig.clock, receiver.url))
            kept = await rig.until_attempts(1)
            assert (kept.state, kept.last_status, elsewhere.heard) == ("waiting", 307, [])

    asyncio.run(run())


def test_an_endpoint_that_does_not_answer_delays_no_other(tmp_path: Path) -> None:
    """Fifty parcels hang at one address while a hundred for another arrive."""

    async def run() -> None:
        async with receiving() as dead, receiving() as alive, rigged(tmp_path, timeout_s=30) as rig:
            forever = asyncio.Event()

            async def hang(_heard: Heard) -> web.Response:
                await forever.wait()
                return web.Response()

            dead.answer = hang
            await rig.put(*(a_parcel(rig.clock, dead.url, subscription="dead") for _ in range(50)))
            await until(lambda: dead.heard)
            await rig.put(*(a_parcel(rig.clock, alive.url, subscription="alive") for _ in range(100)))
            await until(lambda: rig.courier.delivered == 100)
            assert len(dead.heard) == 4  # a lane is narrow until its address has answered

    asyncio.run(run())


def test_an_address_that_times_out_gets_one_parcel_at_a_time(tmp_path: Path) -> None:
    """After the first timeouts the lane is one parcel wide."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path, timeout_s=0.15) as rig:
            flying, most = 0, []

            async def hang(_heard: Heard) -> web.Response:
                nonlocal flying
                flying += 1
                most.append(flying)
                try:
                    await asyncio.sleep(5)
                finally:
                    flying -= 1
                return web.Response()

            receiver.answer = hang
            await rig.put(*(a_parcel(rig.clock, receiver.url) for _ in range(8)))
            await until(lambda: rig.courier.failed == 8)
            assert {fact.outcome for fact in rig.records.facts} == {"timed out"}
            assert max(most[:4]) == 4

    asyncio.run(run())


def test_many_parcels_all_arrive_once_while_nothing_fails(tmp_path: Path) -> None:
    """A thousand parcels put in pieces: each is heard exactly once."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            for start in range(0, 1000, 50):
                await rig.put(
                    *(
                        a_parcel(rig.clock, receiver.url, body=str(number).encode(), subscription=f"s{number % 3}")
                        for number in range(start, start + 50)
                    )
                )
            await until(lambda: rig.courier.delivered >= 1000)
            await settle()
            assert sorted(int(heard.body) for heard in receiver.heard) == list(range(1000))
            assert await rig.counts() == {"waiting": 0, "delivered": 1000, "dead": 0}
            assert rig.courier._lanes == {}

    asyncio.run(run())


def test_a_closed_port_and_an_unknown_name_are_told_apart(tmp_path: Path) -> None:
    """No connection waits half a minute at least, no address five minutes."""

    async def run() -> None:
        async with receiving() as receiver:
            closed = receiver.url
        async with rigged(tmp_path) as rig:
            await rig.put(a_parcel(rig.clock, closed))
            kept = await rig.until_attempts(1)
            assert (kept.last_outcome, kept.due_at - rig.clock.now()) == ("unreachable", timedelta(seconds=30))
            await rig.put(a_parcel(rig.clock, "http://no-such-name.invalid/", subscription="s2"))
            kept = await rig.until_attempts(1, 2)
            assert (kept.last_outcome, kept.due_at - rig.clock.now()) == ("unresolved", timedelta(minutes=5))

    asyncio.run(run())


def test_what_waits_is_taken_up_after_a_start(tmp_path: Path) -> None:
    """A parcel that nobody woke the courier for is found."""

    async def run() -> None:
        async with receiving() as receiver:
            async with rigged(tmp_path) as rig:
                await rig.courier.stop()
                await rig.put(a_parcel(rig.clock, receiver.url))
                await settle()
                assert receiver.heard == []
            async with rigged(tmp_path) as rig:
                await rig.until_attempts(1)
                assert len(receiver.heard) == 1

    asyncio.run(run())


def test_a_stop_lets_an_attempt_in_flight_end(tmp_path: Path) -> None:
    """The answer that comes during the stop still counts."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path, graceful_timeout_s=5) as rig:

            async def slowly(_heard: Heard) -> web.Response:
                await asyncio.sleep(0.2)
                return web.Response()

            receiver.answer = slowly
            await rig.put(a_parcel(rig.clock, receiver.url))
            await until(lambda: receiver.heard)
            await rig.courier.stop()
            assert (await rig.find()).state == "delivered"

    asyncio.run(run())


def test_a_dead_parcel_can_be_sent_again(tmp_path: Path) -> None:
    """Revived, it is as good as new and keeps its events; it goes where its subscription is now."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path) as rig:
            receiver.status = 400
            await rig.put(a_parcel(rig.clock, receiver.url))
            await rig.until_attempts(1)
            receiver.status = 200
            now = rig.clock.now()
            terms = queue.Terms(
                url=f"{receiver.url}/new", most_attempts=3, due_at=now, expires_at=now + timedelta(hours=1)
            )
            revive = partial(queue.revive, subscription="s1", terms=terms, most=10)
            assert await rig.database.write(partial(revive, after=1)) == {}
            assert await rig.database.write(partial(revive, after=-1)) == {1: 1}
            rig.courier.wake(["s1"])
            await until(lambda: rig.courier.delivered)
            assert (await rig.find()).event_ids == ("e1",)
            assert [heard.path for heard in receiver.heard] == ["/hook", "/hook/new"]

    asyncio.run(run())


def test_an_idle_courier_does_nothing(tmp_path: Path) -> None:
    """Without parcels there is no lane, and the database is not asked."""

    async def run() -> None:
        async with rigged(tmp_path) as rig:
            await settle()
            groups = rig.database.groups
            await asyncio.sleep(0.3)
            assert (rig.database.groups, rig.courier._lanes) == (groups, {})

    asyncio.run(run())


def test_headers_of_an_answer_and_a_bounded_body_come_back_from_a_single_request(tmp_path: Path) -> None:
    """What `send` gives back is cut at a bound, and an unending body does not hold it up."""

    async def run() -> None:
        async with receiving() as receiver, rigged(tmp_path, timeout_s=5) as rig:

            async def unending(_heard: Heard) -> web.StreamResponse:
                return web.Response(body=b"x" * 1_000_000, headers={"X-Name": "value"})

            receiver.answer = unending
            answer = await rig.courier.send(receiver.url, b"", {"A": "b"}, "OPTIONS")
            assert (answer.status, answer.headers["x-name"], len(answer.body)) == (200, "value", 65_536)
            assert receiver.heard[0].method == "OPTIONS"

    asyncio.run(run())
