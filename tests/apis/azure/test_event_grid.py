"""Event subscriptions through the resource manager's paths."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.apis.azure.receiver import Receiver
from tests.apis.azure.world import SUBSCRIPTION, Answer, World
from trunkline.apis.azure.event_grid import read_name_filter
from trunkline.errors import InvalidError

TYPE = "Microsoft.Communication.ChatMessageReceived"


@pytest.fixture
def receiver(world: World) -> Iterator[Receiver]:
    """Start a webhook that agrees until it is told otherwise."""
    found = Receiver()
    world.runner.run(found.start())
    yield found
    world.runner.run(found.stop())


def path(world: World, name: str = "es1", tail: str = "") -> str:
    """Return the path of a subscription."""
    return f"{world.id}/providers/Microsoft.EventGrid/eventSubscriptions/{name}{tail}"


def body(url: str, **properties: Any) -> dict[str, Any]:
    """Return the body of a PUT."""
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    return {"properties": {"destination": destination, **properties}}


def put(world: World, url: str, name: str = "es1", **properties: Any) -> Answer:
    """Put a subscription."""
    return world.call("PUT", path(world, name), body(url, **properties))


def error(answer: Answer) -> tuple[int, str, str]:
    """Return an answer's status, code and message."""
    found = answer.json["error"]
    return answer.status, found["code"], found["message"]


def poll(world: World, answer: Answer) -> Answer:
    """Ask how the operation of an answer stands."""
    parts = urlsplit(answer.headers["azure-asyncoperation"])
    assert (parts.scheme, parts.netloc) == ("https", "localhost:8443")
    return world.get(f"{parts.path}?{parts.query}")


