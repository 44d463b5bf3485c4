"""API keys with roles: what each opens, who makes them, and that a revoked one opens nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hostile import examples
from tests.support.asgi import Answer
from tests.support.world import World
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Operation

MAY = {"write": {"write"}, "read": {"read"}, "admin": {"read", "write", "change", "admin"}}
OPERATIONS = [row for row in load().services["api"].operations.values() if row.auth != "open"]


def make(own: Any, role: str, **given: Any) -> Any:
    """Make a key and return what was answered."""
    who = {"token": given.pop("token")} if "token" in given else {}
    answer = own("POST", "/keys", json={"name": "ci", "role": role, **given}, **who)
    assert answer.status == 201, answer.body
    return answer.json


def ask(world: World, operation: Operation, key: str) -> Answer:
    """Ask for an operation with a body and a path that are right for most."""
    path = operation.path
    for name, value in {"{name}": "other", "{key}": "key1", "{number}": "+15555550123", "{id}": "0" * 16}.items():
        path = path.replace(name, value)
    body = examples.BODIES.get(operation.name)
    return world.call(operation.method, f"{path}?", token=key, **({} if body is None else {"json": body}))


@pytest.mark.parametrize("role", MAY)
def test_a_role_opens_what_it_needs_and_nothing_else(own: Any, world: World, role: str) -> None:
    """Every operation of the table, whatever it is; what is refused says what it needs."""
    own("PUT", "/accounts/other")
    key = make(own, role)["key"]
    for operation in OPERATIONS:
        answer = ask(world, operation, key)
        allowed = operation.needed in MAY[role]
        assert (answer.status != 403) is allowed, (operation.name, answer.body)
        assert answer.status != 401
        assert allowed or "it needs an API key with the role" in answer.json["detail"]


def test_a_reading_key_mints_nothing(own: Any) -> None:
    """Neither keys nor bearers nor accounts, of whatever role; and it revokes none, and sees none."""
    made = make(own, "read")
    for role in ("read", "write", "admin"):
        assert own("POST", "/keys", json={"name": "x", "role": role}, token=made["key"]).status == 403
    for role in ("reader", "contributor", "owner"):
        assert own("POST", "/tokens", json={"role": role}, token=made["key"]).status == 403
    for method, path in (("PUT", "/accounts/x"), ("DELETE", f"/keys/{made['id']}"), ("GET", "/keys")):
        assert own(method, path, token=made["key"]).status == 403
    assert [one["id"] for one in own("GET", "/keys").json["keys"]] == [made["id"]]


def test_a_writing_key_posts_and_does_not_read_what_it_posted(own: Any) -> None:
    """Its facts count all the same."""
    key = make(own, "write")["key"]
    sample = b'{"call_id": "c", "edge": "sdk", "mos": 4}'
    posted = own("POST", "/samples", body=sample, token=key, headers={"idempotency-key": "k"})
    assert (posted.status, posted.json["accepted"]) == (200, 1)
    again = own("POST", "/samples", body=sample, token=key, headers={"idempotency-key": "k"})
    assert again.json == posted.json
    question = {"measures": ["samples.count"]}
    refused = own("POST", "/ask", json=question, token=key)
    assert (refused.status, "only posts facts" in refused.json["detail"]) == (403, True)
    assert own("POST", "/ask", json=question).json["points"][0]["values"] == [1]


def test_a_key_is_shown_once(own: Any) -> None:
    """The list has everything but the secret."""
    made = make(own, "read", expires="30d")
    answer = own("GET", "/keys")
    listed = answer.json["keys"][0]
    assert listed == {name: value for name, value in made.items() if name not in {"key", "secret"}}
    assert made["key"].rpartition("_")[2].encode() not in answer.body
    assert (listed["name"], listed["role"], listed["account"], listed["expired"]) == ("ci", "read", "", False)
    assert (listed["expires_at"][:10], listed["last_used_at"]) == ("2026-12-21", None)
    own("GET", "/catalogue", token=made["key"])
    assert own("GET", "/keys").json["keys"][0]["last_used_at"] == "2026-11-21T12:00:00.000Z"


def test_a_key_is_taken_from_either_header(own: Any) -> None:
    """As a bearer or as X-API-Key; a revoked one from neither, from the next request on."""
    made = make(own, "read")
    for given in ({"token": made["key"]}, {"token": "", "headers": {"x-api-key": made["key"]}}):
        assert own("GET", "/catalogue", **given).status == 200
    assert own("DELETE", f"/keys/{made['id']}").status == 204
    for given in ({"token": made["key"]}, {"token": "", "headers": {"x-api-key": made["key"]}}):
        refused = own("GET", "/catalogue", **given)
        assert (refused.status, "revoked" in refused.json["detail"]) == (401, True)
    assert own("DELETE", f"/keys/{made['id']}").status == 404


def test_a_key_ends_when_it_says(own: Any, world: World) -> None:
    """A length of time, or a moment; the list marks it."""
    lasting = make(own, "read", expires="2h")
    until = make(own, "read", expires="2026-11-21T13:00:00Z")
    world.advance(3600)
    assert own("GET", "/catalogue", token=lasting["key"]).status == 200
    refused = own("GET", "/catalogue", token=until["key"])
    assert (refused.status, "expired" in refused.json["detail"]) == (401, True)
    assert [one["expired"] for one in own("GET", "/keys").json["keys"] if one["id"] == until["id"]] == [True]


@pytest.mark.parametrize(
    "body",
    [
        {"role": "read"},
        {"name": "x"},
        {"name": "x", "role": "reader"},
        {"name": "", "role": "read"},
        {"name": "x", "role": "read", "expires": "soon"},
        {"name": "x", "role": "read", "expires": "0d"},
        {"name": "x", "role": "read", "expires": "99999w"},
        {"name": "x", "role": "read", "expires": "2020-01-01T00:00:00Z"},
        {"name": "x", "role": "read", "extra": 1},
    ],
)
def test_what_cannot_be_a_key_is_a_problem(own: Any, body: dict[str, Any]) -> None:
    """400, and none is made."""
    assert own("POST", "/keys", json=body).status == 400
    assert own("POST", "/keys", json={"name": "x", "role": "read", "account": "nobody"}).status == 404
    assert own("GET", "/keys").json["keys"] == []


def test_a_key_of_an_account_has_to_do_with_it_and_those_below_it(own: Any) -> None:
    """Its facts, its keys; and it makes none for anybody else, nor one for all."""
    for name, parent in (("shop", ""), ("east", "shop"), ("other", "")):
        own("PUT", f"/accounts/{name}", json={"parent": parent})
    admin = make(own, "admin", account="shop")
    for_all, for_other = make(own, "read"), make(own, "read", account="other")
    mine = make(own, "read", token=admin["key"])
    below = make(own, "read", account="east", token=admin["key"])
    assert (mine["account"], below["account"]) == ("shop", "east")
    for account in ("other", "trunkline"):
        body = {"name": "x", "role": "read", "account": account}
        assert own("POST", "/keys", json=body, token=admin["key"]).status == 403
        assert own("GET", f"/keys?account={account}", token=admin["key"]).status == 403
    listed = {one["id"] for one in own("GET", "/keys", token=admin["key"]).json["keys"]}
    assert listed == {admin["id"], mine["id"], below["id"]}
    assert [one["id"] for one in own("GET", "/keys?account=east", token=admin["key"]).json["keys"]] == [below["id"]]
    unknown = own("DELETE", f"/keys/{'0' * 16}", token=admin["key"]).json["detail"]
    for alien in (for_all, for_other):
        refused = own("DELETE", f"/keys/{alien['id']}", token=admin["key"])
        assert (refused.status, refused.json["detail"].replace(alien["id"], "0" * 16)) == (404, unknown)
        assert own("GET", "/catalogue", token=alien["key"]).status == 200
    assert own("DELETE", f"/keys/{below['id']}", token=admin["key"]).status == 204
    for name in ("shop", "east", "other"):
        assert own("POST", "/samples", body=b'{"call_id": "c", "resource": "%s"}' % name.encode()).status == 200
    question = {"measures": ["samples.count"], "by": ["resource"]}
    points = own("POST", "/ask", json=question, token=mine["key"]).json["points"]
    assert [point["split"][0] for point in points] == ["east", "shop"]


def test_a_key_of_the_default_account_is_confined_to_it(own: Any) -> None:
    """Unlike the account's own API key, which opens all."""
    own("PUT", "/accounts/shop")
    key = make(own, "admin", account="trunkline")["key"]
    assert own("GET", "/connection", token=key).status == 200
    assert own("GET", "/connection?account=shop", token=key).status == 403
    assert own("PUT", "/accounts/new", token=key).status == 403


def test_what_a_key_did_is_found_by_its_id(own: Any) -> None:
    """Each request counted as its caller's."""
    made = make(own, "read")
    own("GET", "/catalogue", token=made["key"])
    question = {"measures": ["requests.count"], "by": ["caller"]}
    callers = [point["split"][0] for point in own("POST", "/ask", json=question).json["points"]]
    assert f"api key {made['id']}" in callers


def test_a_key_opens_no_other_api(own: Any, world: World) -> None:
    """Neither users nor metrics, in strict mode: they have credentials of their own."""
    key = make(own, "admin")["key"]
    world.restart(auth_mode="strict")
    assert world.call("POST", "/identities", json={}, token=key).status == 401
    found = world.house.resources.get("trunkline")
    path = f"/subscriptions/{found.subscription_id}/providers/Microsoft.EventGrid/eventSubscriptions"
    assert world.call("GET", path, token=key).status == 401
