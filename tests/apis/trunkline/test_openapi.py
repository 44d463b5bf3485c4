"""The description of the API: valid, complete, and true of what the server takes and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.insight.scene import begin, kept, pass_minute
from tests.support.asgi import Answer
from tests.support.webhook import Webhook, webhook
from tests.support.world import World
from trunkline import __version__
from trunkline.api.routes import Routes
from trunkline.apis.trunkline import fact_examples
from trunkline.apis.trunkline.ingest import OPERATIONS
from trunkline.apis.trunkline.openapi import document
from trunkline.apis.trunkline.posted import EXAMPLES
from trunkline.apis.trunkline.told import TOLD
from trunkline.catalogue.columns import columns
from trunkline.catalogue.load import load
from trunkline.connection import Connection

DOCUMENT = document(load(), __version__, Connection)
SERVICE = load().services["api"]
NUMBER = "+15555550123"
HOOK = "{hook}"
ASKED = {"measures": ["samples.count", "samples.mos_avg"], "by": ["edge", "codec"], "step": "hour", "top": {"most": 1}}
ALERT = {"criteria": [{"measure": "requests.count", "when": "above", "value": 5}], "window_minutes": 15}
SAMPLES = [{"call_id": "c", "edge": edge, "mos": mos} for edge in ("sdk", "sdk", "sip") for mos in (4.1, 4.2)]
# method, path, body (or none): together every operation, some in several ways
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", None),
    ("GET", "/api/v1/openapi.json", None),
    ("GET", "/api/v1/health?account=trunkline", None),
    ("GET", "/api/v1/incidents?days=7", None),
    ("GET", "/api/v1/incidents/{incident}", None),
    ("PUT", "/api/v1/alerts/busy", ALERT),
    ("PUT", "/api/v1/alerts/busy", {**ALERT, "enabled": False}),
    ("GET", "/api/v1/alerts?account=trunkline", None),
    ("GET", "/api/v1/alerts/busy", None),
    ("DELETE", "/api/v1/alerts/busy", None),
    ("POST", "/api/v1/notices", {"kind": "maintenance", "text": "Soon.", "from": "2026-11-22T00:00Z"}),
    ("POST", "/api/v1/notices", {"kind": "advisory", "text": "Mind the step.", "service": "chat"}),
    ("GET", "/api/v1/notices", None),
    ("GET", "/api/v1/health", None),
    ("DELETE", "/api/v1/notices/{notice}", None),
    ("GET", "/api/v1/catalogue?q=chat", None),
    ("GET", "/api/v1/explain?q=487/540487", None),
    ("GET", "/api/v1/explain?q=SendChatMessage", None),
    ("GET", "/api/v1/explain?q=4999", None),
    ("GET", "/api/v1/connection?account=trunkline", None),
    ("PUT", "/api/v1/accounts/shop", {"parent": None}),
    ("PUT", "/api/v1/accounts/shop", {}),
    ("GET", "/api/v1/accounts", None),
    ("POST", "/api/v1/accounts/shop/keys/auth_token/regenerate", None),
    ("POST", "/api/v1/keys", {"name": "ci", "role": "read", "expires": "30d", "account": "shop"}),
    ("POST", "/api/v1/keys", {"name": "ci", "role": "write"}),
    ("GET", "/api/v1/keys?account=shop", None),
    ("DELETE", "/api/v1/keys/{id}", None),
    ("POST", "/api/v1/tokens", {"role": "reader", "hours": 1.5}),
    ("POST", "/api/v1/backups", None),
    *(("POST", SERVICE.operations[name].path, msgspec.json.decode(line)) for name, line in EXAMPLES.items()),
    *(("POST", SERVICE.operations[name].path, [fact_examples.whole(kind)]) for name, kind in OPERATIONS.items()),
    ("POST", "/api/v1/samples", SAMPLES),
    ("POST", "/api/v1/support-files?call_id=a1&name=log.txt", b"12:00 ICE failed"),
    ("GET", "/api/v1/support-files?call_id=a1", None),
    ("GET", "/api/v1/support-files/{support}", None),
    ("GET", "/api/v1/support-files/{support}/content", None),
    ("DELETE", "/api/v1/support-files/{support}", None),
    ("GET", f"/api/v1/imports/{'0' * 64}?fact=samples", None),
    ("POST", "/api/v1/ask", ASKED),
    ("POST", "/api/v1/ask", {**ASKED, "limit": 1}),
    ("POST", "/api/v1/ask", {**ASKED, "explain": True}),
    ("POST", "/api/v1/ask", {**ASKED, "format": "csv"}),
    ("POST", "/api/v1/ask", {**ASKED, "format": "arrow"}),
    ("GET", "/api/v1/search?q=a1", None),
    ("GET", "/api/v1/bundle?q=a1&without=numbers&use_case=tests", None),
    ("GET", "/api/v1/logs/tables", None),
    ("GET", "/api/v1/logs/tables/ACSChatIncomingOperations?limit=1", None),
    ("POST", "/api/v1/facts", {"fact": "samples", "limit": 2}),
    ("POST", "/api/v1/facts", {"fact": "calls", "format": "csv"}),
    ("POST", "/api/v1/subscriptions", {"name": "mine", "url": HOOK, "minutes": 5}),
    ("GET", "/api/v1/subscriptions", None),
    ("GET", "/api/v1/subscriptions/mine?account=trunkline", None),
    ("POST", "/api/v1/subscriptions/mine/test", {}),
    ("GET", "/api/v1/dead-letters?most=5", None),
    ("POST", "/api/v1/subscriptions/mine/resend", None),
    ("DELETE", "/api/v1/subscriptions/mine", None),
    ("PUT", f"/api/v1/numbers/{NUMBER}", None),
    ("PUT", f"/api/v1/numbers/{NUMBER}", None),
    ("GET", "/api/v1/numbers", None),
    ("POST", "/api/v1/inbox/sms", {"from": "+15555550100", "to": NUMBER, "text": "hello"}),
    ("PUT", "/api/v1/teams-users/megan@contoso.com", {"plans": ["TEAMS1"]}),
    ("PUT", "/api/v1/teams-users/megan@contoso.com", {}),
    ("GET", "/api/v1/teams-users", None),
    ("DELETE", "/api/v1/teams-users/megan@contoso.com", None),
    ("GET", "/api/v1/inbox?limit=1", None),
    ("DELETE", f"/api/v1/numbers/{NUMBER}", None),
]


MAKES = {"CreateKey": "{id}", "CreateNotice": "{notice}", "AddSupportFile": "{support}"}
"""What has an id of its own, and how later requests name it."""


def checker(schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks a value by a schema of the document."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]}, format_checker=FormatChecker())


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each operation of the document with its method and path."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def operation_of(method: str, target: str) -> dict[str, Any]:
    """Return what the document says of a request, by the document's own paths."""
    path = target.partition("?")[0]
    for each, template, operation in described():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if each == method and re.fullmatch(pattern, path):
            return operation
    raise AssertionError(target)


