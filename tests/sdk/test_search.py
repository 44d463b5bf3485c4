"""From an id that an SDK shows its user to the whole story, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from azure.communication.chat import ChatParticipant
from azure.communication.sms import SmsClient
from azure.mgmt.eventgrid import models

from tests.support.customer import Customer, visiting
from tests.support.webhook import Webhook, webhook
from trunkline.library.served import Server, serve

NUMBER, MOBILE = "+18005550199", "+14255550123"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server."""
    with serve(tmp_path_factory.mktemp("search")) as running:
        yield running


@pytest.fixture
def customer(server: Server) -> Iterator[Customer]:
    """Let in the user of its default resource."""
    with visiting(server) as one:
        yield one


@pytest.fixture
def hook(customer: Customer) -> Iterator[Webhook]:
    """Run a webhook that is told everything."""
    with webhook() as one:
        asked = models.EventSubscription(destination=models.WebHookEventSubscriptionDestination(endpoint_url=one.url))
        customer.grid().event_subscriptions.begin_create_or_update(customer.id, "search", asked).result()
        yield one


def search(customer: Customer, wanted: str) -> dict[str, Any]:
    """Search as an operator does."""
    answer = customer.own("GET", f"search?q={quote(wanted, safe='')}")
    assert answer.status == 200, answer.body
    return answer.json  # type: ignore[no-any-return]


def facts(story: dict[str, Any]) -> list[str]:
    """Return of which facts a story tells, each once, in order."""
    return list(dict.fromkeys(entry.get("fact", "") for entry in story["story"]))


def test_the_vector_of_a_chat_message_leads_to_request_message_and_deliveries(
    customer: Customer, hook: Webhook
) -> None:
    """Read by a hook of the call, as the documentation shows."""
    ann, bob = customer.person(), customer.person()
    vectors: list[str] = []
    guest = ChatParticipant(identifier=bob.identifier, display_name="Bob")
    thread = ann.thread(ann.chat.create_chat_thread("Lunch", thread_participants=[guest]).chat_thread.id)
    message = thread.send_message(
        "Where?", raw_response_hook=lambda answer: vectors.append(answer.http_response.headers["MS-CV"])
    ).id
    customer.settle()
    story = search(customer, vectors[0])
    assert {found["text"] for found in story["found"]} == {
        "the correlation vector of a request",
        "the correlation id of a message",
        "the cause of a delivery attempt",
    }
    assert set(facts(story)) == {"requests", "messages", "attempts"}
    assert [entry["at"] for entry in story["story"]] == sorted(entry["at"] for entry in story["story"])
    (request,) = (entry for entry in story["story"] if entry["fact"] == "requests")
    assert request["row"]["operation"] == "SendChatMessage"
    told = [entry["row"] for entry in story["story"] if entry["fact"] == "messages"]
    assert [row["message_id"] for row in told] == [message]
    event = next(one for one in hook.events() if one["data"].get("messageId") == message)
    for other in (message, event["id"], request["row"]["client_request_id"], request["row"]["request_id"]):
        assert set(facts(search(customer, other))) == {"requests", "messages", "attempts"}, other


def test_the_id_of_a_text_message_leads_to_its_request_its_report_and_its_delivery(
    customer: Customer, hook: Webhook
) -> None:
    """As the result of `send` shows it."""
    sms = SmsClient.from_connection_string(customer.connection_string, **customer.options)
    with closing(sms._sms_service_client):
        (sent,) = sms.send(from_=NUMBER, to=[MOBILE], message="hello", enable_delivery_report=True)
    hook.wait(1, "SMSDeliveryReportReceived")
    customer.settle()
    story = search(customer, sent.message_id)
    assert {"requests", "messages", "attempts"} <= set(facts(story))
    (message,) = (entry for entry in story["story"] if entry["fact"] == "messages")
    assert message["row"]["status"] == "delivered"
    assert f"to {MOBILE}: delivered" in message["text"]


