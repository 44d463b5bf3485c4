"""Teams users over Trunkline's own API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

OBJECT = "071cc716-8147-4397-a5ba-b2105951cc0b"


def test_a_teams_user_is_registered_listed_and_taken_out(own: Any, world: World) -> None:
    """201 at first, 200 with other plans, 204 and 404."""
    made = own("PUT", f"/teams-users/{OBJECT}", json={"plans": ["TEAMS1"]})
    assert (made.status, made.json["user"], made.json["plans"]) == (201, OBJECT, ["TEAMS1"])
    assert (made.json["eligible"], made.json["tenant"]) == (True, world.house.resources.get("trunkline").tenant_id)
    changed = own("PUT", f"/teams-users/{OBJECT.upper()}", json={"plans": ["MCOEV"]})
    assert (changed.status, changed.json["eligible"]) == (200, False)
    assert own("GET", "/teams-users").json == {"teams_users": [changed.json]}
    assert own("DELETE", f"/teams-users/{OBJECT}").status == 204
    assert own("DELETE", f"/teams-users/{OBJECT}").status == 404
    assert own("GET", "/teams-users").json == {"teams_users": []}


@pytest.mark.parametrize(
    ("name", "body", "target"),
    [
        ("megan", {}, "user"),
        (OBJECT, {"plans": ["TEAMS2"]}, "plans"),
        (OBJECT, {"tenant": "contoso"}, "tenant"),
        (OBJECT, {"plans": "TEAMS1"}, "plans"),
    ],
)
def test_a_wrong_user_is_refused_with_what_is_wrong(own: Any, name: str, body: Any, target: str) -> None:
    """A name, a plan, a tenant."""
    refused = own("PUT", f"/teams-users/{name}", json=body)
    assert (refused.status, refused.json["target"]) == (400, target)


def test_nobody_confined_to_an_account_has_a_say(own: Any, world: World) -> None:
    """The directory is the server's: neither a child's key nor a reader's changes it, and a child's sees nothing."""
    world.run(world.house.resources.create("shop", parent="trunkline"))
    own("PUT", f"/teams-users/{OBJECT}", json={"plans": ["TEAMS1"]})
    child = world.house.resources.get("shop").api_key
    reader = own("POST", "/keys", json={"name": "r", "role": "read"}).json["key"]
    for method in ("PUT", "DELETE"):
        given = {"json": {}} if method == "PUT" else {}
        assert own(method, f"/teams-users/{OBJECT}", token=child, **given).status == 403
        assert own(method, f"/teams-users/{OBJECT}", token=reader, **given).status == 403
    assert own("GET", "/teams-users", token=child).status == 403
    assert own("GET", "/teams-users", token=reader).json["teams_users"][0]["plans"] == ["TEAMS1"]
