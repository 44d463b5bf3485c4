"""The page at `/`."""

from __future__ import annotations

import base64
import hashlib
import re

from tests.support.world import World


def test_the_page_says_what_this_is_and_where_to_go_on(world: World) -> None:
    """Whoever opens the address finds the commands and the API."""
    answer = world.call("GET", "/?")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = answer.body.decode()
    for wanted in ("Trunkline", "trunkline connection", "/api/v1/catalogue", "docs", "not affiliated"):
        assert wanted in text


def test_the_page_runs_nothing_and_loads_nothing(world: World) -> None:
    """The policy admits its own style by its digest, and no script at all."""
    answer = world.call("GET", "/?")
    text, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert "<script" not in text
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_the_module_for_clients_logs_is_at_a_stable_path(world: World) -> None:
    """Any page may load it: nothing in it is secret."""
    answer = world.call("GET", "/client-logs.mjs?")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "export function sendLogs(" in answer.body.decode()


def test_the_page_is_only_at_its_own_address(world: World) -> None:
    """Nothing else is served from there, and nothing is taken."""
    assert world.call("POST", "/?").status == 405
    assert world.call("GET", "/index.html?").status == 404