def test_a_user_and_a_thread_are_known_and_their_latest_messages_told(customer: Customer) -> None:
    """What many share leads to nobody else's requests."""
    ann, bob = customer.person(), customer.person()
    guest = ChatParticipant(identifier=bob.identifier, display_name="Bob")
    thread = ann.chat.create_chat_thread("Lunch", thread_participants=[guest]).chat_thread.id
    ann.thread(thread).send_message("Where?")
    story = search(customer, thread)
    assert {"kind": "thread", "text": "a chat thread", "account": "trunkline"} in story["found"]
    assert facts(story) == ["", "messages"]
    assert story["ids"] == []
    story = search(customer, bob.id)
    assert {"kind": "user", "text": "a user", "account": "trunkline"} in story["found"]
    assert story["story"][0]["text"] == "The user was created."
    assert facts(story)[1:] == ["messages"]


def test_the_ids_of_the_directory_and_the_resource_are_known(customer: Customer) -> None:
    """Those that `trunkline connection` shows."""
    for wanted in (customer.resource.tenant_id, customer.resource.immutable_id, customer.resource.sid):
        found = search(customer, wanted)["found"]
        assert [one["account"] for one in found] == ["trunkline"], wanted


def test_a_call_is_told_by_any_of_its_ids_with_legs_events_and_media(customer: Customer) -> None:
    """As an operator's own system posts it; a client's id from before it joined is an alias."""
    at = "2026-11-20T10:00:0"
    customer.own(
        "POST",
        "calls",
        [
            {
                "leg_id": "leg-a",
                "call_id": "call-1",
                "foreign_ids": {"client": "9f5cf1a5"},
                "happened_at": f"{at}0Z",
                "direction": "outbound",
                "sip_code": 486,
                "recipient": MOBILE,
            },
            {"leg_id": "leg-b", "call_id": "call-1", "happened_at": f"{at}1Z", "direction": "inbound"},
        ],
    )
    customer.own("POST", "call-events", [{"call_id": "leg-a", "name": "ringing", "happened_at": f"{at}2Z"}])
    sample = {"call_id": "call-1", "edge": "sdk", "mos": 4.2, "jitter_ms": 9, "happened_at": f"{at}3Z"}
    customer.own("POST", "samples", [sample, {**sample, "mos": 4.0}])
    customer.own(
        "POST",
        "requests",
        [
            {
                "service": "call_automation",
                "operation": "CreateCall",
                "status": 201,
                "correlation_id": "call-1",
                "happened_at": f"{at}0Z",
            }
        ],
    )
    for wanted in ("call-1", "leg-a", "leg-b", "9f5cf1a5"):
        story = search(customer, wanted)
        assert set(facts(story)) == {"requests", "calls", "call_events", "samples"}, wanted
        texts = [entry["text"] for entry in story["story"]]
        assert f"An outbound call to {MOBILE}: busy (SIP 486)." in texts
        assert "The called device is busy. Try again in a few minutes, or offer to call back." in [
            entry.get("advice") for entry in story["story"]
        ]
        assert "The media were measured 2 times at the edge sdk, on average MOS 4.10, jitter 9.0 ms." in texts


def test_the_brief_of_a_number_leads_to_the_number(customer: Customer) -> None:
    """A toll-free campaign's or a short code's, as it was registered with the number."""
    brief = "a3b1c2d4-0000-4000-8000-1234567890ab"
    customer.own("PUT", f"numbers/%2B18005550142?brief_id={brief}")
    assert search(customer, brief.upper())["found"] == [
        {"kind": "brief", "text": "the brief of the toll free +18005550142", "account": "trunkline"}
    ]


def test_a_search_without_an_id_says_what_is_missing(customer: Customer) -> None:
    """And one for an id that is none."""
    for target in ("search", "search?q=", f"search?q={'x' * 2001}"):
        answer = customer.own("GET", target)
        assert answer.status == 400
        assert "q is the id to search for" in answer.body.decode()