def test_a_webhook_that_agrees_is_subscribed_at_once(world: World, receiver: Receiver) -> None:
    """201 with Succeeded and nothing to poll; the answer has every default filled in."""
    answer = put(world, receiver.base + "/hook?code=secret")
    assert answer.status == 201
    assert "azure-asyncoperation" not in answer.headers
    found = answer.json
    types = found["properties"]["filter"].pop("includedEventTypes")
    assert TYPE in types
    assert "Microsoft.Communication.ChatMemberAddedToThreadWithUser" not in types
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Main-Group/providers"
    assert found == {
        "properties": {
            "topic": f"{group}/microsoft.communication/communicationservices/contoso",
            "provisioningState": "Succeeded",
            "destination": {
                "endpointType": "WebHook",
                "properties": {
                    "endpointUrl": None,
                    "endpointBaseUrl": receiver.base + "/hook",
                    "maxEventsPerBatch": 1,
                    "preferredBatchSizeInKilobytes": 64,
                },
            },
            "filter": {"subjectBeginsWith": "", "subjectEndsWith": ""},
            "labels": None,
            "eventDeliverySchema": "EventGridSchema",
            "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        },
        "systemData": None,
        "id": path(world),
        "name": "es1",
        "type": "Microsoft.EventGrid/eventSubscriptions",
    }
    read = world.get(path(world))
    assert (read.status, read.json["properties"]["provisioningState"]) == (200, "Succeeded")


def test_everything_that_is_put_is_read_again(world: World, receiver: Receiver) -> None:
    """Filters, batching, labels, policy, schema and expiration come back as they were given."""
    given: dict[str, Any] = {
        "filter": {
            "subjectBeginsWith": "thread/",
            "subjectEndsWith": "x",
            "includedEventTypes": [TYPE],
            "isSubjectCaseSensitive": True,
            "enableAdvancedFilteringOnArrays": True,
            "advancedFilters": [
                {"operatorType": "StringIn", "key": "data.senderId", "values": ["a", "b"]},
                {"operatorType": "NumberInRange", "key": "data.version", "values": [[1.0, 5.0]]},
                {"operatorType": "BoolEquals", "key": "data.b", "value": True},
                {"operatorType": "IsNotNull", "key": "data.c"},
            ],
        },
        "labels": ["a", "b"],
        "eventDeliverySchema": "CloudEventSchemaV1_0",
        "retryPolicy": {"maxDeliveryAttempts": 5, "eventTimeToLiveInMinutes": 60},
        "expirationTimeUtc": "2027-01-01T00:00:00.000Z",
    }
    assert put(world, receiver.base, **given).status == 201
    assert receiver.requests[0][0] == "OPTIONS"
    properties = world.get(path(world)).json["properties"]
    assert {name: properties[name] for name in given} == given


def test_secrets_are_hidden(world: World, receiver: Receiver) -> None:
    """A secret attribute and the query of the address are told only by the actions for them, and only to writers."""
    mappings = [
        {"name": "X-Secret", "type": "Static", "properties": {"value": "hush", "isSecret": True}},
        {"name": "X-Open", "type": "Static", "properties": {"value": "open", "isSecret": False}},
        {"name": "X-Dyn", "type": "Dynamic", "properties": {"sourceField": "data.threadId"}},
    ]
    given = body(receiver.base + "/?code=hush")
    given["properties"]["destination"]["properties"]["deliveryAttributeMappings"] = mappings
    answer = world.call("PUT", path(world), given)
    assert answer.status == 201
    for seen in (answer, world.get(path(world))):
        assert b"hush" not in seen.body
        shown = seen.json["properties"]["destination"]["properties"]["deliveryAttributeMappings"]
        assert shown[0]["properties"] == {"value": "Hidden", "isSecret": True}
        assert shown[1:] == mappings[1:]
    assert world.call("POST", path(world, tail="/getFullUrl")).json == {"endpointUrl": receiver.base + "/?code=hush"}
    assert world.call("POST", path(world, tail="/getDeliveryAttributes")).json == {"value": mappings}
    reader = world.keyring.mint("reader")[0]
    for tail in ("/getFullUrl", "/getDeliveryAttributes"):
        assert world.call("POST", path(world, tail=tail), bearer=reader).status == 403


def test_a_patch_keeps_what_it_does_not_name(world: World, receiver: Receiver) -> None:
    """The members stand at the top; a missing address, a hidden secret and null members stay as they are."""
    given = body(receiver.base + "/?code=1", labels=["a"], filter={"subjectBeginsWith": "thread/"})
    mapping = {"name": "X-Secret", "type": "Static", "properties": {"value": "hush", "isSecret": True}}
    given["properties"]["destination"]["properties"]["deliveryAttributeMappings"] = [mapping]
    world.call("PUT", path(world), given)
    read = world.get(path(world)).json["properties"]
    read["destination"]["properties"]["maxEventsPerBatch"] = 10
    answer = world.call(
        "PATCH",
        path(world),
        {"destination": read["destination"], "filter": {**read["filter"], "subjectEndsWith": "z"}, "labels": None},
    )
    assert answer.status == 201
    assert answer.json["properties"]["provisioningState"] == "Succeeded"
    assert answer.json["properties"]["labels"] == ["a"]
    one = world.subscriptions.get("contoso", "es1")
    assert one.spec.url == receiver.base + "/?code=1"
    assert one.spec.most_events == 10
    assert one.spec.headers[0].value == "hush"
    assert (one.spec.filter.subject_begins, one.spec.filter.subject_ends, one.spec.filter.types) == ("thread/", "z", ())
    assert len(receiver.requests) == 1


def test_a_webhook_that_takes_its_time_is_polled(world: World, receiver: Receiver) -> None:
    """The answer is Creating with an operation to ask; it ends when the webhook has agreed."""
    receiver.mode = "wait"
    answer = put(world, receiver.base)
    assert (answer.status, answer.json["properties"]["provisioningState"]) == (201, "Creating")
    assert answer.headers["retry-after"] == "1"
    told = poll(world, answer)
    assert (told.status, told.json["status"], told.headers["retry-after"]) == (200, "InProgress", "1")
    receiver.mode = "agree"
    receiver.released.set()
    world.runner.run(world.subscriptions.settled("contoso", "es1"))
    told = poll(world, answer)
    assert told.json["status"] == "Succeeded"
    assert "retry-after" not in told.headers
    assert told.json["name"] == told.json["id"].rpartition("/")[2]


def test_a_webhook_that_refuses_fails_with_the_reason(world: World, receiver: Receiver) -> None:
    """The operation tells it as tools know it; the address stands there without its query."""
    receiver.mode = "refuse"
    answer = put(world, receiver.base + "/hook?code=hush")
    assert (answer.status, answer.json["properties"]["provisioningState"]) == (201, "Creating")
    told = poll(world, answer).json
    assert told["status"] == "Failed"
    assert told["error"]["code"] == "Url validation"
    assert told["error"]["message"].startswith(
        f"Webhook validation handshake failed for {receiver.base}/hook. Http POST request failed with response code "
    )
    assert world.get(path(world)).json["properties"]["provisioningState"] == "Failed"


def test_a_change_that_is_refused_leaves_what_was(world: World, receiver: Receiver) -> None:
    """The new address does not agree: the operation fails, and events go on to the old one."""
    put(world, receiver.base)
    receiver.mode = "refuse"
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": receiver.base + "/new"}}
    answer = world.call("PATCH", path(world), {"destination": destination})
    assert (answer.status, answer.json["properties"]["provisioningState"]) == (201, "Updating")
    assert poll(world, answer).json["status"] == "Failed"
    read = world.get(path(world)).json["properties"]
    assert read["provisioningState"] == "Succeeded"
    assert read["destination"]["properties"]["endpointBaseUrl"] == receiver.base


def test_a_webhook_can_be_confirmed_by_hand(world: World, receiver: Receiver) -> None:
    """Who reads the validation address from the invitation and opens it, needs no bearer."""
    receiver.mode = "silent"
    answer = put(world, receiver.base)
    assert world.get(path(world)).json["properties"]["provisioningState"] == "AwaitingManualAction"
    assert poll(world, answer).json["status"] == "InProgress"
    confirmation = urlsplit(receiver.invitation["validationUrl"])
    assert confirmation.path == "/eventsubscriptions/es1/validate"
    target = f"{confirmation.path}?{confirmation.query}"
    code = receiver.invitation["validationCode"]
    wrong = world.runner.run(world._call("GET", target.replace(code, code[::-1] + "0"), None, {}, None))
    stranger = world.runner.run(world._call("GET", target.replace("es1", "es2"), None, {}, None))
    assert wrong.status == stranger.status == 403
    assert wrong.json == stranger.json
    assert world.runner.run(world._call("GET", target, None, {}, None)).status == 200
    assert world.get(path(world)).json["properties"]["provisioningState"] == "Succeeded"
    assert poll(world, answer).json["status"] == "Succeeded"


def test_a_webhook_is_confirmed_in_ten_minutes_or_not_at_all(world: World, receiver: Receiver) -> None:
    """After the window the operation has failed and the code is worth nothing."""
    receiver.mode = "silent"
    answer = put(world, receiver.base)
    confirmation = urlsplit(receiver.invitation["validationUrl"])

    async def later() -> None:
        world.clock.advance(601)
        await asyncio.wait(set(world.subscriptions._handshakes.values()))

    world.runner.run(later())
    assert poll(world, answer).json["status"] == "Failed"
    target = f"{confirmation.path}?{confirmation.query}"
    assert world.runner.run(world._call("POST", target, None, {}, None)).status == 409


def test_a_subscription_is_deleted(world: World, receiver: Receiver) -> None:
    """200 when there was one, 204 when there was none."""
    put(world, receiver.base)
    assert world.call("DELETE", path(world)).status == 200
    assert error(world.get(path(world)))[:2] == (404, "ResourceNotFound")
    assert world.call("DELETE", path(world)).status == 204
    assert error(world.call("PATCH", path(world), {}))[0] == 404


def test_the_subscriptions_of_a_resource_are_listed_in_pages(world: World, receiver: Receiver) -> None:
    """The link leads to the next page, filters are kept."""
    for place in range(5):
        put(world, receiver.base, name=f"es-{place}")
    put(world, receiver.base, name="another")
    base = f"{world.id}/providers/Microsoft.EventGrid/eventSubscriptions"
    assert [one["name"] for one in world.get(base).json["value"]] == ["another", *(f"es-{p}" for p in range(5))]
    assert world.get(base).json["nextLink"] is None
    names, target = [], f"{base}?$filter=contains(name,%20'ES-') and name ne 'es-2'&$top=2"
    while target:
        page = world.get(target).json
        assert len(page["value"]) <= 2
        names += [one["name"] for one in page["value"]]
        target = (page["nextLink"] or "").removeprefix("https://localhost:8443")
    assert names == ["es-0", "es-1", "es-3", "es-4"]


def test_names_are_told_apart_without_regard_to_case(world: World, receiver: Receiver) -> None:
    """A path matches in any case; the name stays as it was given first."""
    put(world, receiver.base, name="MyHook")
    target = path(world, "myhook").upper().replace("/PROVIDERS/MICROSOFT.EVENTGRID", "/providers/microsoft.EventGrid")
    assert world.get(target).json["name"] == "MyHook"


def test_a_reader_changes_nothing(world: World, receiver: Receiver) -> None:
    """Writes need contributor or owner; reading is free for any role."""
    reader, contributor = (world.keyring.mint(role)[0] for role in ("reader", "contributor"))
    assert world.call("PUT", path(world), body(receiver.base), bearer=contributor).status == 201
    for method in ("PUT", "PATCH", "DELETE"):
        answer = world.call(method, path(world), body(receiver.base), bearer=reader)
        assert error(answer)[:2] == (403, "AuthorizationFailed")
    assert world.get(path(world), bearer=reader).status == 200


def test_an_operation_is_told_to_who_may_see_the_resource(world: World, receiver: Receiver) -> None:
    """A bearer for another resource, or another subscription's path, does not find it."""
    receiver.mode = "refuse"
    answer = put(world, receiver.base)
    parts = urlsplit(answer.headers["azure-asyncoperation"])
    world.runner.run(world.resources.create("fabrikam"))
    stranger = world.keyring.mint("owner", resource="fabrikam", life=timedelta(hours=1))[0]
    assert world.get(parts.path, bearer=stranger).status == 404
    assert world.get(parts.path.replace(SUBSCRIPTION, "other")).status == 404
    assert world.get(parts.path).status == 200


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"destination": {"endpointType": "StorageQueue", "properties": {"resourceId": "x"}}}, "StorageQueue"),
        ({"destination": {"endpointType": "EventHub", "properties": {"resourceId": "x"}}}, "EventHub"),
        ({"deadLetterDestination": {"endpointType": "StorageBlob", "properties": {}}}, "dead-letter"),
        ({"deliveryWithResourceIdentity": {"identity": {"type": "SystemAssigned"}}}, "identity"),
    ],
)
def test_what_is_not_served_says_so(world: World, receiver: Receiver, properties: dict[str, Any], told: str) -> None:
    """501 in the resource manager's body, and nothing is stored."""
    given = body(receiver.base)
    given["properties"].update(properties)
    status, code, message = error(world.call("PUT", path(world), given))
    assert (status, code) == (501, "NotImplemented")
    assert told in message
    assert world.get(path(world)).status == 404


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://example.com", "http://169.254.169.254/latest"])
def test_an_address_that_is_none_is_refused_in_the_services_words(world: World, url: str) -> None:
    """Tools look for the sentence."""
    status, code, message = error(put(world, url))
    assert (status, code) == (400, "InvalidRequest")
    assert message.startswith("Invalid event subscription request: Supplied URL is invalid. It cannot be null or ")


