"""Accounts and their connections."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.support.world import World


def test_an_account_is_made_once(own: Any) -> None:
    """201, then 200 with the same keys."""
    first, second = own("PUT", "/accounts/shop"), own("PUT", "/accounts/shop")
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert own("GET", "/connection?account=shop").json == first.json


def test_a_name_that_cannot_be_a_host_is_refused(own: Any) -> None:
    """The sentence says what a name is."""
    answer = own("PUT", "/accounts/No_Name")
    assert answer.status == 400
    assert "hyphens" in answer.json["detail"]


def test_a_replaced_key_is_refused_and_the_other_goes_on(own: Any, world: World) -> None:
    """Clients change over without downtime."""
    before = world.house.resources.get("trunkline")
    assert own("POST", "/accounts/trunkline/keys/key1/regenerate").status == 200
    assert world.call("POST", "/identities", json={}, key=before.key1).status == 401
    assert world.call("POST", "/identities", json={}, key=before.key2).status == 201
    assert world.call("POST", "/identities", json={}, key=True).status == 201
    assert own("POST", "/accounts/trunkline/keys/key3/regenerate").status == 400
    assert own("POST", "/accounts/nobody/keys/key1/regenerate").status == 404
    assert own("POST", "/accounts/trunkline/keys/auth_token/regenerate").json["auth_token"] != before.auth_token


def test_the_list_names_the_accounts_without_their_keys(own: Any, world: World) -> None:
    """The default one first."""
    own("PUT", "/accounts/shop")
    answer = own("GET", "/accounts")
    assert [(one["name"], one["default"]) for one in answer.json["accounts"]] == [("trunkline", True), ("shop", False)]
    assert world.key.encode() not in answer.body


def test_before_the_server_listens_there_is_no_connection(own: Any, world: World) -> None:
    """503 rather than an address that is wrong."""
    world.house.place = None
    assert own("GET", "/connection").status == 503


# --- parents ---

TREE = {"shop": "", "east": "shop", "west": "shop", "east1": "east", "other": ""}
ABOVE = {"shop": (), "east": ("shop",), "west": ("shop",), "east1": ("shop", "east"), "other": ()}
SEEN = {"start": "2026-01-01T00:00:00Z", "by": ["resource"], "measures": ["samples.count"]}


@pytest.fixture
def keys(own: Any) -> dict[str, str]:
    """Make the accounts of the tree, a sample in each, and return their API keys."""
    found = {name: own("PUT", f"/accounts/{name}", json={"parent": parent}).json for name, parent in TREE.items()}
    for name in TREE:
        assert own("POST", "/samples", body=b'{"call_id": "c", "resource": "%s"}' % name.encode()).status == 200
    return {name: one["api_key"] for name, one in found.items()}


def seen(own: Any, **given: Any) -> set[str]:
    """Return the accounts whose facts a caller is told of, by a question and by the rows themselves."""
    points = own("POST", "/ask", json=SEEN, **given).json["points"]
    rows = own("POST", "/facts", json={"fact": "samples", "start": SEEN["start"]}, **given).json["rows"]
    asked = {point["split"][0] for point in points}
    assert asked == {row["resource"] for row in rows}
    return asked


@pytest.mark.parametrize("name", TREE)
def test_an_account_sees_its_own_facts_and_those_below_it(own: Any, keys: dict[str, str], name: str) -> None:
    """By its API key, by a bearer of any role; never those above it or beside it."""
    expected = {name} | {other for other, above in ABOVE.items() if name in above}
    assert seen(own, token=keys[name]) == expected
    for role in ("reader", "contributor", "owner"):
        bearer = own("POST", "/tokens", json={"role": role, "account": name}).json["token"]
        assert seen(own, token=bearer) == expected


def test_asking_for_another_account_by_name_shows_nothing_of_it(own: Any, keys: dict[str, str]) -> None:
    """Each pair: only who is above is told; nobody by a condition that says otherwise."""
    for who, whom in permutations(TREE, 2):
        where = [{"column": "resource", "values": [whom]}]
        points = own("POST", "/ask", json=SEEN | {"where": where}, token=keys[who]).json["points"]
        assert bool(points) is (who in ABOVE[whom]), (who, whom)


def test_facts_are_posted_for_oneself_and_those_below(own: Any, keys: dict[str, str]) -> None:
    """Each pair; a fact for anybody else is refused, and is not there."""
    for who, whom in permutations(TREE, 2):
        body = b'{"call_id": "%s-%s", "resource": "%s"}' % (who.encode(), whom.encode(), whom.encode())
        answer = own("POST", "/samples", body=body, token=keys[who])
        allowed = who in ABOVE[whom]
        assert answer.status == (200 if allowed else 400), (who, whom)
        assert allowed or "those below it only" in answer.json["detail"]
        found = own("POST", "/facts", json={"fact": "samples", "id": f"{who}-{whom}"}).json["rows"]
        assert [row["resource"] for row in found] == ([whom] if allowed else [])


def test_a_large_body_is_held_to_the_same(own: Any, keys: dict[str, str]) -> None:
    """It is read by columns, and by rows when one of them is not the caller's business."""
    lines = [
        b'{"call_id": "c%d", "resource": "%s"}' % (number, name) for number in range(1000) for name in (b"", b"east")
    ]
    assert own("POST", "/samples", body=b"\n".join(lines), token=keys["shop"]).json["accepted"] == 2000
    answer = own("POST", "/samples", body=b"\n".join(lines), token=keys["east1"]).json
    assert (answer["accepted"], answer["rejected_total"]) == (1000, 1000)
    assert "those below it only" in answer["rejected"][0]["why"]
    question = {"start": SEEN["start"], "measures": ["samples.count"], "by": ["resource"]}
    points = own("POST", "/ask", json=question).json["points"]
    counted = {point["split"][0]: point["values"][0] for point in points}
    assert counted == {"shop": 1001, "east": 1001, "east1": 1001, "west": 1, "other": 1}


