"""Health, readiness and the server's own state: open to whoever watches, and nothing secret in them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.services.sms.scene import pass_time, settle
from tests.support.world import World


def figures(world: World) -> dict[str, float]:
    """Read the page of the state."""
    answer = world.call("GET", "/metrics?")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in answer.body.decode().splitlines()
        if not line.startswith("#")
    }


def test_health_is_answered_while_the_process_lives(world: World) -> None:
    """With a mark that tells one run from another."""
    answer = world.call("GET", "/healthz?")
    assert (answer.status, answer.json["status"]) == (200, "alive")
    assert answer.json["instance"] == world.house.instance


def test_readiness_says_why_not(world: World) -> None:
    """503 with the reason, 200 once nothing is in the way."""
    answer = world.call("GET", "/readyz?")
    assert (answer.status, answer.json["reasons"]) == (503, ["it is starting"])
    assert answer.headers["retry-after"] == "1"
    world.house.hindrance = ""
    assert world.call("GET", "/readyz?").status == 200
    world.house.database._writer.trouble.fail("disk is full")
    answer = world.call("GET", "/readyz?")
    assert (answer.status, answer.json["reasons"]) == (503, ["the database cannot be written: disk is full"])


def test_every_line_of_the_state_is_in_prometheus_form(world: World) -> None:
    """A help and a type before each name, each name once."""
    lines = world.call("GET", "/metrics?").body.decode().splitlines()
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))
    for line in lines:
        assert re.fullmatch(
            r'# (HELP|TYPE) trunkline_\w+ .+|trunkline_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[\d.]+', line
        ), line


def test_the_state_follows_what_happens(world: World) -> None:
    """Writes are counted, this very request is in flight, memory is a believable number."""
    before = figures(world)
    world.user()
    after = figures(world)
    assert after["trunkline_writer_units_total"] > before["trunkline_writer_units_total"]
    assert after["trunkline_requests_in_flight"] == 1
    assert after["trunkline_resident_memory_bytes"] > 10_000_000
    assert after['trunkline_parcels{state="dead"}'] == 0


def test_an_accepted_wrong_signature_is_counted(make_world: Any) -> None:
    """In lenient mode the page shows how many there were."""
    world = make_world(hmac_mode="lenient")
    assert figures(world)["trunkline_signature_mismatches_total"] == 0
    assert world.call("POST", "/identities", json={}, key="d3Jvbmcgd3Jvbmcgd3Jvbmc=").status == 201
    assert figures(world)["trunkline_signature_mismatches_total"] == 1


@pytest.mark.parametrize("path", ["/healthz?", "/readyz?", "/metrics?", "/?"])
def test_an_open_page_holds_no_secret(world: World, path: str) -> None:
    """Neither keys nor ids that belong to the user."""
    resource = world.house.resources.get("trunkline")
    body = world.call("GET", path).body.decode()
    for secret in (*resource.keys, resource.api_key, resource.subscription_id, resource.immutable_id):
        assert secret not in body


def test_probes_come_under_any_name(world: World) -> None:
    """A cluster's probe knows the server by names that no setting lists; behind a key, unknown Hosts are refused."""
    assert world.call("GET", "/healthz?", host="10-0-0-7.pods.example").status == 200
    assert world.call("GET", "/api/v1/catalogue?", host="10-0-0-7.pods.example").status == 421


def test_the_state_tells_of_text_messages_that_are_not_over(world: World) -> None:
    """One that the carrier took is reported later; nothing waits once it was."""
    body = {"from": "+18005550199", "smsRecipients": [{"to": "+14255550123"}], "message": "hello"}
    assert world.call("POST", "/sms", json=body, key=True).status == 202
    settle(world)
    assert figures(world)['trunkline_texts_due{step="report"}'] == 1
    pass_time(world, 1)
    assert figures(world)['trunkline_texts_due{step="report"}'] == 0
    assert figures(world)['trunkline_texts_due{step="offer"}'] == 0
