"""Alert rules by Trunkline's own API: made, listed, removed; each sees its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

RULE: dict[str, Any] = {"criteria": [{"measure": "requests.failed", "when": "above", "value": 3}]}


def test_a_rule_is_made_replaced_listed_and_removed(own: Any) -> None:
    """With what it means in words."""
    made = own("PUT", "/alerts/many failures", json=RULE)
    assert made.status == 201, made.body
    assert (made.json["meaning"], made.json["account"]) == ("requests.failed above 3 over 5 min", "trunkline")
    again = own("PUT", "/alerts/MANY failures", json={**RULE, "window_minutes": 60, "description": "x"})
    assert (again.status, again.json["window_minutes"], again.json["changed_at"]) == (
        200,
        60,
        "2026-11-21T12:00:00.000Z",
    )
    assert own("GET", "/alerts").json == {"alerts": [again.json]}
    assert own("GET", "/alerts/many failures").json == again.json
    assert own("DELETE", "/alerts/many failures").status == 204
    assert own("DELETE", "/alerts/many failures").status == 404
    assert own("GET", "/alerts/many failures").status == 404


def test_a_parent_sees_a_child_s_rules_and_no_other_does(own: Any, world: World) -> None:
    """And only who is not confined may make a rule about everybody."""
    own("PUT", "/accounts/parent", json={})
    for name in ("child", "sibling"):
        own("PUT", f"/accounts/{name}", json={"parent": "parent"})
    keys = {name: world.house.resources.get(name).api_key for name in ("parent", "child", "sibling")}
    for name in ("parent", "child"):
        assert own("PUT", "/alerts/mine", json=RULE, token=keys[name]).json["account"] == name
    seen = {
        name: [one["account"] for one in own("GET", "/alerts", token=key).json["alerts"]] for name, key in keys.items()
    }
    assert seen == {"parent": ["child", "parent"], "child": ["child"], "sibling": []}
    assert own("GET", "/alerts/mine?account=child", token=keys["sibling"]).status == 403
    assert own("DELETE", "/alerts/mine?account=parent", token=keys["child"]).status == 403
    assert own("PUT", "/alerts/all", json={**RULE, "everywhere": True}, token=keys["parent"]).status == 403
    assert own("PUT", "/alerts/all", json={**RULE, "everywhere": True}).status == 201
    assert own("DELETE", "/alerts/mine?account=child", token=keys["parent"]).status == 204
    reader = own("POST", "/keys", json={"name": "r", "role": "read"}).json["key"]
    assert own("GET", "/alerts", token=reader).status == 200
    assert own("PUT", "/alerts/mine", json=RULE, token=reader).status == 403
    assert own("DELETE", "/alerts/all", token=reader).status == 403


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"criteria": []}, "criteria"),
        ({"criteria": [{"measure": "requests.faild", "when": "above"}]}, "requests.failed"),
        ({"criteria": [{"measure": "requests.count", "when": "over"}]}, "over"),
        ({"criteria": [{"measure": "requests.count", "when": "above", "value": 1e300}]}, "1"),
        ({**RULE, "window_minutes": 1441}, "1440"),
        ({**RULE, "window": 3}, "window"),
    ],
)
def test_a_rule_that_nobody_could_follow_is_refused(own: Any, body: Any, wanted: str) -> None:
    """With a sentence that helps."""
    refused = own("PUT", "/alerts/x", json=body)
    assert refused.status == 400
    assert wanted in refused.json["detail"]
