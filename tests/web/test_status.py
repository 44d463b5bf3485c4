"""The status page: open to everybody, and nobody's business stands on it."""

from __future__ import annotations

import base64
import hashlib
import re

from tests.insight.scene import begin, pass_minute
from tests.support.world import World


def page(world: World) -> str:
    """Return the page as it is in a while."""
    world.clock.advance(11)
    answer = world.call("GET", "/status?")
    assert answer.status == 200
    return answer.body.decode()


def test_it_says_that_all_is_well_without_a_sign_in(world: World) -> None:
    """Each service that is built has a line."""
    text = page(world)
    assert "All services are available." in text
    for wanted in ("Chat", "SMS", "Nothing is announced.", "Nothing was wrong."):
        assert wanted in text
    assert "Rooms" not in text


def test_an_outage_stands_there_and_stays_for_ninety_days(world: World) -> None:
    """With its times, and without an account's name, a request's id or a number of requests."""
    world.run(world.house.resources.create("secret-shop"))
    begin(world)
    for _ in range(5):
        pass_minute(world, good=6, bad=4, resource="secret-shop")
    text = page(world)
    assert "Out of order: Chat." in text
    assert "out of order since 2026-11-21 12:01 UTC" in text
    incident = world.run(world.house.incidents.since(world.clock.now()))[0]
    for _ in range(10):
        pass_minute(world, good=10, resource="secret-shop")
    text = page(world)
    assert "All services are available." in text
    assert "from 2026-11-21 12:01 UTC until 2026-11-21 12:06 UTC, at most 40.0 %" in text
    for hidden in ("secret-shop", "trunkline", str(incident.samples[0]["ms_cv"]), ">50<", " 50 "):
        assert hidden not in text
    world.clock.advance(91 * 24 * 3600)
    assert "Nothing was wrong." in page(world)


def test_what_is_announced_is_text_and_nothing_else(world: World) -> None:
    """A notice's words are escaped; braces are braces."""
    key = world.house.resources.get("trunkline").api_key
    text = '<script>alert(1)</script> & {summary} "quoted"'
    body = {"kind": "maintenance", "text": text, "service": "sms"}
    assert world.call("POST", "/api/v1/notices?", json=body, token=key).status == 201
    shown = page(world)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {summary} &quot;quoted&quot;" in shown
    assert "<script" not in shown
    assert "Planned maintenance is going on." in shown


def test_the_page_runs_nothing_and_loads_nothing(world: World) -> None:
    """The policy admits its own style by its digest, and no script at all."""
    answer = world.call("GET", "/status?")
    text, policy = answer.body.decode(), answer.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "<script" not in text
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert world.call("POST", "/status?").status == 405


def test_it_is_drawn_once_in_a_while_however_many_ask(world: World) -> None:
    """Ten seconds long it is the same page."""
    first = page(world)
    key = world.house.resources.get("trunkline").api_key
    world.call("POST", "/api/v1/notices?", json={"kind": "advisory", "text": "new"}, token=key)
    assert world.call("GET", "/status?").body.decode() == first
    assert "new</li>" in page(world)
