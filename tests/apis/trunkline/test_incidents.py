"""Health by Trunkline's own API: how things stand, what was wrong, what is announced; each sees its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.insight.scene import begin, pass_minute
from tests.support.world import World


def fail(world: World, resource: str = "trunkline", service: str = "chat") -> None:
    """Let five minutes pass in which a resource's requests fail."""
    begin(world)
    for _ in range(5):
        pass_minute(world, good=8, bad=2, resource=resource, service=service)


def family(own: Any, world: World) -> dict[str, str]:
    """Make a parent with two children; returns everybody's API key by name."""
    own("PUT", "/accounts/parent", json={})
    for name in ("child", "sibling"):
        own("PUT", f"/accounts/{name}", json={"parent": "parent"})
    return {name: world.house.resources.get(name).api_key for name in ("parent", "child", "sibling")}


def test_how_things_stand_is_told_with_what_is_wrong(own: Any, world: World) -> None:
    """The state of each service as a whole and for each account, counted over the last minutes."""
    before = own("GET", "/health").json
    assert {one["state"] for one in before["services"]} == {"available"}
    assert "rooms" not in {one["service"] for one in before["services"]}  # it is not built
    fail(world)
    found = own("GET", "/health").json
    (chat,) = (one for one in found["services"] if one["service"] == "chat")
    assert (chat["state"], chat["requests"], chat["failures"], chat["share"]) == ("unavailable", 50, 10, 0.2)
    (mine,) = (one for one in found["accounts"] if one["service"] == "chat")
    assert (mine["account"], mine["state"], mine["share"]) == ("trunkline", "unavailable", 0.2)
    assert [one["account"] for one in found["incidents"]] == ["", "trunkline"]
    assert [one["state"] for one in own("GET", "/incidents").json["incidents"]] == ["open", "open"]
    one = found["incidents"][1]
    assert own("GET", f"/incidents/{one['id'].lower()}").json == one
    assert len(one["samples"]) == 10
    shown = own("POST", "/ask", json=one["question"]).json["points"]
    assert sum(point["values"][0] for point in shown if point["split"] == ["500"]) == 10


def test_a_parent_sees_a_child_and_nobody_else_sees_it(own: Any, world: World) -> None:
    """Neither the sibling nor the child its parent's; of the whole server they see no other's requests."""
    keys = family(own, world)
    fail(world, "child")
    (whole, theirs) = own("GET", "/incidents").json["incidents"]
    for name, seen in (("parent", True), ("child", True), ("sibling", False)):
        found = own("GET", "/incidents", token=keys[name]).json["incidents"]
        assert [one["account"] for one in found] == ["", "child"] if seen else [""]
        assert (found[0]["samples"], found[0]["requests"]) == ([], 0)
        assert own("GET", f"/incidents/{theirs['id']}", token=keys[name]).status == (200 if seen else 404)
        assert own("GET", f"/incidents/{whole['id']}", token=keys[name]).json["samples"] == []
        accounts = {one["account"] for one in own("GET", "/health", token=keys[name]).json["accounts"]}
        assert ("child" in accounts) is seen
        assert "trunkline" not in accounts
    assert own("GET", "/incidents?account=parent", token=keys["child"]).status == 403
    assert len(own("GET", "/incidents?account=child", token=keys["parent"]).json["incidents"]) == 2
    pass_minute(world)
    fail(world, "parent", "sms")
    found = own("GET", "/incidents", token=keys["child"]).json["incidents"]
    assert {one["account"] for one in found} == {"", "child"}


