"""Pages of chat lists: each next link is absolute, and is followed as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.world import HOST, User, World


def follow(world: World, user: User, target: str, base: str, **given: Any) -> tuple[list[list[Any]], list[str]]:
    """Read every page; return the values of each and the links."""
    pages, links = [], []
    while target:
        answer = world.call("GET", target, token=user.token, **given)
        assert answer.status == 200, answer.body
        pages.append(answer.json["value"])
        assert len(pages) < 100
        link = answer.json.get("nextLink", "")
        assert link.startswith(base) or not link
        links.append(link)
        target = link.removeprefix(base)
    return pages, links[:-1]


@pytest.fixture(scope="module")
def busy(shared_world: World) -> tuple[World, User, str]:
    """Make a user with several threads, one of them with several messages, participants and receipts."""
    world = shared_world
    ann = world.user()
    people = [world.user() for _ in range(4)]
    thread = world.thread(ann, *people)
    for _ in range(4):
        world.advance(1)
        world.thread(ann)
    for user in [ann, *people]:
        sent = world.call("POST", f"{thread}/messages", json={"content": "c"}, token=user.token).json["id"]
        world.call("POST", f"{thread}/readReceipts", json={"chatMessageId": sent}, token=user.token)
    return world, ann, thread


@pytest.mark.parametrize("path", ["/chat/threads", "{t}/messages", "{t}/participants", "{t}/readReceipts"])
@pytest.mark.parametrize("size", [1, 2, 5, 200])
def test_pages_tell_everything_once(busy: tuple[World, User, str], path: str, size: int) -> None:
    """Whatever the size, the pages together are the list; the last one has no link."""
    world, ann, thread = busy
    path = path.format(t=thread)
    whole = world.call("GET", path, token=ann.token).json
    assert "nextLink" not in whole
    pages, links = follow(world, ann, f"{path}?api-version=2024-03-07&maxPageSize={size}", f"https://{HOST}")
    assert [one for page in pages for one in page] == whole["value"]
    assert {len(page) for page in pages[:-1]} <= {size}
    assert len(pages) == -(-len(whole["value"]) // size)
    for link in links:
        assert link.startswith(f"https://{HOST}{path}?")
        assert "api-version=2024-03-07" in link
        assert f"maxPageSize={size}" in link


def test_a_link_keeps_the_start_that_was_asked_for(busy: tuple[World, User, str]) -> None:
    """A filtered list stays filtered on every page."""
    world, ann, _ = busy
    target = "/chat/threads?api-version=1&maxPageSize=1&startTime=2026-11-21T12:00:03Z"
    pages, links = follow(world, ann, target, f"https://{HOST}")
    assert len(pages) == 3
    assert all("startTime=2026-11-21T12%3A00%3A03Z" in link for link in links)


def test_messages_that_come_meanwhile_move_no_page(busy: tuple[World, User, str]) -> None:
    """The next page goes on where the last one ended."""
    world, ann, thread = busy
    before = world.call("GET", f"{thread}/messages", token=ann.token).json["value"]
    first = world.call("GET", f"{thread}/messages?api-version=1&maxPageSize=3", token=ann.token).json
    world.call("POST", f"{thread}/messages", json={"content": "late"}, token=ann.token)
    rest, _ = follow(world, ann, first["nextLink"].removeprefix(f"https://{HOST}"), f"https://{HOST}")
    assert first["value"] + [one for page in rest for one in page] == before


@pytest.mark.parametrize(
    ("scheme", "host"), [("http", "localhost:8080"), ("https", "127.0.0.1:9"), ("https", "[::1]:8443")]
)
def test_a_link_has_the_scheme_host_and_port_of_the_request(
    busy: tuple[World, User, str], scheme: str, host: str
) -> None:
    """So that the client that follows it arrives where it was."""
    world, ann, _ = busy
    pages, _ = follow(
        world, ann, "/chat/threads?api-version=1&maxPageSize=2", f"{scheme}://{host}", scheme=scheme, host=host
    )
    assert [len(page) for page in pages] == [2, 2, 1]


def test_behind_a_proxy_a_link_has_the_address_that_the_client_used(make_world: Callable[..., World]) -> None:
    """Forwarded headers count when they come from a trusted proxy, and from nobody else."""
    world = make_world(trusted_proxies=("10.0.0.0/8",), host_names=("chat.example.com",))
    ann = world.user()
    for _ in range(2):
        world.thread(ann)
    forwarded = {"x-forwarded-host": "chat.example.com", "x-forwarded-proto": "https"}
    for client, base in (("10.1.2.3", "https://chat.example.com"), ("127.0.0.1", f"http://{HOST}")):
        follow(
            world,
            ann,
            "/chat/threads?api-version=1&maxPageSize=1",
            base,
            headers=forwarded,
            client=client,
            scheme="http",
        )


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("maxPageSize=0", "maxPageSize"),
        ("maxPageSize=-1", "maxPageSize"),
        ("maxPageSize=x", "maxPageSize"),
        ("maxPageSize=%D9%A1", "maxPageSize"),
        ("skip=-1", "skip"),
        ("syncState=%FF", "syncState"),
        ("syncState=abc", "syncState"),
        ("syncState=aGVsbG8=", "syncState"),
    ],
)
def test_a_page_that_cannot_be_is_refused(busy: tuple[World, User, str], query: str, target: str) -> None:
    """400 that names the parameter."""
    world, ann, thread = busy
    for path in ("/chat/threads", f"{thread}/messages", f"{thread}/participants", f"{thread}/readReceipts"):
        skips = path.endswith(("participants", "Receipts"))
        if (target == "skip") != skips and target != "maxPageSize":
            continue
        answer = world.call("GET", f"{path}?api-version=1&{query}", token=ann.token)
        assert (answer.status, answer.code) == (400, "BadRequest"), (path, answer)
        assert answer.json["error"]["target"] == target
    assert world.call("GET", "/chat/threads?api-version=1&maxPageSize=9999", token=ann.token).status == 200
