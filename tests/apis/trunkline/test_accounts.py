"""Accounts and their connections."""

from __future__ import annotations

from typing import Any

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