def test_who_may_ask_and_who_may_announce(own: Any, world: World) -> None:
    """Reading needs the role read; announcing concerns everybody, and needs a contributor of the whole server."""
    keys = family(own, world)
    made = {role: own("POST", "/keys", json={"name": role, "role": role}).json["key"] for role in ("read", "write")}
    text = {"kind": "advisory", "text": "x"}
    for path in ("/health", "/incidents", "/notices"):
        assert own("GET", path, token="").status == 401
        assert own("GET", path, token=made["write"]).status == 403
        assert own("GET", path, token=made["read"]).status == 200
        assert own("GET", path, token=keys["child"]).status == 200
    for token, status in ((made["read"], 403), (made["write"], 403), (keys["parent"], 403), ("", 401)):
        assert own("POST", "/notices", json=text, token=token).status == status
        assert own("DELETE", "/notices/0000-0000", token=token).status == status


def test_maintenance_is_planned_holds_and_ends_by_itself(own: Any, world: World) -> None:
    """While it holds, the service's state says so, whatever fails; then it is history."""
    body = {"kind": "maintenance", "text": "Moving <house>", "service": "chat"}
    body |= {"from": "2026-11-21T13:00Z", "until": "2026-11-21T14:00:00+00:00"}
    made = own("POST", "/notices", json=body)
    assert (made.status, made.json["state"]) == (201, "planned")
    assert states(own)["chat"] == "available"
    world.clock.advance(3600)
    assert (states(own)["chat"], states(own)["sms"]) == ("maintenance", "available")
    world.clock.advance(3600)
    assert states(own)["chat"] == "available"
    assert own("GET", "/health").json["notices"] == []
    (past,) = own("GET", "/notices").json["notices"]
    assert (past["state"], past["text"], past["until"]) == ("over", "Moving <house>", "2026-11-21T14:00:00.000Z")
    assert own("DELETE", f"/notices/{past['id']}").status == 409
    world.clock.advance(91 * 24 * 3600)
    assert own("GET", "/notices").json["notices"] == []
    assert len(own("GET", "/notices?days=200").json["notices"]) == 1


def states(own: Any) -> dict[str, str]:
    """Return the state of each service."""
    return {one["service"]: one["state"] for one in own("GET", "/health").json["services"]}


def test_an_advisory_holds_until_somebody_ends_it(own: Any) -> None:
    """Without an end it holds until further notice; it stays in the history."""
    made = own("POST", "/notices", json={"kind": "advisory", "text": "Certificates change."}).json
    assert (made["state"], made["until"], made["service"]) == ("active", None, "")
    assert own("POST", "/notices", json={"kind": "advisory", "text": "a\0b"}).json["text"] == "ab"
    assert set(states(own).values()) == {"available"}
    ended = own("DELETE", f"/notices/{made['id'].lower()}")
    assert (ended.status, ended.json["state"], ended.json["ended_at"]) == (200, "over", "2026-11-21T12:00:00.000Z")
    assert own("DELETE", "/notices/ABCD-0123").status == 404


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"kind": "party"}, "kind"),
        ({"text": " "}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"service": "rooms"}, "chat"),
        ({"from": "tomorrow"}, "from"),
        ({"until": "2026-11-21T11:00Z"}, "end"),
        ({"until": "9999-01-01T00:00Z"}, "ten years"),
        ({"from": "0001-01-01T00:00Z"}, "ten years"),
        ({"more": 1}, "more"),
    ],
)
def test_a_notice_that_says_nothing_is_refused(own: Any, change: dict[str, Any], wanted: str) -> None:
    """With a sentence that helps."""
    refused = own("POST", "/notices", json={"kind": "advisory", "text": "x", **change})
    assert refused.status == 400
    assert wanted in refused.json["detail"]


def test_notices_are_bounded(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest that is over makes room; when none is, one must be ended first."""
    monkeypatch.setattr("trunkline.services.notices.MOST", 2)
    first, _ = (own("POST", "/notices", json={"kind": "advisory", "text": text}).json for text in "ab")
    assert own("POST", "/notices", json={"kind": "advisory", "text": "c"}).status == 409
    own("DELETE", f"/notices/{first['id']}")
    assert own("POST", "/notices", json={"kind": "advisory", "text": "c"}).status == 201
    assert sorted(one["text"] for one in own("GET", "/notices").json["notices"]) == ["b", "c"]
