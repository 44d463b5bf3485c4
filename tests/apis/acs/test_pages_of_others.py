"""Web pages of other origins use what a user's token opens, as the original lets them, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.asgi import Answer
from tests.support.world import World

ORIGIN = "https://shop.example"
WANTED = "authorization,content-type,x-ms-client-request-id,x-ms-useragent"


def preflight(world: World, path: str, *, headers: str = WANTED, method: str = "POST", **given: str) -> Answer:
    """Ask as a browser does before a page's request."""
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": method,
        "access-control-request-headers": headers,
    }
    return world.call("OPTIONS", path, headers=asked, **given)


def test_a_browser_may_call_chat_for_a_page_of_any_origin(world: World) -> None:
    """With the headers that the SDK adds; its question is no request of the service."""
    answer = preflight(world, "/chat/threads")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert set(answer.headers["access-control-allow-methods"].split(", ")) == {"GET", "POST"}
    assert answer.headers["access-control-allow-headers"] == WANTED
    assert "access-control-allow-credentials" not in answer.headers
    token = world.house.resources.get("trunkline").api_key
    counted = world.call("POST", "/api/v1/ask?", json={"measures": ["APIRequestChat"]}, token=token)
    assert [point["values"] for point in counted.json["points"]] in ([], [[0]])


def test_a_page_sees_answers_and_refusals_of_chat(world: World) -> None:
    """Also the headers by which a request is found again."""
    ann = world.user()
    thread = world.thread(ann)
    for token, status in ((ann.token, 200), ("none", 401)):
        answer = world.call("GET", thread, token=token, headers={"origin": ORIGIN})
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == answer.headers["access-control-expose-headers"] == "*"
    missing = world.call("GET", "/chat/threads/x/nothing", token=ann.token, headers={"origin": ORIGIN})
    assert (missing.status, missing.headers["access-control-allow-origin"]) == (404, "*")
    assert "access-control-allow-origin" not in world.call("GET", thread, token=ann.token).headers


@pytest.mark.parametrize("path", ["/identities", "/sms", "/nowhere"])
def test_what_an_access_key_opens_is_for_servers(world: World, path: str) -> None:
    """A page gets no leave to ask, and sees no answer."""
    answer = preflight(world, path)
    assert answer.status in {404, 405}
    assert not any(name.startswith("access-control") for name in answer.headers)
    created = world.call("POST", "/identities", json={}, key=True, headers={"origin": ORIGIN})
    assert created.status == 201
    assert "access-control-allow-origin" not in created.headers


def test_what_no_browser_asks_is_refused(world: World) -> None:
    """Header names that are none, and a name that is not the server's."""
    assert preflight(world, "/chat/threads", headers="a: b\r\nc").status == 405
    assert preflight(world, "/chat/threads", headers="x" * 1001).status == 405
    assert preflight(world, "/chat/threads", host="evil.example").status == 421
    assert world.call("OPTIONS", "/chat/threads", headers={"origin": ORIGIN}).status == 405
