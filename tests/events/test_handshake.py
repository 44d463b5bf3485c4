"""Handshakes: how a webhook is asked, what it may answer, and confirmation by hand."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.delivery.rig import Heard, Receiver, receiving, settle, until
from tests.events.scene import TOPIC, a_message, agreeing, notifications, staged
from trunkline.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    TrunklineError,
    UnavailableError,
)
from trunkline.events.subscription import Spec


def test_a_webhook_is_asked_with_a_code_and_activated_by_it(tmp_path: Path) -> None:
    """The request is as documented; the right answer makes the subscription active."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            kept = await scene.subscribe(receiver.url + "?code=secret")
            assert (kept.state, kept.problem) == ("active", "")
            (heard,) = receiver.heard
            assert (heard.method, heard.path) == ("POST", "/hook?code=secret")
            assert heard.headers["aeg-event-type"] == "SubscriptionValidation"
            assert heard.headers["aeg-subscription-name"] == "ORDERS"
            assert heard.headers["content-type"] == "application/json; charset=utf-8"
            (event,) = heard.json
            data = event.pop("data")
            assert event.pop("id")
            assert event == {
                "topic": TOPIC,
                "subject": "",
                "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
                "eventTime": "2026-11-21T12:00:00.0000000Z",
                "metadataVersion": "1",
                "dataVersion": "1",
            }
            assert data["validationUrl"] == (
                "https://trunkline.example/eventsubscriptions/orders/validate"
                f"?id={data['validationCode']}&resource=trunkline"
            )

    asyncio.run(run())


def test_a_cloudevents_webhook_is_asked_by_options(tmp_path: Path) -> None:
    """It agrees by naming our origin, or any."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.headers = {"WebHook-Allowed-Origin": "eventgrid.azure.net"}
            kept = await scene.subscribe(receiver.url, schema="cloudevents")
            assert kept.state == "active"
            (heard,) = receiver.heard
            assert heard.method == "OPTIONS"
            assert heard.headers["webhook-request-origin"] == "eventgrid.azure.net"
            assert heard.headers["webhook-request-rate"] == "120"
            assert heard.headers["webhook-request-callback"].startswith("https://trunkline.example/")
            receiver.headers = {"WebHook-Allowed-Origin": "elsewhere.example"}
            kept = await scene.subscribe(receiver.url, "others", schema="cloudevents")
            assert kept.state == "awaiting"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "body"),
    [(202, b"code"), (204, b""), (404, b""), (500, b""), (301, b"")],
)
def test_a_webhook_that_does_not_answer_200_makes_the_subscription_fail(
    status: int, body: bytes, tmp_path: Path
) -> None:
    """Even when it answers the code: 202 is not accepted. The address is told without its query."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:

            async def answer(heard: Heard) -> web.Response:
                right = await agreeing(heard)
                return web.Response(status=status, body=right.body if body else b"")

            receiver.answer = answer
            kept = await scene.subscribe(receiver.url + "?code=secret")
            assert kept.state == "failed"
            assert kept.problem.startswith(f"Webhook validation handshake failed for {receiver.url}. Http POST ")
            assert "secret" not in kept.problem
            await scene.tell(a_message(scene.rig.clock.now()))
            await scene.all_told()
            assert notifications(receiver) == []

    asyncio.run(run())


def test_a_closed_port_is_said_in_the_problem(tmp_path: Path) -> None:
    """There is no status then; what happened stands in words."""

    async def run() -> None:
        async with receiving() as receiver:
            url = receiver.url
        async with staged(tmp_path) as scene:
            kept = await scene.subscribe(url)
            assert "response code Unknown. The attempt was unreachable." in kept.problem
            assert "timestamp: 11/21/2026 12:00:00 PM (UTC)." in kept.problem

    asyncio.run(run())


