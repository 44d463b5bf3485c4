"""The documented service limits as a setting: 429 with Retry-After above them, nothing when it is off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.asgi import Answer
from tests.support.world import User, World


@pytest.fixture
def limited(make_world: Callable[..., World]) -> World:
    """Give a world with the limits on."""
    return make_world(service_limits=True)


def send(world: World, thread: str, user: User) -> Answer:
    """Send a message."""
    return world.call("POST", f"{thread}/messages", json={"content": "c"}, token=user.token)


def test_by_default_there_are_no_limits(world: World) -> None:
    """A load test is not told to wait."""
    ann = world.user()
    thread = world.thread(ann)
    assert {send(world, thread, ann).status for _ in range(40)} == {201}


def test_above_the_limit_the_answer_says_when_to_come_back(limited: World) -> None:
    """Ten messages in ten seconds per thread, whoever sends; who waits as told is served."""
    ann, bob = limited.user(), limited.user()
    thread, other = limited.thread(ann, bob), limited.thread(ann)
    for number in range(10):
        assert send(limited, thread, (ann, bob)[number % 2]).status == 201
        limited.advance(0.25)
    refused = send(limited, thread, bob)
    assert (refused.status, refused.code) == (429, "TooManyRequests")
    assert refused.json["error"]["message"].startswith("Rate limit exceeded")
    assert refused.headers["retry-after"] == "8"
    assert send(limited, other, ann).status == 201
    limited.advance(7)
    assert send(limited, thread, ann).status == 429
    limited.advance(1)
    assert send(limited, thread, ann).status == 201


def test_edits_and_deletions_count_with_messages(limited: World) -> None:
    """They share one limit; reading has its own."""
    ann = limited.user()
    thread = limited.thread(ann)
    path = f"{thread}/messages/{send(limited, thread, ann).json['id']}"
    for _ in range(8):
        assert limited.call("PATCH", path, json={"content": "d"}, token=ann.token).status == 204
    assert limited.call("DELETE", path, token=ann.token).status == 204
    assert send(limited, thread, ann).status == 429
    assert limited.call("DELETE", path, token=ann.token).status == 429
    assert limited.call("GET", path, token=ann.token).status == 200


def test_the_minute_has_a_limit_of_its_own(limited: World) -> None:
    """Thirty a minute, however evenly they come; Retry-After is the longer wait."""
    ann = limited.user()
    thread = limited.thread(ann)
    for _ in range(30):
        assert send(limited, thread, ann).status == 201
        limited.advance(1.5)
    refused = send(limited, thread, ann)
    assert (refused.status, refused.headers["retry-after"]) == (429, "15")
    limited.advance(15)
    assert send(limited, thread, ann).status == 201


def test_who_is_not_identified_takes_nothing_from_anyone(limited: World) -> None:
    """A stranger's requests are refused before they count."""
    ann = limited.user()
    thread = limited.thread(ann)
    for _ in range(20):
        assert limited.call("POST", f"{thread}/messages", json={"content": "c"}, token="forged").status == 401
    assert send(limited, thread, ann).status == 201


def test_identities_are_limited_per_resource(limited: World) -> None:
    """A thousand in thirty seconds; another resource has its own thousand."""

    async def create(count: int, key: str) -> list[int]:
        return [(await limited.request("POST", "/identities", key=key)).status for _ in range(count)]

    other = limited.run(limited.house.resources.create("other"))
    assert limited.run(create(1001, limited.key)) == [201] * 1000 + [429]
    assert limited.run(create(1, other.key1)) == [201]
