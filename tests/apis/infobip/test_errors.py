"""What is wrong is told in an ApiError: every violation at once, each with the property that it is of."""

from __future__ import annotations

import base64
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from tests.apis.infobip.conftest import QUERY, REQUESTS, SPAN, Client
from tests.support.asgi import Answer
from trunkline.services.access import Keyring

KEYS = ["errorCode", "description", "action", "violations", "resources"]


def violations(answer: Answer) -> dict[str, str]:
    """Return the violations of an answer that is an ApiError."""
    assert list(answer.json) == KEYS
    assert answer.json["errorCode"] == f"E{answer.status}"
    found = {one["property"]: one["violation"] for one in answer.json["violations"]}
    assert len(found) == len(answer.json["violations"])
    assert all(len(text) > 9 for text in found.values())
    return found


def asked(client: Client, request: Any, **more: Any) -> dict[str, str]:
    """Return what is wrong with a request."""
    answer = client.send("POST", QUERY, json={"request": request, **more})
    assert answer.status == 400, answer.body
    return violations(answer)


FILTER = {"channelCodes": ["VOICE_VIDEO"], **SPAN}
GOOD = {"filterBy": FILTER, "aggregateBy": [], "metrics": ["TOTAL_CALL_COUNT"]}
_F = "request.filterBy."


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        (b"", {"body"}),
        (b"{", {"body"}),
        (b"[]", {"body"}),
        (b"\xff", {"body"}),
        (
            b"{}",
            {
                "request",
                "request.filterBy",
                "request.aggregateBy",
                "request.metrics",
                f"{_F}sentSince",
                f"{_F}sentUntil",
                f"{_F}channelCodes",
            },
        ),
        (b'{"request": 7, "callbackUrl": 7, "more": 1}', None),
    ],
)
def test_a_body_that_is_none_is_told(client: Client, body: bytes, properties: set[str] | None) -> None:
    """With all that it lacks."""
    answer = client.send("POST", QUERY, body=body)
    assert answer.status == 400
    found = violations(answer)
    assert properties is None or set(found) == properties
    if properties is None:
        assert {"request", "callbackUrl", "more"} <= set(found)


@pytest.mark.parametrize(
    ("filters", "name", "words"),
    [
        ({"channelCodes": ["VOICE"]}, "channelCodes[0]", "VOICE_VIDEO"),
        ({"channelCodes": []}, "channelCodes", "must be given"),
        ({"channelCodes": [["SMS"]]}, "channelCodes[0]", "text"),
        ({"directions": ["OUT"]}, "directions[0]", "OUTBOUND"),
        ({"direction": "outbound"}, "direction", "OUTBOUND"),
        ({"direction": "INBOUND", "directions": ["INBOUND"]}, "directions", "the same filter as direction"),
        ({"capabilities": ["PHONES"]}, "capabilities[0]", "PHONE"),
        ({"statusGroups": ["REJECTED", "BAD"]}, "statusGroups[1]", "BAD"),
        ({"errorGroups": "NONE"}, "errorGroups", "NONE"),
        ({"countryIds": ["HR"]}, "countryIds[0]", "whole number"),
        ({"networkIds": [True]}, "networkIds[0]", "whole number"),
        ({"networkIds": [-1]}, "networkIds[0]", "whole number"),
        ({"communicationIds": [2**63]}, "communicationIds[0]", "whole number"),
        ({"communicationIds": [1.5]}, "communicationIds[0]", "whole number"),
        ({"senders": ["x" * 201]}, "senders[0]", "200"),
        ({"senders": ["x"] * 3 + [None]}, "senders[3]", "text"),
        ({"senders": [str(n) for n in range(1001)]}, "senders", "1000"),
        ({"timeToAnswer": ["SECONDS_1"]}, "timeToAnswer[0]", "from and to"),
        ({"timeToAnswer": [{"from": "SECONDS_6"}]}, "timeToAnswer[0].from", "SECONDS_5"),
        ({"timeToAnswer": [{"from": "SECONDS_5", "to": "SECONDS_5"}]}, "timeToAnswer[0]", "after"),
        ({"timeToAnswer": [{"until": "SECONDS_5"}]}, "timeToAnswer[0].until", "no such property"),
        ({"platforms": ["x"]}, "platforms[0]", "applicationId"),
        ({"platforms": [{"applicationId": 1}]}, "platforms[0]", "applicationId"),
        ({"platforms": [{"application": "x"}]}, "platforms[0].application", "applicationId"),
        ({"includeSubaccounts": "yes"}, "includeSubaccounts", "true or false"),
        ({"accountKeys": ["ABC"]}, "accountKeys[0]", "ask for"),
        ({"sentSince": "yesterday"}, "sentSince", "2025-06-01T00:00:00.000+0000"),
        ({"sentSince": 7}, "sentSince", "moment"),
        ({"sentSince": "1200-01-01T00:00:00Z"}, "sentSince", "1900"),
        ({"sentSince": SPAN["sentUntil"]}, "sentUntil", "after sentSince"),
        ({"sentUntil": None}, "sentUntil", "must be given"),
        ({"sendSince": SPAN["sentSince"]}, "sendSince", "sentSince"),
    ],
    ids=str,
)
def test_a_filter_that_is_wrong_is_told(client: Client, filters: Any, name: str, words: str) -> None:
    """By its path; names the nearest where a word is not known."""
    found = asked(client, {**GOOD, "filterBy": {**FILTER, **filters}})
    assert set(found) == {_F + name}
    assert words in found[_F + name]


