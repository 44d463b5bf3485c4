"""The identifiers that find a request again, read from Microsoft's own clients in every way that they offer.

The page docs/troubleshooting.md shows these ways: what it shows is run here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from azure.communication.chat import ChatClient, ChatParticipant, CommunicationTokenCredential
from azure.communication.identity import CommunicationIdentityClient
from azure.communication.sms import SmsClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import HttpLoggingPolicy, SansIOHTTPPolicy
from azure.mgmt.eventgrid import models

from tests.support.customer import Customer, visiting
from tests.support.webhook import Webhook, webhook
from trunkline.connection import Place
from trunkline.library.served import Server, serve

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
VECTOR = re.compile(r"[A-Za-z0-9+/]{22}(\.\d+)+")
LOGGER = "azure.core.pipeline.policies.http_logging_policy"
NUMBER, MOBILE = "+18005550199", "+14255550123"


class Vectors(SansIOHTTPPolicy[Any, Any]):
    """A policy of somebody's own."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_response(self, _request: Any, response: Any) -> None:
        """Remember the vector of an answer."""
        self.seen.append(response.http_response.headers["MS-CV"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server."""
    with serve(tmp_path_factory.mktemp("ids")) as running:
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
        customer.grid().event_subscriptions.begin_create_or_update(customer.id, "ids", asked).result()
        yield one


def naming() -> HttpLoggingPolicy[Any, Any]:
    """Return the client's logging policy, told to show the header."""
    policy: HttpLoggingPolicy[Any, Any] = HttpLoggingPolicy()
    policy.allowed_header_names.add("MS-CV")
    return policy


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the vectors that a client has logged, in order."""
    return re.findall(r"'MS-CV': '([^']+)'", log_of(caplog), re.IGNORECASE)


def log_of(caplog: pytest.LogCaptureFixture) -> str:
    """Return what a client has logged of its requests."""
    return "\n".join(record.getMessage() for record in caplog.records if record.name == LOGGER)


def measured(customer: Customer, *vectors: str) -> list[tuple[str, ...]]:
    """Return operation and status of the requests that the server measured under vectors, in their order."""
    found = {key[0]: key[1:] for key in customer.ask("requests.count", by=("ms_cv", "operation", "status"))}
    return [found[vector] for vector in vectors]


def test_a_logging_policy_prints_the_ms_cv_as_the_documentation_shows(
    customer: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    """Given as `http_logging_policy` to each client of the family; without it the header is redacted."""
    caplog.set_level(logging.INFO, logger=LOGGER)
    person = customer.person()
    assert logged(caplog) == ["REDACTED"]
    given: dict[str, Any] = {**customer.options, "http_logging_policy": naming()}
    caplog.clear()
    identity = CommunicationIdentityClient.from_connection_string(customer.connection_string, **given)
    with closing(identity._identity_service_client):
        identity.create_user()
    with ChatClient(customer.served.url, CommunicationTokenCredential(person.token), **given) as chat:
        chat.create_chat_thread("Lunch")
    sms = SmsClient.from_connection_string(customer.connection_string, **given)
    with closing(sms._sms_service_client):
        sms.send(from_=NUMBER, to=[MOBILE], message="hello")
    vectors = logged(caplog)
    assert all(VECTOR.fullmatch(vector) for vector in vectors)
    assert [operation for operation, _ in measured(customer, *vectors)] == [
        "CreateIdentity",
        "CreateChatThread",
        "SMSMessageSent",
    ]


def test_the_ms_cv_is_read_from_the_answer_in_every_way_of_the_client(
    customer: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    """A logging policy, hooks of a call and of a client, and a policy of one's own see the vector that was measured."""
    caplog.set_level(logging.INFO, logger=LOGGER)
    person, policy = customer.person(), Vectors()
    of_client: list[str] = []
    of_call: list[str] = []

    def note(answer: Any) -> None:
        of_client.append(answer.http_response.headers["MS-CV"])

    given: dict[str, Any] = {
        **customer.options,
        "http_logging_policy": naming(),
        "raw_response_hook": note,
        "per_call_policies": [policy],
    }
    caplog.clear()
    with ChatClient(customer.served.url, CommunicationTokenCredential(person.token), **given) as chat:
        thread = chat.create_chat_thread("Lunch").chat_thread.id
        chat.delete_chat_thread(
            thread, raw_response_hook=lambda answer: of_call.append(answer.http_response.headers["ms-cv"])
        )
    assert policy.seen == logged(caplog) == [*of_client, *of_call]
    assert measured(customer, *policy.seen) == [("CreateChatThread", "201"), ("DeleteChatThread", "204")]


def test_an_error_carries_the_ms_cv_of_its_request(customer: Customer) -> None:
    """The refusal is measured under the vector that the error's answer shows."""
    person = customer.person()
    with pytest.raises(HttpResponseError) as refused:
        person.chat.delete_chat_thread("19:00000000000000000000000000000000@thread.v2")
    assert refused.value.response is not None
    vector = refused.value.response.headers["MS-CV"]
    assert measured(customer, vector) == [("DeleteChatThread", str(refused.value.status_code))]


def test_the_ms_cv_of_a_request_is_the_transaction_of_what_it_caused(customer: Customer, hook: Webhook) -> None:
    """Every chat event says which request it came of; requests that cause nothing are told of nowhere."""
    ann, bob = customer.person(), customer.person()
    vectors: list[str] = []

    def note(answer: Any) -> None:
        vectors.append(answer.http_response.headers["MS-CV"])

    guest = ChatParticipant(identifier=bob.identifier, display_name="Bob")
    made = ann.chat.create_chat_thread("Lunch", thread_participants=[guest], raw_response_hook=note)
    thread = ann.thread(made.chat_thread.id)
    message = thread.send_message("Where?", raw_response_hook=note).id
    thread.update_message(message, content="Where to?", raw_response_hook=note)
    thread.get_message(message, raw_response_hook=note)
    customer.settle()
    caused = {event["data"]["transactionId"]: event["data"] for event in hook.events()}
    assert set(caused) == set(vectors[:3])
    assert caused[vectors[1]]["messageId"] == caused[vectors[2]]["messageId"] == message


def test_the_id_of_a_text_message_is_in_the_result_and_in_its_report(customer: Customer, hook: Webhook) -> None:
    """Of the event both the id and the MessageId."""
    sms = SmsClient.from_connection_string(customer.connection_string, **customer.options)
    with closing(sms._sms_service_client):
        (sent,) = sms.send(from_=NUMBER, to=[MOBILE], message="hello", enable_delivery_report=True)
    (report,) = hook.wait(1, "SMSDeliveryReportReceived")
    assert sent.message_id == report["id"] == report["data"]["MessageId"]


def test_the_ids_of_tenant_and_resource_are_in_the_connection(customer: Customer) -> None:
    """What `trunkline connection --json` prints; users' ids begin with the resource's."""
    server = customer.served
    server.house.place = Place(http=server.connection.http, https=server.url, ca_file=server.connection.ca_file)
    shown = server.house.connection(customer.resource)
    guid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    for one in (shown.tenant_id, shown.subscription_id, shown.immutable_resource_id):
        assert re.fullmatch(guid, one)
    assert shown.resource_id == customer.id
    person = customer.person()
    assert person.id.startswith(f"8:acs:{shown.immutable_resource_id}_")


def test_every_python_snippet_of_the_page_runs(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    """In their order, with the variables that `trunkline connection` prints; each shows vectors that were measured."""
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("CONNECTION_STRING", customer.connection_string)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", customer.served.connection.ca_file)
    caplog.set_level(logging.INFO, logger="azure")  # the first snippet sets it: it is set back afterwards
    names: dict[str, Any] = {}
    told = []
    for number, snippet in enumerate(snippets):
        caplog.clear()
        exec(compile(snippet, f"{PAGE.name} snippet {number}", "exec"), names)  # noqa: S102 - it is our own page
        told.append((capsys.readouterr().out, log_of(caplog)))
    for client in (names["identity"]._identity_service_client, names["sms"]._sms_service_client):
        client.close()
    operations = [
        [one[0] for one in measured(customer, *dict.fromkeys(map(re.Match.group, VECTOR.finditer("".join(texts)))))]
        for texts in told[:4]
    ]
    assert operations == [
        ["CreateIdentity", "CreateChatThread"],
        ["DeleteChatThread", "CreateChatThread"],
        ["CreateChatThread", "SendChatMessage"],
        ["DeleteChatThread"],
    ]
    assert re.fullmatch(r"\+14255550123 202 Outgoing_\d{14}[0-9a-f-]{36} None\n", told[4][0])
    assert len(told) == 5
