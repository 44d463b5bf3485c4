"""The first journey: a user's own code, the connection string swapped; what it does is told and measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.communication.chat import ChatClient, ChatParticipant, CommunicationTokenCredential
from azure.communication.identity import CommunicationIdentityClient
from azure.communication.rooms import RoomsClient
from azure.core.exceptions import HttpResponseError
from azure.mgmt.eventgrid import models

from tests.support.customer import Customer, visiting
from tests.support.webhook import Webhook, webhook
from trunkline.library.served import Server, serve

PER_USER = "Microsoft.Communication.ChatMessageReceived"
IN_THREAD = "Microsoft.Communication.ChatMessageReceivedInThread"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server that nobody has used before."""
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def customer(server: Server) -> Iterator[Customer]:
    """Let in the user of its default resource."""
    with visiting(server) as one:
        yield one


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run the user's webhook."""
    with webhook() as one:
        yield one


def test_a_user_s_own_code_runs_unchanged_and_is_told_and_measured(
    server: Server, customer: Customer, hook: Webhook
) -> None:
    """`create_user_and_token`, `create_chat_thread`, `send_message`; a webhook hears of it; metrics count it."""
    # the operator subscribes a webhook by ARM
    wanted = models.EventSubscription(
        destination=models.WebHookEventSubscriptionDestination(endpoint_url=hook.url),
        filter=models.EventSubscriptionFilter(included_event_types=[PER_USER, IN_THREAD]),
    )
    subscribed = customer.grid().event_subscriptions.begin_create_or_update(customer.id, "first", wanted).result()
    assert subscribed.provisioning_state == "Succeeded"

    # the user's code: nothing in it knows that this is not Azure, but for the connection string and the roots
    trust: dict[str, Any] = {"connection_verify": server.connection.ca_file}
    identity = CommunicationIdentityClient.from_connection_string(server.connection.connection_string, **trust)
    with closing(identity._identity_service_client):
        (ann, token), (bob, _), (cleo, _) = (identity.create_user_and_token(["chat"]) for _ in range(3))
    vectors: list[str] = []

    def note(answer: Any) -> None:
        vectors.append(answer.http_response.headers["MS-CV"])

    with ChatClient(server.url, CommunicationTokenCredential(token.token), **trust) as chat:
        created = chat.create_chat_thread(
            "Order 1024",
            thread_participants=[
                ChatParticipant(identifier=one, display_name=name) for one, name in ((bob, "Bob"), (cleo, "Cleo"))
            ],
            raw_response_hook=note,
        )
        thread_id = created.chat_thread.id
        with chat.get_chat_thread_client(thread_id, **trust) as thread:
            sent = thread.send_message(
                "Where is my order?",
                sender_display_name="Ann",
                raw_response_hook=note,
            )

    # the webhook hears it: once for each other participant, once for the thread
    customer.settle()
    earlier, vector = vectors
    assert vector != earlier
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}(\.\d+)+", vector)
    heard = sorted(hook.events(), key=lambda event: event["subject"])
    sender = f"thread/{thread_id}/sender/{ann.properties['id']}"
    recipients = sorted(one.properties["id"] for one in (bob, cleo))
    assert [(event["eventType"], event["subject"]) for event in heard] == [
        (IN_THREAD, sender),
        *((PER_USER, f"{sender}/recipient/{one}") for one in recipients),
    ]
    assert [event["data"].get("recipientId") for event in heard] == [None, *recipients]
    for event in heard:
        data = event["data"]
        assert event["topic"] == customer.id
        assert (data["transactionId"], data["threadId"], data["messageId"]) == (vector, thread_id, sent.id)
        assert (data["messageBody"], data["senderDisplayName"]) == ("Where is my order?", "Ann")
    assert len({event["id"] for event in heard}) == 3

    # and the requests show up, by the metric's own three dimensions
    assert customer.counted("APIRequestChat") == {
        ("CreateChatThread", "201", "2xx"): 1,
        ("SendChatMessage", "201", "2xx"): 1,
    }
    assert customer.counted("APIRequestAuthentication") == {("CreateIdentity", "201", "2xx"): 3}


def test_a_route_that_there_is_not_is_counted_as_a_bad_one(customer: Customer) -> None:
    """Its 404 says so and names the nearest operation."""
    lost = customer.send("POST", "/chat/threads/t/mesages?api-version=2024-03-07", {"content": "hello"})
    assert lost.status == 404
    assert "Bad Route" in lost.json["error"]["message"]
    assert "SendChatMessage: POST /chat/threads/{thread_id}/messages" in lost.json["error"]["message"]
    assert customer.counted("APIRequestChat") == {("Bad Route", "404", "4xx"): 1}


def test_what_is_not_built_yet_is_refused_in_the_vendor_s_words_and_measured(
    server: Server, customer: Customer
) -> None:
    """The rooms client raises its own error with 501; the request counts, with a mark of its own."""
    rooms = RoomsClient.from_connection_string(server.connection.connection_string, **customer.options)
    with closing(rooms), pytest.raises(HttpResponseError, match="CreateRoom") as refused:
        rooms.create_room()
    assert refused.value.status_code == 501
    assert msgspec.json.decode(refused.value.response.body())["error"]["code"] == "NotImplemented"
    assert refused.value.response.headers["MS-CV"]
    assert customer.counted("ApiRequestRooms") == {("CreateRoom", "501", "5xx"): 1}
    marked = customer.ask("requests.count", "requests.unserved", by=("service", "operation"))
    assert marked["rooms", "CreateRoom"] == [1, 1]