@pytest.mark.parametrize(
    ("request_", "name", "words"),
    [
        ({"metrics": ["TOTAL_CALLS"]}, "request.metrics[0]", "TOTAL_CALL_COUNT"),
        ({"metrics": []}, "request.metrics", "At least one"),
        ({"metrics": [3]}, "request.metrics[0]", "name of a metric"),
        ({"aggregateBy": ["DAY", "DAYS"]}, "request.aggregateBy[1]", "DAY"),
        ({"aggregateBy": {"DAY": 1}}, "request.aggregateBy", "dimension"),
        ({"timeZone": "Mars/Phobos"}, "request.timeZone", "Europe/Zagreb"),
        ({"timeZone": 1}, "request.timeZone", "Europe/Zagreb"),
        ({"filter": {}}, "request.filter", "filterBy"),
    ],
    ids=str,
)
def test_a_request_that_is_wrong_is_told(client: Client, request_: Any, name: str, words: str) -> None:
    """By its path."""
    found = asked(client, {**GOOD, **request_})
    assert set(found) == {name}
    assert words in found[name]


@pytest.mark.parametrize("url", ["", "ftp://x/", "http://169.254.169.254/x", "http://a:b@c.example/", 7, "x" * 3000])
def test_an_address_that_nothing_is_sent_to_is_told(client: Client, url: Any) -> None:
    """By the guard that webhooks have."""
    assert set(asked(client, GOOD, callbackUrl=url)) == {"callbackUrl"}


def test_all_violations_are_told_at_once(client: Client) -> None:
    """One round is enough to put a query right."""
    request = {
        "filterBy": {"channelCodes": ["VOICE"], "directions": ["X"], "sentSince": "x", "colour": "red"},
        "aggregateBy": ["WEEKDAY"],
        "metrics": ["A", "B"],
        "timeZone": "x",
    }
    found = asked(client, request, callbackUrl="x")
    assert set(found) == {
        "callbackUrl",
        "request.timeZone",
        f"{_F}channelCodes[0]",
        f"{_F}directions[0]",
        f"{_F}sentSince",
        f"{_F}sentUntil",
        f"{_F}colour",
        "request.aggregateBy[0]",
        "request.metrics[0]",
        "request.metrics[1]",
    }


def test_a_span_of_too_many_steps_is_refused(client: Client) -> None:
    """Before anything is asked."""
    long = {"sentSince": "1950-01-01T00:00:00Z", "sentUntil": "2026-01-01T00:00:00Z"}
    found = asked(client, {**GOOD, "filterBy": {**FILTER, **long}, "aggregateBy": ["HOUR"]})
    assert "10000 steps" in found[f"{_F}sentUntil"]
    assert client.query(by=["DAY"], **{**long, "sentSince": "2000-01-01T00:00:00Z"}).status == 201


