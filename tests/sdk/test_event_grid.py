"""Event subscriptions with Microsoft's own management client, over TLS, and a real webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from azure.communication.chat import ChatParticipant
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.mgmt.eventgrid import models
from azure.mgmt.eventgrid.aio import EventGridManagementClient as AsyncEventGridManagementClient

from tests.support.customer import Bearer, Customer, Person, visiting
from tests.support.webhook import Webhook, webhook
from trunkline.library.served import Server

PREFIX = "Microsoft.Communication."
RECEIVED = "ChatMessageReceived"
IN_THREAD = "ChatMessageReceivedInThread"


@pytest.fixture(scope="module")
def customer(served: Server) -> Iterator[Customer]:
    """Someone with a resource of their own."""
    with visiting(served, "grid-customer") as one:
        yield one


@pytest.fixture(scope="module")
def people(customer: Customer) -> tuple[Person, Person]:
    """Two users of the resource."""
    return customer.person(), customer.person()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a webhook that agrees."""
    with webhook() as one:
        yield one


@pytest.fixture
def subscriptions(customer: Customer) -> Iterator[Any]:
    """Give the client's operations; what a test has subscribed is gone afterwards."""
    operations = customer.grid().event_subscriptions
    yield operations
    for one in list(everything(customer, operations)):
        operations.begin_delete(customer.id, one.name).result()


def everything(customer: Customer, operations: Any, **given: Any) -> Any:
    """List the subscriptions of the customer's resource."""
    return operations.list_by_resource(
        customer.resource.resource_group,
        "Microsoft.Communication",
        "communicationServices",
        customer.resource.name,
        **given,
    )


def wanting(hook: Webhook, *types: str, **given: Any) -> models.EventSubscription:
    """Describe a subscription of a webhook to some types."""
    wanted = models.EventSubscriptionFilter(
        included_event_types=[PREFIX + name for name in types] or None, **given.pop("filter", {})
    )
    destination = models.WebHookEventSubscriptionDestination(
        endpoint_url=given.pop("url", hook.url), **given.pop("destination", {})
    )
    return models.EventSubscription(destination=destination, filter=wanted, **given)


