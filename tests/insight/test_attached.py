"""Support files and incidents in the story of what they belong to."""

from __future__ import annotations

from typing import Any

from tests.insight.scene import begin, kept, pass_minute
from tests.support.world import World


def search(world: World, wanted: str, account: str = "") -> dict[str, Any]:
    """Search with an account's key."""
    key = world.house.resources.get(account or "trunkline").api_key
    answer = world.call("GET", f"/api/v1/search?q={wanted.replace('+', '%2B')}", token=key)
    assert answer.status == 200, answer.body
    return answer.json  # type: ignore[no-any-return]


def test_an_incident_stands_in_the_story_of_a_request_that_made_it(world: World) -> None:
    """Found from the request's vector, and by its own id; another account's requests lead nobody there."""
    for name in ("north", "south"):
        world.run(world.house.resources.create(name))
    begin(world)
    for minute in range(5):
        pass_minute(world, good=4, bad=4, resource="north", ms_cv=f"vector-{minute}.0")
    pass_minute(world, good=4, resource="south", ms_cv="vector-south.0")
    whole = next(one for one in kept(world) if not one.resource)
    held = whole.samples[0]["ms_cv"]
    assert held.startswith("vector-")
    texts = [entry["text"] for entry in search(world, held)["story"]]
    assert any(text.startswith(f"The incident {whole.id} began: ") for text in texts), texts
    assert any("incident" in entry["text"] for entry in search(world, held, "north")["story"])
    assert search(world, held, "south")["story"] == []
    assert not any("incident" in entry["text"] for entry in search(world, "vector-south.0", "south")["story"])
    assert {"kind": "incident", "text": "an incident", "account": ""} in search(world, whole.id)["found"]
    assert search(world, whole.id, "south")["found"] == []


def test_a_support_file_stands_in_the_story_of_its_call(world: World) -> None:
    """By the id of the call or of one of its legs; and its own id says what it is."""
    world.run(world.house.resources.create("north"))
    keys = {name: world.house.resources.get(name).api_key for name in ("trunkline", "north")}
    call = {"leg_id": "leg-1", "call_id": "call-1", "resource": "trunkline"}
    assert world.call("POST", "/api/v1/calls?", json=[call], token=keys["trunkline"]).status == 200
    target = "/api/v1/support-files?call_id=call-1&name=log.txt&user_id=ann"
    made = world.call("POST", target, body=b"ICE failed", token=keys["trunkline"]).json
    sentence = f"The support file log.txt (10 bytes) of the call call-1 was kept as {made['id']}."
    for wanted in ("call-1", "leg-1", "ann", made["id"]):
        assert sentence in [entry["text"] for entry in search(world, wanted)["story"]], wanted
        assert sentence not in [entry["text"] for entry in search(world, wanted, "north")["story"]], wanted
    found = {wanted: search(world, wanted)["found"][0]["text"] for wanted in ("ann", made["id"])}
    assert found == {"ann": "the user of a support file", made["id"]: "a support file of the call call-1"}