@pytest.mark.parametrize(
    "properties",
    [
        {"eventDeliverySchema": "CustomInputSchema"},
        {"expirationTimeUtc": "soon"},
        {"expirationTimeUtc": "2020-01-01T00:00:00Z"},
        {"retryPolicy": {"maxDeliveryAttempts": 31}},
        {"filter": {"advancedFilters": [{"operatorType": "StringLike", "key": "data.x", "values": ["a"]}]}},
        {"filter": {"advancedFilters": [{"operatorType": "NumberLessThan", "key": "data.x"}]}},
        {"filter": {"advancedFilters": [{"operatorType": "StringIn", "key": "data.x", "values": [{}]}]}},
        {"filter": {"includedEventTypes": "all"}},
        {"filter": {"includedEventTypes": ["Microsoft.Communication.ChatMesageReceived"]}},
        {"labels": [1]},
    ],
)
def test_a_body_that_makes_no_sense_is_refused(world: World, receiver: Receiver, properties: dict[str, Any]) -> None:
    """400 InvalidRequest with a sentence; nothing is stored and nobody is asked."""
    status, code, message = error(put(world, receiver.base, **properties))
    assert (status, code) == (400, "InvalidRequest")
    assert message
    assert receiver.requests == []
    assert world.get(path(world)).status == 404


def test_a_name_has_its_form(world: World, receiver: Receiver) -> None:
    """3 to 64 letters, digits and hyphens."""
    assert error(put(world, receiver.base, name="ab"))[:2] == (400, "InvalidRequest")
    assert error(put(world, receiver.base, name="a_b_c"))[:2] == (400, "InvalidRequest")


def test_a_filter_of_names_is_read(world: World) -> None:
    """contains, eq and ne, joined by and; anything else is refused."""
    assert read_name_filter("")("x")
    assert read_name_filter("contains(name, 'A')")("xay")
    assert not read_name_filter("contains(namE,'a') and name ne 'XAY'")("xay")
    for text in ("name gt 'a'", "name eq 'a' or name eq 'b'", "name eq 'a' and ", "name eq 'a' name eq 'b'"):
        with pytest.raises(InvalidError):
            read_name_filter(text)