def test_a_webhook_that_is_slow_is_asked_once_more(tmp_path: Path) -> None:
    """Five seconds after the timeout, and then no more."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path, timeout_s=0.5) as scene:

            async def slow_once(heard: Heard) -> web.Response:
                if len(receiver.heard) == 1:
                    await asyncio.sleep(30)
                return await agreeing(heard)

            receiver.answer = slow_once
            asked = asyncio.ensure_future(scene.subscribe(receiver.url))
            await until(lambda: receiver.heard)
            await asyncio.sleep(0.6)
            assert len(receiver.heard) == 1
            while not asked.done():  # the timeout is of real time
                scene.rig.clock.advance(5)
                await asyncio.sleep(0.05)
            assert (await asked).state == "active"
            assert len(receiver.heard) == 2

    asyncio.run(run())


def code_in(receiver: Receiver) -> str:
    """Return the code that a receiver was sent last."""
    return str(receiver.heard[-1].json[0]["data"]["validationCode"])


def test_a_subscription_can_be_confirmed_by_hand_within_ten_minutes(tmp_path: Path) -> None:
    """A 200 without the code awaits that; a wrong code is refused."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            assert (await scene.subscribe(receiver.url)).state == "awaiting"
            await scene.tell(a_message(scene.rig.clock.now()))
            await scene.all_told()
            assert len(receiver.heard) == 1
            scene.rig.clock.advance(599)
            with pytest.raises(ForbiddenError):
                await scene.subscriptions.confirm("trunkline", "orders", "wrong")
            with pytest.raises(NotFoundError):
                await scene.subscriptions.confirm("trunkline", "missing", code_in(receiver))
            kept = await scene.subscriptions.confirm("trunkline", "Orders", code_in(receiver))
            assert kept.state == "active"
            assert (await scene.subscriptions.confirm("trunkline", "orders", kept.code)).state == "active"

    asyncio.run(run())


def test_a_subscription_that_nobody_confirms_fails(tmp_path: Path) -> None:
    """After ten minutes the code is worth nothing, also when the server was restarted in between."""

    async def run() -> None:
        async with receiving() as receiver:
            async with staged(tmp_path) as scene:
                await scene.subscribe(receiver.url)
            async with staged(tmp_path) as scene:
                assert scene.subscriptions.get("trunkline", "orders").state == "awaiting"
                await settle()
                scene.rig.clock.advance(600)
                await until(lambda: scene.subscriptions.get("trunkline", "orders").state == "failed")
                with pytest.raises(ConflictError):
                    await scene.subscriptions.confirm("trunkline", "orders", code_in(receiver))

    asyncio.run(run())


@pytest.mark.parametrize("trouble", [OverloadedError("full"), UnavailableError("down"), ConflictError("changed")])
def test_what_a_webhook_answered_is_kept_as_soon_as_it_can_be(tmp_path: Path, trouble: TrunklineError) -> None:
    """The subscription would be creating for ever, and whoever waits for it with it."""

    async def run() -> None:
        async with receiving() as receiver, staged(tmp_path) as scene:
            receiver.answer = agreeing
            write, failures = scene.rig.database.write, [trouble] * 3

            async def hinder(unit: Any) -> Any:
                if failures and receiver.heard:
                    raise failures.pop()
                return await write(unit)

            scene.rig.database.write = hinder  # type: ignore[method-assign]
            await scene.subscriptions.create_or_update("trunkline", "orders", Spec(url=receiver.url))

            def is_active() -> bool:
                scene.rig.clock.advance(0.1)
                return scene.subscriptions.get("trunkline", "orders").state == "active"

            await until(is_active)
            assert (failures, len(receiver.heard)) == ([], 1)

    asyncio.run(run())


def test_a_handshake_that_a_stop_interrupted_is_taken_up_again(tmp_path: Path) -> None:
    """The subscription was acknowledged, so it must come to an end."""

    async def run() -> None:
        async with receiving() as receiver:
            held = asyncio.Event()

            async def hold(heard: Heard) -> web.Response:
                await held.wait()
                return await agreeing(heard)

            receiver.answer = hold
            async with staged(tmp_path) as scene:
                await scene.subscriptions.create_or_update("trunkline", "orders", Spec(url=receiver.url))
                await until(lambda: receiver.heard)
            held.set()
            async with staged(tmp_path) as scene:
                assert (await scene.subscriptions.settled("trunkline", "orders")).state == "active"

    asyncio.run(run())
