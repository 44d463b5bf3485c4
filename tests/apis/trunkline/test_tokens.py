"""Bearers for the management APIs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

METRICS = "/providers/Microsoft.Insights/metrics?api-version=2024-02-01&metricnames=APIRequestChat"


def resource_id(world: World, name: str) -> str:
    """Return a resource's id."""
    found = world.house.resources.get(name)
    return (
        f"/subscriptions/{found.subscription_id}/resourceGroups/{found.resource_group}"
        f"/providers/Microsoft.Communication/communicationServices/{name}"
    )


def test_a_bearer_opens_the_metrics_in_strict_mode_too(make_world: Any) -> None:
    """It is signed by the server's own key."""
    world = make_world(auth_mode="strict")
    key = world.house.resources.get("trunkline").api_key
    bearer = world.call("POST", "/api/v1/tokens?", json={"role": "reader"}, token=key).json["token"]
    assert world.call("GET", resource_id(world, "trunkline") + METRICS, token=bearer).status == 200
    assert world.call("GET", resource_id(world, "trunkline") + METRICS, token="anything").status == 401


def test_a_bearer_ends_when_it_says(own: Any, world: World) -> None:
    """An hour later it is of no use, here and there."""
    bearer = own("POST", "/tokens", json={"role": "owner", "hours": 1}).json["token"]
    assert own("GET", "/catalogue", token=bearer).status == 200
    world.advance(3600)
    assert own("GET", "/catalogue", token=bearer).status == 401


def test_a_bearer_of_one_account_sees_no_other(own: Any, world: World) -> None:
    """Nor does one that its holder mints."""
    own("PUT", "/accounts/shop")
    bearer = own("POST", "/tokens", json={"role": "owner", "account": "shop"}).json["token"]
    assert world.call("GET", resource_id(world, "shop") + METRICS, token=bearer).status == 200
    assert world.call("GET", resource_id(world, "trunkline") + METRICS, token=bearer).status == 403
    assert own("POST", "/tokens", json={"role": "reader", "account": "trunkline"}, token=bearer).status == 403
    assert own("POST", "/tokens", json={"role": "reader"}, token=bearer).json["account"] == "shop"


def test_only_an_owner_mints_bearers(own: Any) -> None:
    """Else a contributor's bearer would become an owner's, or live for ever."""
    contributor = own("POST", "/tokens", json={"role": "contributor"}).json["token"]
    owner = own("POST", "/tokens", json={"role": "owner"}).json["token"]
    assert own("POST", "/tokens", json={"role": "reader"}, token=contributor).status == 403
    assert own("POST", "/tokens", json={"role": "reader"}, token=owner).status == 201


@pytest.mark.parametrize(
    "body",
    [{"role": "king"}, {"role": "reader", "hours": 0}, {"role": "reader", "hours": 1e300}, {"role": "reader", "x": 1}],
)
def test_what_cannot_be_minted_is_a_problem(own: Any, body: dict[str, Any]) -> None:
    """400, and the sentence says why."""
    answer = own("POST", "/tokens", json=body)
    assert answer.status == 400
    assert answer.json["detail"]