@pytest.mark.parametrize("path", ["ABC", "0" * 32, "x%2F..", "a" * 500])
@pytest.mark.parametrize("tail", ["", "/result"])
def test_a_query_that_nobody_put_is_not_found(client: Client, path: str, tail: str) -> None:
    """Named by the property that the original names."""
    answer = client.send("GET", f"{REQUESTS}{path}{tail}")
    assert answer.status == 404
    found = violations(answer)
    assert found["requestId"].startswith('Request with id "')
    assert found["requestId"].endswith('" not found')


def basic(name: str, password: str) -> str:
    """Write name and password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_each_carrier_lets_its_credentials_in(client: Client) -> None:
    """An app key, an API key, name and password, a minted bearer."""
    account, house = client.account, client.world.house
    bearer, _ = house.keyring.mint("reader", resource=account.name)
    _, read = client.world.run(house.api_keys.make("dashboards", "read", resource=account.name))
    good = [
        f"App {account.app_key}",
        f"app   {account.app_key}",
        f"App {account.api_key}",
        f"App {read}",
        f"Bearer {account.api_key}",
        f"Bearer {bearer}",
        f"Bearer {read}",
        f"IBSSO {bearer}",
        f"IBSSO {read}",
        basic(account.name, account.auth_token),
        basic(account.sid, account.auth_token),
        basic(account.name, account.app_key),
    ]
    for authorization in good:
        client.authorization = authorization
        answer = client.query()
        assert answer.status == 201, (authorization, answer.body)


def test_what_opens_nothing_is_refused(client: Client, keyring: Keyring) -> None:
    """With how to do better, and nothing of what was sent."""
    account = client.account
    wrong = [
        "",
        "App",
        "App x",
        f"Bearer {account.app_key}",
        f"IBSSO {account.app_key}",
        f"App {account.auth_token}",
        f"App {keyring.mint('owner')[0]}",
        "Basic !",
        basic("trunkline", ""),
        basic("nobody", "x"),
        basic(account.name, account.api_key),
        "Basic " + base64.b64encode(b"trunkline").decode(),
        "Digest x",
        "App " + "x" * 20_000,
    ]
    for authorization in wrong:
        client.authorization = authorization
        answer = client.query()
        assert answer.status == 401, authorization
        assert answer.json["resources"][0]["name"] == "API Authentication"
        assert answer.headers["www-authenticate"]
        assert not account.app_key or account.app_key not in answer.body.decode()


@pytest.fixture
def keyring(client: Client) -> Keyring:
    """Return the keyring of the house."""
    return client.world.house.keyring


def test_a_key_that_only_posts_may_not_ask(client: Client) -> None:
    """Its role does not allow it."""
    _, write = client.world.run(client.world.house.api_keys.make("posts", "write"))
    client.authorization = f"App {write}"
    answer = client.query()
    assert answer.status == 403
    assert violations(answer)
    assert answer.json["resources"][0]["name"] == "API Scopes"


def test_errors_are_xml_for_whoever_wants_it(client: Client) -> None:
    """But for those of a body, which the original has in JSON only."""
    xml = {"accept": "application/xml"}
    answer = client.send("GET", f"{REQUESTS}x%01%3C", headers=xml)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/xml")
    root = fromstring(answer.body)  # noqa: S314 - our own
    assert root.tag == "ApiError"
    assert [child.tag for child in root] == KEYS
    assert root.findtext("errorCode") == "E404"
    assert root.findtext("violations/violation/property") == "requestId"
    assert client.send("POST", QUERY, body=b"{", headers=xml).headers["content-type"].startswith("application/json")
    both = client.send("GET", f"{REQUESTS}x", headers={"accept": "application/json, application/xml"})
    assert both.headers["content-type"].startswith("application/json")


def test_a_method_that_nothing_takes_is_told(client: Client) -> None:
    """In the same body, with those that are taken."""
    answer = client.send("GET", QUERY)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert violations(answer)
    assert client.send("GET", "/metrics/1/nothing").status == 404
