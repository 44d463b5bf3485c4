"""From what an SDK shows its user to the story, one sentence for every kind of id.

Ids of services that are built are read where a real SDK shows them; those of the others start at facts that somebody's
own system posts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from azure.communication.chat import ChatClient, ChatParticipant, CommunicationTokenCredential
from azure.communication.identity import CommunicationIdentityClient
from azure.communication.sms import SmsClient
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.communication import CommunicationServiceManagementClient
from azure.mgmt.eventgrid import models
from twilio.rest import Client

from tests.support.customer import Customer, visiting
from tests.support.webhook import Webhook, webhook
from trunkline.library.served import Server

MOBILE, OURS = "+14255550177", "+18005550144"
SHORT_BRIEF, FREE_BRIEF = "6a1f7a30-0000-4000-8000-5b0000000001", "6a1f7a30-0000-4000-8000-5b0000000002"
CALL, CHAIN = "6a1f7a30-0000-4000-8000-ca1100000001", "6a1f7a30-0000-4000-8000-c4a100000001"
CONNECTION, LEG = "6a1f7a30-0000-4000-8000-c0ec00000001", "6a1f7a30-0000-4000-8000-1e9000000001"
BEFORE = "6a1f7a30-0000-4000-8000-be0000000001"
SERVER_CALL = "aHR0cHM6Ly9hcGkuZmxpZ2h0cHJveHkuc2t5cGUuY29tL2FwaS92Mi9jcC9jb252LXVzZWEyLTAxLmNvbnY"
MAIL = "6a1f7a30-0000-4000-8000-3a1100000001"


@dataclass
class Shown:
    """What SDKs and events have shown, by what it is."""

    customer: Customer
    ids: dict[str, str] = field(default_factory=dict)

    def story(self, wanted: str) -> tuple[set[str], set[str], list[str]]:
        """Search for an id: what it is said to be, of which facts its story tells, and in which words."""
        answer = self.customer.own("GET", f"search?q={quote(wanted, safe='')}")
        assert answer.status == 200, answer.body
        found = answer.json
        told = {one["text"] for one in found["found"]}
        return told, {one.get("fact", "") for one in found["story"]}, [one["text"] for one in found["story"]]


class Headers(SansIOHTTPPolicy[Any, Any]):
    """A logging policy of somebody's own: keeps the headers by which a request is found again."""

    def __init__(self, ids: dict[str, str]) -> None:
        self._ids = ids

    def on_response(self, request: Any, response: Any) -> None:
        """Keep those of the last answer."""
        self._ids["MS-CV"] = response.http_response.headers["MS-CV"]
        self._ids["request id"] = response.http_response.headers["x-ms-request-id"]
        self._ids["client request id"] = request.http_request.headers["x-ms-client-request-id"]


@pytest.fixture(scope="module")
def shown(served: Server) -> Iterator[Shown]:
    """Use every SDK once, and note what it shows."""
    with visiting(served, "stories") as customer, webhook() as hook:
        asked = models.EventSubscription(destination=models.WebHookEventSubscriptionDestination(endpoint_url=hook.url))
        customer.grid().event_subscriptions.begin_create_or_update(customer.id, "stories", asked).result()
        found = Shown(customer)
        for use in (_identity, _chat, _sms, _resource, _directory, _calls, _mails):
            use(found)
        customer.settle()
        _events(found, hook)
        _twilio(found)
        yield found


def _identity(shown: Shown) -> None:
    customer = shown.customer
    client = CommunicationIdentityClient.from_connection_string(
        customer.connection_string, per_call_policies=[Headers(shown.ids)], **customer.options
    )
    with closing(client._identity_service_client):
        shown.ids["user"] = client.create_user().properties["id"]


def _chat(shown: Shown) -> None:
    ann, bob = shown.customer.person(), shown.customer.person()
    guest = ChatParticipant(identifier=bob.identifier, display_name="Bob")
    shown.ids["thread"] = ann.chat.create_chat_thread("Lunch", thread_participants=[guest]).chat_thread.id
    shown.ids["chat message"] = ann.thread(shown.ids["thread"]).send_message("Where?").id


def _sms(shown: Shown) -> None:
    customer = shown.customer
    assert customer.own("PUT", f"numbers/{quote(OURS)}?brief_id={FREE_BRIEF}").status in {200, 201}
    assert customer.own("PUT", f"numbers/72345?brief_id={SHORT_BRIEF}").status in {200, 201}
    client = SmsClient.from_connection_string(customer.connection_string, **customer.options)
    with closing(client._sms_service_client):
        (sent,) = client.send(from_=OURS, to=[MOBILE], message="hello", enable_delivery_report=True)
    shown.ids |= {"SMS message": sent.message_id, "phone number": sent.to}


