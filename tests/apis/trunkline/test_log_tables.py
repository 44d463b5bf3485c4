"""The log tables by Trunkline's own API: listed, read, paged; each sees its own."""

from __future__ import annotations

from typing import Any

from tests.support.world import World

SMS = "/logs/tables/ACSSMSIncomingOperations"
AUTH = "/logs/tables/ACSAuthIncomingOperations"
POSTED = b'{"service":"sms","operation":"SMSMessageSent","status":202,"happened_at":"%s"}\n'


def test_the_tables_are_listed_with_their_columns(own: Any) -> None:
    """And whether something may be known of each."""
    tables = {one["name"]: one for one in own("GET", "/logs/tables").json["tables"]}
    assert len(tables) == 26
    sms = tables["ACSSMSIncomingOperations"]
    assert sms["category"] == "SMSOperational"
    columns = {one["name"]: (one["type"], one["known"]) for one in sms["columns"]}
    assert (columns["DurationMs"], columns["TenantId"]) == (("int", True), ("string", False))


def test_what_was_asked_for_is_a_row(own: Any, world: World) -> None:
    """By the id that its answer had in a header."""
    answer = world.call("POST", "/identities", json={}, key=True)
    found = own("GET", f"{AUTH}?since=1m").json
    assert found["table"] == "ACSAuthIncomingOperations"
    assert [(row["CorrelationId"], row["OperationName"]) for row in found["rows"]] == [
        (answer.headers["ms-cv"], "CreateIdentity")
    ]
    assert own("GET", "/logs/tables/authoperational?operationname=DeleteIdentity").json["rows"] == []


def test_pages_follow_each_other(own: Any, world: World) -> None:
    """Until there is nothing left."""
    for _ in range(5):
        world.call("POST", "/identities", json={}, key=True)
    found, after, pages = [], "", 0
    while pages == 0 or after:
        page = own("GET", f"{AUTH}?limit=2&next={after}").json
        found += [row["CorrelationId"] for row in page["rows"]]
        after, pages = page.get("next", ""), pages + 1
    assert (len(found), len({*found})) == (5, 5)
    assert pages in {3, 4}


def test_a_parent_sees_a_child_s_rows_and_no_other_does(own: Any, world: World) -> None:
    """Neither a child its parent's nor a sibling's; a key that only posts reads nothing."""
    own("PUT", "/accounts/parent", json={})
    for name in ("child", "sibling"):
        own("PUT", f"/accounts/{name}", json={"parent": "parent"})
    keys = {name: world.house.resources.get(name).api_key for name in ("parent", "child", "sibling")}
    moment = world.clock.now().isoformat().encode()
    for name in ("parent", "child"):
        answer = own("POST", "/requests", body=POSTED % moment, token=keys[name])
        assert answer.status == 200, answer.body
    seen = {
        name: [row["_ResourceId"].rpartition("/")[2] for row in own("GET", SMS, token=key).json["rows"]]
        for name, key in keys.items()
    }
    assert {name: sorted(those) for name, those in seen.items()} == {
        "parent": ["child", "parent"],
        "child": ["child"],
        "sibling": [],
    }
    assert len(own("GET", f"{SMS}?account=child", token=keys["parent"]).json["rows"]) == 1
    assert own("GET", f"{SMS}?account=child", token=keys["sibling"]).status == 403
    assert own("GET", f"{SMS}?account=parent", token=keys["child"]).status == 403
    poster = own("POST", "/keys", json={"name": "w", "role": "write"}).json["key"]
    assert own("GET", SMS, token=poster).status == 403
    reader = own("POST", "/keys", json={"name": "r", "role": "read"}).json["key"]
    assert own("GET", SMS, token=reader).status == 200


def test_what_cannot_be_meant_is_refused_with_a_hint(own: Any) -> None:
    """With a sentence that helps."""
    for path, status, wanted in (
        ("/logs/tables/ACSSMSIncomming", 404, "ACSSMSIncomingOperations"),
        (f"{SMS}?Operation=x", 400, "OperationName"),
        (f"{SMS}?next=x", 400, "next"),
        (f"{SMS}?next=W1siYSJdXQ", 400, "next"),
        (f"{SMS}?since=never", 400, "since"),
        (f"{SMS}?since=1h&until=2h", 400, "end"),
        (f"{SMS}?limit=0", 400, "limit"),
    ):
        answer = own("GET", path)
        assert answer.status == status, path
        assert wanted in answer.json["detail"], answer.body