def test_a_webhook_is_asked_and_then_subscribed(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """The handshake comes first; the answer shows what was asked for, but no secret of the address."""
    created = subscriptions.begin_create_or_update(
        customer.id, "orders", wanting(hook, IN_THREAD, labels=["shop"])
    ).result()
    (asked,) = hook.heard()
    assert (asked.method, asked.kind, asked.target) == ("POST", "SubscriptionValidation", "/hook?code=opensesame")
    assert asked.headers["aeg-subscription-name"] == "ORDERS"
    assert [event["eventType"] for event in asked.body] == ["Microsoft.EventGrid.SubscriptionValidationEvent"]
    for one in (created, subscriptions.get(customer.id, "orders")):
        assert one.provisioning_state == "Succeeded"
        assert one.id == f"{customer.id}/providers/Microsoft.EventGrid/eventSubscriptions/orders"
        assert one.topic.lower() == customer.id.lower()
        assert one.topic.endswith("/microsoft.communication/communicationservices/grid-customer")
        assert (one.destination.endpoint_url, one.destination.endpoint_base_url) == (None, f"{hook.base}/hook")
        assert one.filter.included_event_types == [PREFIX + IN_THREAD]
        assert (one.labels, one.event_delivery_schema) == (["shop"], "EventGridSchema")
        assert (one.retry_policy.max_delivery_attempts, one.retry_policy.event_time_to_live_in_minutes) == (30, 1440)
    assert subscriptions.get_full_url(customer.id, "orders").endpoint_url == hook.url


def test_no_type_named_means_every_type(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """The answer lists them; the preview's two names are not among them."""
    subscriptions.begin_create_or_update(customer.id, "all", wanting(hook)).result()
    shown = subscriptions.get(customer.id, "all").filter.included_event_types
    assert {PREFIX + RECEIVED, PREFIX + IN_THREAD, PREFIX + "ChatThreadParticipantAdded"} <= set(shown)
    assert not [name for name in shown if "ChatMember" in name]


def test_secret_headers_are_hidden_and_still_sent(
    customer: Customer, subscriptions: Any, hook: Webhook, people: tuple[Person, Person]
) -> None:
    """Only getDeliveryAttributes shows them; a change that says Hidden keeps them."""
    headers = [
        models.StaticDeliveryAttributeMapping(name="X-Secret", value="hush", is_secret=True),
        models.StaticDeliveryAttributeMapping(name="X-Plain", value="open", is_secret=False),
        models.DynamicDeliveryAttributeMapping(name="X-Thread", source_field="data.threadId"),
    ]
    info = wanting(hook, IN_THREAD, destination={"delivery_attribute_mappings": headers})
    subscriptions.begin_create_or_update(customer.id, "headers", info).result()
    shown = subscriptions.get(customer.id, "headers").destination
    assert [getattr(one, "value", None) for one in shown.delivery_attribute_mappings] == ["Hidden", "open", None]
    shown.endpoint_url = hook.url
    change = models.EventSubscriptionUpdateParameters(destination=shown)
    subscriptions.begin_update(customer.id, "headers", change).result()
    revealed = subscriptions.get_delivery_attributes(customer.id, "headers").value
    assert [(one.name, getattr(one, "value", None)) for one in revealed] == [
        ("X-Secret", "hush"),
        ("X-Plain", "open"),
        ("X-Thread", None),
    ]
    ann, _ = people
    thread_id = ann.chat.create_chat_thread("topic").chat_thread.id
    ann.thread(thread_id).send_message("hello")
    sent = hook.wait_for("Notification")
    assert (sent.headers["x-secret"], sent.headers["x-plain"], sent.headers["x-thread"]) == ("hush", "open", thread_id)


def test_a_change_touches_only_what_it_names(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """Labels change, the address and the filter stay, and nobody is asked again; a new address is asked."""
    subscriptions.begin_create_or_update(customer.id, "changing", wanting(hook, IN_THREAD, labels=["a"])).result()
    change = models.EventSubscriptionUpdateParameters(labels=["b", "c"])
    changed = subscriptions.begin_update(customer.id, "changing", change).result()
    assert (changed.provisioning_state, changed.labels) == ("Succeeded", ["b", "c"])
    assert changed.filter.included_event_types == [PREFIX + IN_THREAD]
    assert subscriptions.get_full_url(customer.id, "changing").endpoint_url == hook.url
    assert len(hook.heard()) == 1
    elsewhere = models.WebHookEventSubscriptionDestination(endpoint_url=f"{hook.base}/elsewhere")
    change = models.EventSubscriptionUpdateParameters(destination=elsewhere)
    subscriptions.begin_update(customer.id, "changing", change).result()
    assert [one.target for one in hook.heard()] == ["/hook?code=opensesame", "/elsewhere"]
    assert subscriptions.get_full_url(customer.id, "changing").endpoint_url == f"{hook.base}/elsewhere"


def test_subscriptions_are_listed_in_pages(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """By name, each once, whatever the size of a page; a filter on the name holds."""
    for name in ("list-c", "list-a", "list-b"):
        subscriptions.begin_create_or_update(customer.id, name, wanting(hook)).result()
    assert [one.name for one in everything(customer, subscriptions)] == ["list-a", "list-b", "list-c"]
    pages = [[one.name for one in page] for page in everything(customer, subscriptions, top=2).by_page()]
    assert pages == [["list-a", "list-b"], ["list-c"]]
    chosen = everything(customer, subscriptions, filter="contains(name, 'B')")
    assert [one.name for one in chosen] == ["list-b"]


def test_deleting_while_listing_leaves_no_gap(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """A page goes on after the last name of the page before, however many are left."""
    for name in ("list-a", "list-b", "list-c", "list-d", "list-e"):
        subscriptions.begin_create_or_update(customer.id, name, wanting(hook)).result()
    for one in everything(customer, subscriptions, top=2):
        subscriptions.begin_delete(customer.id, one.name).result()
    assert [one.name for one in everything(customer, subscriptions)] == []


def test_a_webhook_that_refuses_makes_the_client_raise(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """With Event Grid's code and words; what failed gets no events, and is shown as failed."""
    hook.refuses = True
    with pytest.raises(HttpResponseError, match="Webhook validation handshake failed") as refused:
        subscriptions.begin_create_or_update(customer.id, "refused", wanting(hook)).result()
    assert refused.value.error.code == "Url validation"
    assert subscriptions.get(customer.id, "refused").provisioning_state == "Failed"


def test_an_address_that_refuses_leaves_the_old_one_working(
    customer: Customer, subscriptions: Any, hook: Webhook, people: tuple[Person, Person]
) -> None:
    """A change that fails changes nothing."""
    subscriptions.begin_create_or_update(customer.id, "steady", wanting(hook, IN_THREAD)).result()
    with webhook() as other:
        other.refuses = True
        destination = models.WebHookEventSubscriptionDestination(endpoint_url=other.url)
        change = models.EventSubscriptionUpdateParameters(destination=destination)
        with pytest.raises(HttpResponseError):
            subscriptions.begin_update(customer.id, "steady", change).result()
    assert subscriptions.get_full_url(customer.id, "steady").endpoint_url == hook.url
    ann, _ = people
    ann.thread(ann.chat.create_chat_thread("topic").chat_thread.id).send_message("still here")
    assert hook.wait(1)[0]["data"]["messageBody"] == "still here"


def test_cloudevents_are_agreed_by_options_and_come_one_by_one(
    customer: Customer, subscriptions: Any, hook: Webhook, people: tuple[Person, Person]
) -> None:
    """No validation event is sent; a delivery is one object in CloudEvents' words."""
    info = wanting(hook, IN_THREAD, event_delivery_schema="CloudEventSchemaV1_0")
    created = subscriptions.begin_create_or_update(customer.id, "clouds", info).result()
    assert (created.provisioning_state, created.event_delivery_schema) == ("Succeeded", "CloudEventSchemaV1_0")
    (asked,) = hook.heard()
    assert (asked.method, asked.headers["webhook-request-origin"]) == ("OPTIONS", "eventgrid.azure.net")
    ann, _ = people
    thread_id = ann.chat.create_chat_thread("topic").chat_thread.id
    ann.thread(thread_id).send_message("hello")
    sent = hook.wait_for("Notification")
    assert sent.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert set(sent.body) == {"id", "source", "subject", "data", "type", "time", "specversion"}
    assert (sent.body["type"], sent.body["source"], sent.body["specversion"]) == (
        PREFIX + IN_THREAD,
        customer.id,
        "1.0",
    )
    assert sent.body["subject"] == f"thread/{thread_id}/sender/{ann.id}"


def test_filters_choose_by_type_subject_and_content(
    customer: Customer, subscriptions: Any, hook: Webhook, people: tuple[Person, Person]
) -> None:
    """Each subscription hears its part of the same conversation, and nothing else."""
    ann, bob = people
    thread_id = ann.chat.create_chat_thread(
        "topic", thread_participants=[ChatParticipant(identifier=bob.identifier)]
    ).chat_thread.id
    prefix = {"subject_begins_with": f"thread/{thread_id}/sender/{ann.id}"}
    slash = {"subject_begins_with": f"/THREAD/{thread_id}/sender/{bob.id}"}
    suffix = {"subject_ends_with": f"recipient/{bob.id}"}
    strict = {"subject_begins_with": f"THREAD/{thread_id}", "is_subject_case_sensitive": True}
    content = {"advanced_filters": [models.StringInAdvancedFilter(key="data.messageBody", values=["THREE", "four"])]}
    wanted = {
        "type-only": ((IN_THREAD,), {}),
        "by-prefix": ((RECEIVED, IN_THREAD), prefix),
        "by-slash": ((IN_THREAD,), slash),
        "by-suffix": ((), suffix),
        "by-case": ((), strict),
        "by-content": ((IN_THREAD,), content),
    }
    for name, (types, chosen) in wanted.items():
        info = wanting(hook, *types, url=f"{hook.base}/{name}", filter=chosen)
        subscriptions.begin_create_or_update(customer.id, name, info).result()
    hers, his = ann.thread(thread_id), bob.thread(thread_id)
    for sender, text in ((hers, "one"), (his, "two"), (hers, "three")):
        sender.send_message(text)
    ann.thread(ann.chat.create_chat_thread("other").chat_thread.id).send_message("four")
    customer.settle()

    def told(name: str) -> list[tuple[str, str]]:
        return sorted(
            (event["eventType"].removeprefix(PREFIX), event["data"]["messageBody"])
            for event in hook.events(target=f"/{name}")
        )

    assert told("type-only") == [(IN_THREAD, text) for text in ("four", "one", "three", "two")]
    assert told("by-prefix") == [(name, text) for name in (RECEIVED, IN_THREAD) for text in ("one", "three")]
    assert told("by-slash") == [(IN_THREAD, "two")]
    assert told("by-suffix") == [(RECEIVED, "one"), (RECEIVED, "three")]
    assert told("by-content") == [(IN_THREAD, "four"), (IN_THREAD, "three")]
    assert told("by-case") == []


def test_a_deleted_subscription_is_told_so_and_hears_no_more(
    customer: Customer, subscriptions: Any, hook: Webhook, people: tuple[Person, Person]
) -> None:
    """Deleting twice is fine; one that is not there cannot be read."""
    for name in ("leaving", "staying"):
        subscriptions.begin_create_or_update(
            customer.id, name, wanting(hook, IN_THREAD, url=f"{hook.base}/{name}")
        ).result()
    subscriptions.begin_delete(customer.id, "leaving").result()
    subscriptions.begin_delete(customer.id, "leaving").result()
    farewell = hook.wait_for("SubscriptionDeletion", "/leaving")
    assert farewell.body[0]["data"] == {
        "eventSubscriptionId": f"{customer.id}/providers/Microsoft.EventGrid/eventSubscriptions/leaving"
    }
    with pytest.raises(ResourceNotFoundError):
        subscriptions.get(customer.id, "leaving")
    ann, _ = people
    ann.thread(ann.chat.create_chat_thread("topic").chat_thread.id).send_message("who is there?")
    customer.settle()
    assert len(hook.events(target="/staying")) == 1
    assert hook.events(target="/leaving") == []


def test_what_nobody_can_serve_is_refused_in_azure_s_words(
    customer: Customer, subscriptions: Any, hook: Webhook
) -> None:
    """A resource that is not there, a name that is none, a filter too long, a destination that is no webhook."""
    elsewhere = customer.id.replace("grid-customer", "nobody")
    with pytest.raises(ResourceNotFoundError) as missing:
        subscriptions.begin_create_or_update(elsewhere, "orders", wanting(hook)).result()
    assert missing.value.error.code == "ResourceNotFound"
    many = [models.StringInAdvancedFilter(key="subject", values=[str(number) for number in range(26)])]
    queue = models.StorageQueueEventSubscriptionDestination(resource_id=customer.id, queue_name="events")
    for name, info, status in (
        ("no_name", wanting(hook), 400),
        ("too-many", wanting(hook, filter={"advanced_filters": many}), 400),
        ("queue", models.EventSubscription(destination=queue), 501),
    ):
        with pytest.raises(HttpResponseError) as refused:
            subscriptions.begin_create_or_update(customer.id, name, info).result()
        assert refused.value.status_code == status
        assert refused.value.error.code
    assert hook.heard() == []


def test_roles_are_kept(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """A reader reads but neither changes nor sees secrets; a bearer for one resource sees no other."""
    subscriptions.begin_create_or_update(customer.id, "roles", wanting(hook)).result()
    keyring = customer.served.house.keyring
    reader = customer.grid(keyring.mint("reader")[0]).event_subscriptions
    assert reader.get(customer.id, "roles").name == "roles"
    for forbidden in (reader.get_full_url, reader.get_delivery_attributes, reader.begin_delete):
        with pytest.raises(HttpResponseError) as refused:
            forbidden(customer.id, "roles")
        assert (refused.value.status_code, refused.value.error.code) == (403, "AuthorizationFailed")
    stranger = customer.grid(
        keyring.mint("owner", resource=customer.served.house.resources.default)[0]
    ).event_subscriptions
    with pytest.raises(HttpResponseError) as refused:
        stranger.get(customer.id, "roles")
    assert refused.value.status_code == 403
    ended = customer.grid(keyring.sign({"iss": "trunkline", "roles": ["owner"], "exp": 1})).event_subscriptions
    with pytest.raises(ClientAuthenticationError):
        ended.get(customer.id, "roles")


def test_the_asynchronous_client_does_the_same(customer: Customer, subscriptions: Any, hook: Webhook) -> None:
    """Created, read, listed, deleted."""

    class AsyncBearer:
        """The same unsigned token, awaited."""

        async def get_token(self, *_scopes: str, **_given: Any) -> Any:
            """Return the token."""
            return Bearer().get_token()

    async def journey() -> None:
        async with AsyncEventGridManagementClient(
            AsyncBearer(),
            customer.resource.subscription_id,
            base_url=customer.served.url,
            credential_scopes=["https://example/.default"],
            **customer.options,
        ) as client:
            operations = client.event_subscriptions
            made = await operations.begin_create_or_update(customer.id, "later", wanting(hook, RECEIVED))
            assert (await made.result()).provisioning_state == "Succeeded"
            assert (await operations.get_full_url(customer.id, "later")).endpoint_url == hook.url
            assert [one.name async for one in everything(customer, operations)] == ["later"]
            await (await operations.begin_delete(customer.id, "later")).result()
            assert [one.name async for one in everything(customer, operations)] == []

    asyncio.run(journey())
