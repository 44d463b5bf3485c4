"""One journey through the real server by Microsoft's own clients, in which everything happens that the samples show."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import msgspec
from azure.communication.chat import ChatParticipant
from azure.communication.sms import SmsClient
from azure.core.rest import HttpRequest
from azure.mgmt.eventgrid import models

from tests.mission.samples import VENDOR
from tests.support.customer import Customer, Person
from tests.support.webhook import Webhook

OFFICE = "+15555555555"
"""The number that the samples of text messages name; the resource owns it."""
BRANCH = "+14255550100"
"""Another number of the resource, in another area."""
MOBILE = "+14255550123"
"""Somebody's telephone."""


def subscribe(customer: Customer, hook: Webhook, name: str, *types: str) -> None:
    """Subscribe a webhook, under a path of its own, to types given by their last part, by the management client."""
    asked = models.EventSubscription(
        destination=models.WebHookEventSubscriptionDestination(endpoint_url=f"{hook.base}/{name}"),
        filter=models.EventSubscriptionFilter(included_event_types=[VENDOR + one for one in types]),
    )
    made = customer.grid().event_subscriptions.begin_create_or_update(customer.id, name, asked).result()
    assert made.provisioning_state == "Succeeded"


def subscribe_with(customer: Customer, hook: Webhook, name: str, pasted: dict[str, Any]) -> None:
    """Subscribe a webhook, under a path of its own, with a filter as it stands in a document: by plain REST."""
    address = f"{customer.id}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"
    where = {"endpointType": "WebHook", "properties": {"endpointUrl": f"{hook.base}/{name}"}}
    body = {"properties": {"destination": where, "filter": pasted}}
    request = HttpRequest("PUT", address, params={"api-version": "2025-02-15"}, json=body)
    answer = customer.metrics().send_request(request)
    answer.raise_for_status()
    assert answer.json()["properties"]["filter"]["subjectBeginsWith"] == pasted["subjectBeginsWith"]


def converse(customer: Customer) -> dict[str, Person]:
    """Let a thread live and die: everything of chat that the samples tell happens once or more."""
    people = {name: customer.person() for name in ("Ann", "Bob", "Cleo")}
    ann, bob = people["Ann"], people["Bob"]

    def participant(name: str) -> ChatParticipant:
        return ChatParticipant(identifier=people[name].identifier, display_name=name)

    created = ann.chat.create_chat_thread("Order 1024", thread_participants=[participant("Ann"), participant("Bob")])
    of_ann, of_bob = (one.thread(created.chat_thread.id) for one in (ann, bob))
    sent = of_bob.send_message("Where is my order?", sender_display_name="Bob").id
    of_bob.update_message(sent, content="Where is my order 1024?")
    of_bob.delete_message(sent)
    of_ann.update_topic(topic="Order 1024, late")
    assert of_ann.add_participants([participant("Cleo")]) == []
    of_ann.remove_participant(people["Cleo"].identifier)
    ann.chat.delete_chat_thread(created.chat_thread.id)
    return people


def text(customer: Customer, office: str, *, text: str = "Your order 1024 is late.") -> str:
    """Send one text message from a number, with a delivery report; returns its id."""
    sms = SmsClient.from_connection_string(customer.connection_string, **customer.options)
    with closing(sms._sms_service_client):
        (sent,) = sms.send(from_=office, to=[MOBILE], message=text, enable_delivery_report=True)
    assert sent.successful, sent
    return str(sent.message_id)


def answer(customer: Customer, office: str, *, text: str = "Thanks, I can wait. ") -> None:
    """Let somebody's telephone send a text message to a number."""
    body = msgspec.json.encode({"from": MOBILE, "to": office, "text": text})
    taken = customer._put("POST", "/api/v1/inbox/sms", body, {"x-api-key": customer.resource.api_key})
    assert taken.status < 300, taken.body