def _resource(shown: Shown) -> None:
    """Read the resource's JSON view."""
    group, name = shown.customer.resource.resource_group, shown.customer.resource.name
    seen = shown.customer.managing(CommunicationServiceManagementClient).communication_services.get(group, name)
    assert (seen.name, seen.properties.provisioning_state) == (name, "Succeeded")
    shown.ids["directory"] = seen.identity.tenant_id
    shown.ids["application"] = seen.system_data.last_modified_by
    shown.ids["user object"] = seen.system_data.created_by
    shown.ids["immutable resource"] = seen.properties.immutable_resource_id
    listed = shown.customer.managing(CommunicationServiceManagementClient).communication_services
    assert name in [one.name for one in listed.list_by_resource_group(group)]
    assert seen.id in [one.id for one in listed.list_by_subscription()]
    connection = shown.customer.served.house.connection(shown.customer.resource)
    assert (connection.tenant_id, connection.immutable_resource_id, connection.application_id) == (
        shown.ids["directory"],
        shown.ids["immutable resource"],
        shown.ids["application"],
    )
    assert connection.user_object_id == shown.ids["user object"]


def _directory(shown: Shown) -> None:
    """Come in as a Teams user, as the guide does that has people look these ids up."""
    customer = shown.customer
    bearer = customer.own("POST", "tokens", {"role": "owner"}).json["token"]
    token = customer.identity.get_token_for_teams_user(bearer, shown.ids["application"], shown.ids["user object"])
    with ChatClient(customer.served.url, CommunicationTokenCredential(token.token), **customer.options) as chat:
        chat.create_chat_thread("Teams")


def _calls(shown: Shown) -> None:
    """Post what somebody's own Call Automation client knows: its service is not built here yet."""
    at, own = "2026-11-20T10:00:0", shown.customer.own
    own("POST", "calls", [
        {
            "leg_id": LEG,
            "call_id": CALL,
            "foreign_ids": {
                "call connection": CONNECTION,
                "server call": SERVER_CALL,
                "client": BEFORE,
                "chain": CHAIN,
            },
            "happened_at": f"{at}0Z",
            "ended_at": f"{at}9Z",
            "direction": "outbound",
            "sip_code": 486,
        }
    ])  # fmt: skip
    own("POST", "call-events", [{"call_id": CALL, "name": "CallConnected", "happened_at": f"{at}2Z"}])
    own("POST", "samples", [{"call_id": CALL, "edge": "sdk", "mos": 4.2, "happened_at": f"{at}3Z"}])
    request = {"service": "call_automation", "operation": "CreateCall", "status": 201, "happened_at": f"{at}0Z"}
    own("POST", "requests", [{**request, "correlation_id": CHAIN}])


def _mails(shown: Shown) -> None:
    """Post what somebody's own e-mail client knows."""
    at, own = "2026-11-20T10:00:00Z", shown.customer.own
    request = {"service": "email", "operation": "SendMail", "status": 202, "happened_at": at, "correlation_id": MAIL}
    own("POST", "requests", [request])
    mail = {"message_id": MAIL, "channel": "email", "recipient": "ann@example.com", "status": "delivered"}
    own("POST", "messages", [{**mail, "happened_at": at, "direction": "outbound"}])


def _events(shown: Shown, hook: Webhook) -> None:
    report = hook.wait(1, "SMSDeliveryReportReceived")[0]
    assert report["data"]["MessageId"] == shown.ids["SMS message"]
    event = next(one for one in hook.events() if one["data"].get("messageId") == shown.ids["chat message"])
    shown.ids |= {"event": event["id"], "transaction": event["data"]["transactionId"]}
    facts = shown.customer.own("POST", "facts", {"fact": "attempts", "id": event["id"]}).json
    shown.ids["delivery"] = facts["rows"][0]["parcel"]


def _twilio(shown: Shown) -> None:
    account = shown.customer.resource
    client = Client(account.sid, account.auth_token)
    client.insights.base_url = shown.customer.served.connection.http
    summary = client.insights.v1.call_summaries.list(start_time="2026-11-20T00:00:00Z", end_time="2026-11-21T00:00:00Z")
    shown.ids |= {"Call SID": summary[0].call_sid, "Account SID": summary[0].account_sid}


CALLED = {"calls", "call_events", "samples", "requests"}
SENT = {"requests", "messages", "attempts"}
SENTENCES: list[tuple[str, str, set[str]]] = [
    ("MS-CV", "the correlation vector of a request", {"requests"}),
    ("request id", "the server's id of a request", {"requests"}),
    ("client request id", "the client's id of a request", {"requests"}),
    ("user", "a user", {""}),
    ("thread", "a chat thread", {"", "messages"}),
    ("chat message", "the id of a message", SENT),
    ("event", "the event of a delivery attempt", SENT),
    ("transaction", "the cause of a delivery attempt", SENT),
    ("delivery", "the parcel of a delivery attempt", SENT),
    ("SMS message", "the id of a message", SENT),
    ("phone number", "the recipient of a message", {"messages"}),
    ("directory", "the directory (tenant) id of the account stories", set()),
    ("application", "the application of a request", {"requests"}),
    ("user object", "the caller of a request", {"requests"}),
    ("immutable resource", "the immutable resource id of the account stories", set()),
    ("Account SID", "the SID of the account stories", set()),
    ("Call SID", "the digest of the id of one leg of a call", CALLED),
]
POSTED: list[tuple[str, str, set[str]]] = [
    (CALL, "the id of a call", CALLED),
    (LEG, "the id of one leg of a call", CALLED),
    (CONNECTION, "the call connection of a call", CALLED),
    (SERVER_CALL, "the server call of a call", CALLED),
    (BEFORE, "the client of a call", CALLED),
    (CHAIN, "the correlation id of a request", CALLED),
    (MAIL, "the id of a message", {"requests", "messages"}),
    (FREE_BRIEF, f"the brief of the toll free {OURS}", set()),
    (SHORT_BRIEF, "the brief of the short code 72345", set()),
]