def test_an_account_manages_those_below_it_and_no_other(own: Any, keys: dict[str, str]) -> None:
    """Their connection, keys, bearers and numbers; each pair. A Host that names another one is refused."""
    for who, whom in permutations(TREE, 2):
        allowed = who in ABOVE[whom]
        asked = (
            own("GET", f"/connection?account={whom}", token=keys[who]),
            own("GET", f"/numbers?account={whom}", token=keys[who]),
            own("GET", "/catalogue", token=keys[who], host=f"{whom}.communication.localhost"),
            own("PUT", f"/accounts/{whom}", token=keys[who]),
            own("POST", f"/accounts/{whom}/keys/key1/regenerate", token=keys[who]),
            own("POST", "/tokens", json={"role": "reader", "account": whom}, token=keys[who]),
        )
        expected = [200, 200, 200, 200, 200, 201] if allowed else [403] * 6
        assert [answer.status for answer in asked] == expected, (who, whom)


def test_the_list_holds_what_the_caller_sees(own: Any, keys: dict[str, str]) -> None:
    """With parents and ids, without secrets."""
    answer = own("GET", "/accounts", token=keys["east"])
    assert [(one["name"], one["parent"]) for one in answer.json["accounts"]] == [("east", "shop"), ("east1", "east")]
    connection = own("GET", "/connection?account=east").json
    assert answer.json["accounts"][0]["sid"] == connection["account_sid"]
    assert (connection["account"], connection["parent"]) == ("east", "shop")
    for secret in ("auth_token", "app_key", "api_key"):
        assert connection[secret].encode() not in answer.body


def test_credentials_are_shown_to_owners_only(own: Any, keys: dict[str, str]) -> None:
    """Readers and contributors get none, whichever way they ask."""
    connection = own("GET", "/connection?account=shop").json
    for role in ("reader", "contributor"):
        bearer = own("POST", "/tokens", json={"role": role, "account": "shop"}).json["token"]
        for method, path in (
            *(("GET", "/connection"), ("GET", "/accounts"), ("PUT", "/accounts/shop"), ("PUT", "/accounts/east")),
            ("POST", "/accounts/shop/keys/auth_token/regenerate"),
        ):
            body = own(method, path, token=bearer).body
            assert not [name for name in ("auth_token", "app_key", "api_key") if connection[name].encode() in body]


def test_an_owner_of_an_account_makes_accounts_below_it_only(own: Any, keys: dict[str, str]) -> None:
    """Elsewhere it cannot, nor can it move any."""
    mine = {"token": keys["east"]}
    assert own("PUT", "/accounts/new", json={"parent": "east"}, **mine).status == 201
    assert own("PUT", "/accounts/newer", json={"parent": "east1"}, **mine).status == 201
    for body in ({}, {"parent": ""}, {"parent": "shop"}, {"parent": "west"}, {"parent": "trunkline"}):
        answer = own("PUT", "/accounts/newest", json=body, **mine)
        assert (answer.status, "below that one only" in answer.json["detail"]) == (403, True)
    assert own("PUT", "/accounts/east1", json={"parent": "new", "move": True}, **mine).status == 403
    assert own("PUT", "/accounts/west", json={"parent": "east", "move": True}, **mine).status == 403


def test_a_move_is_explicit_and_changes_who_sees_the_facts(own: Any, keys: dict[str, str]) -> None:
    """All that the account ever did goes with it."""
    refused = own("PUT", "/accounts/east", json={"parent": "other"})
    assert (refused.status, "unless it is moved" in refused.json["detail"]) == (409, True)
    assert own("PUT", "/accounts/east", json={"move": True}).status == 400
    assert own("PUT", "/accounts/nobody", json={"parent": "other", "move": True}).status == 404
    moved = own("PUT", "/accounts/east", json={"parent": "other", "move": True})
    assert (moved.status, moved.json["parent"]) == (200, "other")
    assert seen(own, token=keys["shop"]) == {"shop", "west"}
    assert seen(own, token=keys["other"]) == {"other", "east", "east1"}
    assert own("PUT", "/accounts/east", json={"parent": None, "move": True}).json["parent"] == ""


@pytest.mark.parametrize(
    ("body", "status"),
    [({"parent": "nobody"}, 404), ({"parent": 1}, 400), ({"parents": ""}, 400), ({"parent": "new"}, 404)],
)
def test_a_wrong_parent_is_a_problem(own: Any, body: dict[str, Any], status: int) -> None:
    """And no account is made."""
    assert own("PUT", "/accounts/new", json=body).status == status
    assert own("GET", "/connection?account=new").status == 404