def check(operation: dict[str, Any], answer: Answer) -> None:
    """Hold an answer to what the document says of it."""
    said = operation["responses"][str(answer.status)]
    content = said.get("content", {})
    if not content:
        assert answer.body == b""
        return
    media = answer.headers["content-type"].partition(";")[0]
    assert media in content or "*/*" in content, (operation["operationId"], media)
    if media.endswith("json"):
        checker(content[media]["schema"]).validate(answer.json)


def test_the_document_is_valid_openapi() -> None:
    """By the schema of the specification, and with every reference leading somewhere."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1")
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_it_is_open_and_the_same_each_time(world: World) -> None:
    """Whoever writes a client need not have a key yet; no account's name or secret stands in it."""
    first, second = world.call("GET", "/api/v1/openapi.json?"), world.call("GET", "/api/v1/openapi.json?")
    assert (first.status, first.json) == (200, DOCUMENT)
    assert first.body == second.body
    assert world.house.resources.get("trunkline").api_key.encode() not in first.body


def test_what_is_described_is_routed_and_what_is_routed_is_described(world: World) -> None:
    """Under the same names; and there is a handler for each."""
    routes = Routes([SERVICE])
    names = {operation["operationId"] for _, _, operation in described()}
    assert names == set(SERVICE.operations) == set(TOLD)
    for method, path, operation in described():
        found = routes.find(method, path.replace("{", "").replace("}", ""))
        assert found.operation is not None
        assert found.operation.name == operation["operationId"]
        assert {one["name"] for one in operation["parameters"] if one["in"] == "path"} == set(found.params)
    doors = world.house.application._doors
    assert names == set(next(door for door in doors if SERVICE in door.services).handlers)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a webhook."""
    with webhook() as running:
        yield running


def test_every_answer_is_as_described(own: Any, world: World, hook: Webhook) -> None:
    """Of every operation, with bodies that the document allows."""
    key = world.house.resources.get("trunkline").api_key
    world.house.hindrance = ""
    begin(world)
    for _ in range(5):
        pass_minute(world, bad=4)
    done = set()
    made = {"{incident}": kept(world)[0].id}
    for method, target, body in REQUESTS:
        operation = operation_of(method, target)
        if isinstance(body, dict) and body.get("url") == HOOK:
            body = {**body, "url": hook.url}  # noqa: PLW2901 - its address is known now
        given = {} if body is None else {"body" if isinstance(body, bytes) else "json": body}
        if isinstance(body, bytes):
            assert operation["requestBody"]["content"] == {"*/*": {}}
        elif body is not None:
            checker(operation["requestBody"]["content"]["application/json"]["schema"]).validate(body)
        path = target
        for word, one in made.items():
            path = path.replace(word, one)
        answer = world.call(method, path if "?" in path else f"{path}?", token=key, **given)
        assert answer.status < 300, (target, answer.body)
        check(operation, answer)
        done.add(operation["operationId"])
        if operation["operationId"] in MAKES:
            made[MAKES[operation["operationId"]]] = answer.json["id"]
    assert done == set(SERVICE.operations)


def test_every_refusal_is_a_problem_as_described(own: Any, world: World) -> None:
    """Without a key, with one that may not, and with a body that is none."""
    reader = own("POST", "/keys", json={"name": "x", "role": "read"}).json["key"]
    writer = own("POST", "/keys", json={"name": "x", "role": "write"}).json["key"]
    for method, template, operation in described():
        if operation.get("security") == []:
            continue
        path = f"{re.sub(r'{[^}]+}', 'x', template)}?"
        needed = SERVICE.operations[operation["operationId"]].needed
        refused = [world.call(method, path), world.call(method, path, token=reader if needed != "read" else writer)]
        assert [answer.status for answer in refused] == [401, 403], operation["operationId"]
        if "requestBody" in operation:
            refused.append(own(method, path.removeprefix("/api/v1"), body=b"{"))
            assert refused[-1].status in {400, 404}
        for answer in refused:
            check(operation, answer)


def test_facts_that_are_not_taken_are_told_as_described(own: Any) -> None:
    """Beside those that are; and when there are none."""
    operation = operation_of("POST", "/api/v1/samples")
    mixed = own("POST", "/samples", json=[*SAMPLES, {"call_id": ""}])
    assert (mixed.status, mixed.json["rejected_total"]) == (200, 1)
    check(operation, mixed)
    nothing = own("POST", "/samples", json=[{"call_id": ""}])
    assert nothing.status == 400
    check(operation, nothing)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_field_of_a_fact_is_described(own: Any, name: str) -> None:
    """What it holds, its unit, its allowed values, and an example; all examples together make a fact that is taken."""
    kind = OPERATIONS[name]
    schema = DOCUMENT["components"]["schemas"][f"Posted{kind.__name__}"]
    shown = {field: column for field, column in columns(kind).items() if not column.is_inner}
    assert set(schema["properties"]) == set(shown)
    for field, column in shown.items():
        said = schema["properties"][field]
        assert said["description"] == column.brief != ""
        assert said.get("x-unit", "") == column.unit
        words = {word for part in (said, *said.get("anyOf", ())) for word in part.get("enum", ())}
        assert words - {"", None} == set(column.values)
        assert said.get("default") == (column.default or None)
        assert said["examples"]
    line, whole = schema["examples"]
    assert set(whole) == set(shown)
    taken = own("POST", SERVICE.operations[name].path.removeprefix("/api/v1"), json=[line, whole])
    assert (taken.json["accepted"], taken.json["rejected"]) == (2, [])


def tries(said: dict[str, Any]) -> Iterator[Any]:
    """Yield values at the bounds of a field and beyond them, and of other kinds."""
    yield from (None, "", "x", "HR", "hr", 7, 0.5, True, [], "x" * 200, "x" * 201, "x" * 2000, "x" * 2001, "x\n")
    for part in (said, *said.get("anyOf", ())):
        yield from part.get("enum", ())
        for bound in (part.get("minimum"), part.get("maximum")):
            if bound is not None:
                yield from (bound, bound - 1, bound + 1, -bound - 1)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_bounds_of_a_field_are_the_ones_that_are_checked(own: Any, name: str) -> None:
    """The server takes what the schema allows, and refuses what it does not."""
    kind = OPERATIONS[name]
    schema = DOCUMENT["components"]["schemas"][f"Posted{kind.__name__}"]
    check_fact = checker({"$ref": f"#/components/schemas/Posted{kind.__name__}"})
    line = schema["examples"][0]
    for field, said in schema["properties"].items():
        if field == "resource" or "format" in said.get("anyOf", [{}])[0]:
            continue  # an account must exist, and moments have bounds of their own
        facts = [{**line, field: value} for value in tries(said)]
        allowed = [check_fact.is_valid(fact) for fact in facts]
        answer = own("POST", SERVICE.operations[name].path.removeprefix("/api/v1"), json=[line, *facts]).json
        refused = {one["line"] for one in answer["rejected"]}
        assert [number not in refused for number in range(2, len(facts) + 2)] == allowed, (field, facts)


def test_a_field_that_there_is_not_is_refused_by_both(own: Any) -> None:
    """A field misspelt would be lost silently."""
    for name, kind in OPERATIONS.items():
        fact = {**msgspec.json.decode(EXAMPLES[name]), "no_such_field": 1}
        assert not checker({"$ref": f"#/components/schemas/Posted{kind.__name__}"}).is_valid(fact)
        assert own("POST", SERVICE.operations[name].path.removeprefix("/api/v1"), json=[fact]).status == 400