@pytest.mark.parametrize(("what", "is_", "facts"), SENTENCES, ids=[row[0] for row in SENTENCES])
def test_what_an_sdk_shows_leads_to_its_story(shown: Shown, what: str, is_: str, facts: set[str]) -> None:
    """Read from a header, a field of an answer or of an event."""
    told, seen, _ = shown.story(shown.ids[what])
    assert is_ in told
    assert facts <= seen


@pytest.mark.parametrize(("wanted", "is_", "facts"), POSTED, ids=[row[1].replace(" ", "-") for row in POSTED])
def test_what_a_client_of_a_service_that_is_not_built_shows_is_found_once_posted(
    shown: Shown, wanted: str, is_: str, facts: set[str]
) -> None:
    """Call Automation, the calling SDKs and e-mail; the briefs of numbers stand in a portal."""
    told, seen, _ = shown.story(wanted)
    assert is_ in told
    assert facts <= seen


GUID = "00000000-0000-4000-8000-000000000000"
UNKNOWN: list[tuple[str, str, str]] = [
    ("AAAAAAAAAAAAAAAAAAAAAA.0", "correlation vector", "MS-CV"),
    (GUID, "guid of a request", "x-ms-client-request-id and x-ms-request-id"),
    (GUID, "guid of a call", "call.id"),
    (GUID, "guid of a call", "X-Ms-Skype-Chain-Id"),
    (GUID, "guid of a call", "callConnectionId, correlationId"),
    (GUID, "guid of an operation", "in the answer to sending it"),
    (GUID, "guid of an event", "trunkline listen"),
    (GUID, "guid of a brief", "trunkline numbers add --brief-id"),
    (GUID, "guid of a directory", "trunkline connection"),
    (GUID, "guid of a file", "trunkline support-files list"),
    (f"Outgoing_20261121000000{GUID}", "text message", "result of `send`"),
    ("1750000000000", "chat message", "result of sending"),
    ("19:00000000@thread.v2", "chat thread", "result of creating it"),
    ("8:acs:nobody_1", "user", "create_user"),
    (f"8:orgid:{GUID}", "user", "create_user"),
    ("4:+14255550999", "other participant", "rawId"),
    ("+14255550999", "phone number", "trunkline numbers list"),
    ("99999", "short code", "trunkline numbers list"),
    ("99999", "delivery", "attempts"),
    (SERVER_CALL.replace("Hk", "Xk"), "server call", "serverCallId"),
    ("CA" + "0" * 32, "call SID", "Voice Insights"),
    ("AC" + "0" * 32, "account SID", "trunkline connection"),
    ("0" * 32, "digits", "another system"),
    ("ABCD-0123", "incident", "trunkline health incidents"),
]


@pytest.mark.parametrize(("wanted", "kind", "where"), UNKNOWN, ids=[f"{row[1]}-{row[2]}" for row in UNKNOWN])
def test_an_unknown_id_is_told_what_it_may_be_and_where_such_ids_are_found(
    shown: Shown, wanted: str, kind: str, where: str
) -> None:
    """By its form; of a form that several kinds have, each is told with a place of its own."""
    found = shown.customer.own("GET", f"search?q={quote(wanted, safe='')}").json
    assert found["found"] == found["story"] == []
    (form,) = (form for form in found["may_be"] if form["kind"] == kind)
    assert where in form["where"]
    assert form["what"]


def test_what_has_no_form_is_told_where_every_kind_of_id_is_found(shown: Shown) -> None:
    """Each of them once."""
    kinds = [form["kind"] for form in shown.customer.own("GET", "search?q=no%20such%20thing").json["may_be"]]
    assert sorted(kinds) == sorted(shown.customer.served.house.catalogue.ids)
    assert {kind for _, kind, _ in UNKNOWN} | {"conference SID"} == {*kinds}


def test_an_id_of_several_things_lists_them(shown: Shown) -> None:
    """What one account calls a call and another a message is both, each with its account."""
    own, at = shown.customer.own, "2026-11-20T10:00:00Z"
    own("POST", "calls", [{"leg_id": "shared-1", "happened_at": at, "sip_code": 486}])
    own("POST", "messages", [{"message_id": "shared-1", "recipient": MOBILE, "channel": "sms", "happened_at": at}])
    told, facts, _ = shown.story("shared-1")
    assert told == {"the id of one leg of a call", "the id of a call", "the id of a message"}
    assert facts == {"calls", "messages"}
