"""Who may ask Trunkline's own API for what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World
from trunkline.api.door import Door


def api_key(world: World, name: str) -> str:
    """Return a resource's API key."""
    return world.house.resources.get(name).api_key


def test_without_a_key_there_is_a_problem_that_says_where_it_is(own: Any) -> None:
    """RFC 9457, a challenge, and the request's id."""
    answer = own("GET", "/catalogue", token="")
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json["status"] == 401
    assert "trunkline connection" in answer.json["detail"]
    assert answer.json["instance"] == f"urn:ms-cv:{answer.headers['ms-cv']}"


def test_a_wrong_key_is_refused(own: Any) -> None:
    """Also one that looks like a token."""
    assert own("GET", "/catalogue", token="wrong").status == 401
    assert own("GET", "/catalogue", token="eyJhbGciOiJub25lIn0.e30.").status == 401
    refused = own("GET", "/catalogue", token="", headers={"x-api-key": "wrong"})
    assert (refused.status, refused.json["detail"][:24]) == (401, "There is no such API key")


def test_the_key_is_taken_from_either_header(own: Any, world: World) -> None:
    """As a bearer or as X-API-Key."""
    assert own("GET", "/catalogue", headers={"x-api-key": api_key(world, "trunkline")}).status == 200


def test_another_resources_key_has_to_do_with_its_own_only(own: Any, world: World) -> None:
    """It sees its own connection, and neither the default one nor a way to make accounts."""
    own("PUT", "/accounts/shop")
    theirs = api_key(world, "shop")
    assert own("GET", "/connection", token=theirs).json["resource_id"].endswith("/shop")
    assert own("GET", "/connection?account=trunkline", token=theirs).status == 403
    assert own("PUT", "/accounts/other", token=theirs).status == 403
    assert own("POST", "/accounts/trunkline/keys/key1/regenerate", token=theirs).status == 403
    assert own("GET", "/subscriptions?account=trunkline", token=theirs).status == 403
    assert own("POST", "/accounts/shop/keys/key1/regenerate", token=theirs).status == 200
    assert [one["name"] for one in own("GET", "/accounts", token=theirs).json["accounts"]] == ["shop"]
    host = "trunkline.communication.localhost"
    assert own("GET", "/catalogue", token=theirs, host=host).status == 403


def test_a_reader_reads_a_contributor_changes_things_and_an_owner_sees_keys(own: Any) -> None:
    """Each may do what the one before may, and no more than that."""
    reader = own("POST", "/tokens", json={"role": "reader"}).json["token"]
    contributor = own("POST", "/tokens", json={"role": "contributor"}).json["token"]
    assert own("GET", "/catalogue", token=reader).status == 200
    assert own("POST", "/ask", json={"measures": ["requests.count"]}, token=reader).status == 200
    for method, path in (
        ("GET", "/connection"),
        ("PUT", "/accounts/shop"),
        ("POST", "/tokens"),
        ("DELETE", "/subscriptions/x"),
    ):
        assert own(method, path, token=reader, json={"role": "reader"}).status == 403
    for method, path in (("GET", "/connection"), ("PUT", "/accounts/shop"), ("POST", "/tokens")):
        assert own(method, path, token=contributor, json={"role": "reader"}).status == 403
    assert own("POST", "/accounts/trunkline/keys/key2/regenerate", token=contributor).status == 403
    assert own("DELETE", "/subscriptions/none", token=contributor).status == 404
    owner = own("POST", "/tokens", json={"role": "owner"}).json["token"]
    assert own("GET", "/connection", token=owner).status == 200


def test_every_operation_but_the_open_ones_wants_a_key(own: Any, world: World) -> None:
    """None was forgotten."""
    for operation in world.house.catalogue.services["api"].operations.values():
        answer = world.call(operation.method, operation.path.replace("{name}", "x").replace("{key}", "key1") + "?")
        assert (answer.status != 401) is (operation.auth == "open"), operation.name


def test_every_operation_of_the_table_is_served(world: World) -> None:
    """And nothing is served that is in no table."""
    doors: list[Door] = list(world.house.application._doors)
    for name in ("api", "page"):
        service = world.house.catalogue.services[name]
        door = next(door for door in doors if service in door.services)
        assert set(door.handlers) == set(service.operations)


@pytest.mark.parametrize("path", ["/nothing", "/catalogue/chat"])
def test_an_unknown_path_names_the_nearest_operation(own: Any, path: str) -> None:
    """As a problem too."""
    answer = own("GET", path)
    assert answer.status == 404
    assert "nearest" in answer.json["detail"]
