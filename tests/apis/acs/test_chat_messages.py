"""Chat messages through the door: sent, listed, edited, deleted; who sees which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from tests.support.asgi import Answer
from tests.support.world import HOST, User, World
from trunkline.services.chat import rules
from trunkline.state.transaction import Reader


def send(world: World, thread: str, user: User, content: str = "hello", **given: Any) -> Answer:
    """Send a message."""
    return world.call("POST", f"{thread}/messages", json={"content": content, **given}, token=user.token)


def listed(world: World, thread: str, user: User, query: str = "") -> list[Any]:
    """List a thread's messages, newest first."""
    answer = world.call("GET", f"{thread}/messages?api-version=1{query}", token=user.token)
    assert answer.status == 200, answer.body
    found: list[Any] = answer.json["value"]
    return found


def texts(world: World, thread: str, user: User) -> list[str]:
    """List what users wrote, oldest first."""
    return [one["content"]["message"] for one in reversed(listed(world, thread, user)) if one["type"] == "text"]


def test_a_message_is_sent_and_read(world: World) -> None:
    """201 with the id and Location; everything that was said comes back."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    sent = send(world, thread, ann, senderDisplayName="Ann", metadata={"k": "v"})
    message_id = sent.json["id"]
    assert sent.status == 201
    assert sent.headers["location"].endswith(f"/messages/{message_id}")
    found = world.call("GET", f"{thread}/messages/{message_id}", token=bob.token).json
    assert found == listed(world, thread, bob)[0]
    assert found["id"] == found["version"] == message_id
    assert (found["type"], found["sequenceId"], found["senderDisplayName"]) == ("text", "3", "Ann")
    assert (found["content"], found["metadata"]) == ({"message": "hello"}, {"k": "v"})
    assert found["senderCommunicationIdentifier"]["communicationUser"]["id"] == ann.id
    assert found["createdOn"].startswith("2026-11-21T12:00:00.")
    assert "editedOn" not in found
    assert "deletedOn" not in found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": "x" * 28 * 1024}, 201),
        ({"content": "x" * 28 * 1024 + "y"}, 413),
        ({"content": "é" * 14 * 1024 + "y"}, 413),
        ({"content": ""}, 400),
        ({"content": None}, 400),
        ({}, 400),
        ({"content": 7}, 400),
        ({"content": "c", "type": "image"}, 400),
        ({"content": "c", "type": "topicUpdated"}, 400),
        ({"content": "c", "senderDisplayName": "x" * 257}, 400),
        ({"content": "c", "metadata": {"a": {}}}, 400),
        ({"content": "c", "type": None, "senderDisplayName": None, "metadata": None}, 201),
    ],
)
def test_a_message_keeps_within_its_bounds(shared_world: World, body: dict[str, Any], status: int) -> None:
    """28 KB as UTF-8; two types; nobody writes system messages."""
    ann = shared_world.user()
    answer = shared_world.call("POST", f"{shared_world.thread(ann)}/messages", json=body, token=ann.token)
    assert answer.status == status
    assert (answer.code == "") == (status == 201)


def test_html_is_sanitised_and_text_is_not(world: World) -> None:
    """Scripts and handlers go, markup stays; also when a message is edited."""
    ann = world.user()
    thread = world.thread(ann)
    evil = "<b onclick='x()'>bold</b><script>steal()</script><a href='javascript:x()'>link</a>"
    for kind, kept in (("html", '<b>bold</b><a rel="noopener noreferrer">link</a>'), ("text", evil)):
        sent = send(world, thread, ann, evil, type=kind).json["id"]
        assert listed(world, thread, ann)[0]["content"]["message"] == kept
        world.call("PATCH", f"{thread}/messages/{sent}", json={"content": evil + "!"}, token=ann.token)
        assert listed(world, thread, ann)[0]["content"]["message"] == kept + "!"


def test_an_edit_is_a_merge_patch_and_a_new_version(world: World) -> None:
    """What the patch leaves out stays; null removes metadata; the id stays, the version grows."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    sent = send(world, thread, ann, metadata={"a": "1", "b": "2"}).json["id"]
    world.advance(60)
    patch = {"metadata": {"a": None, "c": "3"}}
    assert world.call("PATCH", f"{thread}/messages/{sent}", json=patch, token=ann.token).status == 204
    found = listed(world, thread, bob)[0]
    assert (found["id"], found["content"], found["metadata"]) == (sent, {"message": "hello"}, {"b": "2", "c": "3"})
    assert int(found["version"]) > int(sent)
    assert found["editedOn"] == "2026-11-21T12:01:00.000Z"
    assert found["createdOn"] < found["editedOn"]
    world.call("PATCH", f"{thread}/messages/{sent}", json={"content": "new", "metadata": None}, token=ann.token)
    again = listed(world, thread, bob)[0]
    assert (again["content"], again.get("metadata")) == ({"message": "new"}, None)
    assert int(again["version"]) > int(found["version"])
    before = world.happenings()
    assert world.call("PATCH", f"{thread}/messages/{sent}", json={}, token=ann.token).status == 204
    assert (world.happenings(), listed(world, thread, bob)[0]) == (before, again)


def test_a_deleted_message_stays_listed_without_its_content(world: World) -> None:
    """Its frame stays; deleting twice is fine, editing it is not."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    sent = send(world, thread, ann, metadata={"a": "1"}).json["id"]
    world.advance(60)
    path = f"{thread}/messages/{sent}"
    assert [world.call("DELETE", path, token=ann.token).status for _ in range(2)] == [204, 204]
    found = world.call("GET", path, token=bob.token).json
    assert found == listed(world, thread, bob)[0]
    assert (found["content"], found.get("metadata")) == ({}, None)
    assert found["deletedOn"] == "2026-11-21T12:01:00.000Z"
    assert int(found["version"]) > int(sent)
    assert world.call("PATCH", path, json={"content": "c"}, token=ann.token).status == 404
    assert [one.name for one in world.happenings()].count("chat.message.deleted") == 1


def test_only_its_sender_changes_a_message(world: World) -> None:
    """403 for other participants, and for everyone on the service's own messages; 404 for what is not there."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    sent = send(world, thread, ann).json["id"]
    system = listed(world, thread, ann)[-1]["id"]
    for user, message, status in (
        (bob, sent, 403),
        (ann, system, 403),
        (ann, "1", 404),
        (ann, "x", 404),
        (ann, "9" * 30, 404),
    ):
        path = f"{thread}/messages/{message}"
        assert world.call("PATCH", path, json={"content": "c"}, token=user.token).status == status
        assert world.call("DELETE", path, token=user.token).status == status
        assert world.call("GET", path, token=user.token).status == (200 if status == 403 else 404)


# --- who sees what ---


def test_a_newcomer_sees_nothing_from_before(world: World) -> None:
    """Unless a time is given from which the history is shared."""
    ann, bob, cleo, dan = (world.user() for _ in range(4))
    thread = world.thread(ann)
    send(world, thread, ann, "one")
    world.advance(60)
    send(world, thread, ann, "two")
    world.advance(60)
    join(world, thread, ann, bob)
    join(world, thread, ann, cleo, shareHistoryTime="2026-11-21T12:00:30Z")
    join(world, thread, ann, dan, shareHistoryTime="0001-01-01T00:00:00Z")
    send(world, thread, ann, "three")
    assert texts(world, thread, bob) == ["three"]
    assert texts(world, thread, cleo) == ["two", "three"]
    assert texts(world, thread, dan) == ["one", "two", "three"]
    # the first thing that bob sees is that he was added
    assert listed(world, thread, bob)[-1]["content"]["participants"][0]["communicationIdentifier"]["rawId"] == bob.id
    hidden = listed(world, thread, ann)[-3]["id"]
    assert world.call("GET", f"{thread}/messages/{hidden}", token=bob.token).status == 404
    people = world.call("GET", f"{thread}/participants", token=ann.token).json["value"]
    assert [one["shareHistoryTime"] for one in people[2:]] == ["2026-11-21T12:00:30.000Z", "1970-01-01T00:00:00.000Z"]


def join(world: World, thread: str, actor: User, user: User, **given: Any) -> None:
    """Add a user to a thread."""
    body = {"participants": [{"communicationIdentifier": user.model, **given}]}
    assert world.call("POST", f"{thread}/participants/:add", json=body, token=actor.token).status == 201


def leave(world: World, thread: str, actor: User, user: User) -> None:
    """Remove a user from a thread."""
    assert world.call("POST", f"{thread}/participants/:remove", json=user.model, token=actor.token).status == 204


@pytest.mark.parametrize("pause_s", [0, 0.0005, 60])
def test_who_was_removed_keeps_the_history_until_then(world: World, pause_s: float) -> None:
    """They read up to the message that tells of it, and do nothing else; however close the moments lie."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    send(world, thread, ann, "before")
    world.advance(pause_s)
    leave(world, thread, ann, bob)
    world.advance(pause_s)
    after = send(world, thread, ann, "after").json["id"]
    assert texts(world, thread, bob) == ["before"]
    newest = listed(world, thread, bob)[0]
    assert newest["type"] == "participantRemoved"
    assert newest["content"]["participants"][0]["communicationIdentifier"]["rawId"] == bob.id
    assert world.call("GET", f"{thread}/messages/{newest['id']}", token=bob.token).status == 200
    assert world.call("GET", f"{thread}/messages/{after}", token=bob.token).status == 404
    assert send(world, thread, bob).status == 403
    assert world.call("GET", thread, token=bob.token).status == 403
    assert world.call("GET", "/chat/threads", token=bob.token).json["value"] == []


def test_who_comes_back_sees_both_stays_and_not_the_time_between(world: World) -> None:
    """Nothing that could be read before is lost, page by page and message by message."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    ids = {}

    def say(text: str) -> None:
        world.advance(1)
        ids[text] = send(world, thread, ann, text).json["id"]

    say("one")
    leave(world, thread, ann, bob)
    say("two")
    join(world, thread, ann, bob)
    say("three")
    leave(world, thread, ann, bob)
    say("four")
    join(world, thread, ann, bob)
    say("five")
    assert texts(world, thread, bob) == ["one", "three", "five"]
    statuses = {
        text: world.call("GET", f"{thread}/messages/{one}", token=bob.token).status for text, one in ids.items()
    }
    assert statuses == {"one": 200, "two": 404, "three": 200, "four": 404, "five": 200}
    assert send(world, thread, bob, "six").status == 201
    everything = [one["id"] for one in listed(world, thread, bob)]
    assert everything == sorted(everything, key=int, reverse=True)
    paged, link = [], f"{thread}/messages?api-version=1&maxPageSize=2"
    while link:
        page = world.call("GET", link, token=bob.token).json
        paged += [one["id"] for one in page["value"]]
        assert len(paged) <= len(everything)
        link = page.get("nextLink", "").removeprefix(f"https://{HOST}")
    assert paged == everything
    # a longer history shared on coming back is not told twice
    leave(world, thread, ann, bob)
    join(world, thread, ann, bob, shareHistoryTime="2026-11-21T12:00:01Z")
    assert texts(world, thread, bob) == ["one", "two", "three", "four", "five", "six"]


# --- order ---


def test_fifty_at_once_get_fifty_places(world: World) -> None:
    """Distinct growing ids and gapless sequence numbers, and another thread's run is its own."""
    ann, bob = world.user(), world.user()
    first, second = world.thread(ann, bob), world.thread(bob, ann)

    async def burst() -> list[Answer]:
        return await asyncio.gather(
            *(
                world.request(
                    "POST",
                    f"{(first, second)[n % 2]}/messages",
                    json={"content": str(n)},
                    token=(ann, bob)[n % 3 % 2].token,
                )
                for n in range(100)
            )
        )

    answers = world.run(burst())
    assert {answer.status for answer in answers} == {201}
    for thread, mine in ((first, answers[::2]), (second, answers[1::2])):
        found = listed(world, thread, ann)
        ids = [int(one["id"]) for one in found]
        assert len(set(ids)) == 52
        assert ids == sorted(ids, reverse=True)
        assert [int(one["sequenceId"]) for one in found] == list(range(52, 0, -1))
        assert {answer.json["id"] for answer in mine} == {one["id"] for one in found[:50]}


def test_a_long_thread_is_numbered_without_reading_it(make_world: Callable[..., World]) -> None:
    """The next sequence number is one step into the primary key."""
    world = make_world(database="")
    question = rules._last_sequence.element.params(thread_id="19:x")
    text = question.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

    def read(reader: Reader) -> list[str]:
        rows = reader._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        return [row[3] for row in rows]

    (step,) = world.run(world.house.database.read(read))
    assert "USING INDEX" in step
    assert "thread_id=?" in step


def test_a_list_begins_where_it_is_told(world: World) -> None:
    """The earliest moment listed is startTime; 0 means all, as in the original's own links."""
    ann = world.user()
    thread = world.thread(ann)
    for text in ("one", "two", "three"):
        world.advance(60)
        send(world, thread, ann, text)
    assert len(listed(world, thread, ann, "&startTime=2026-11-21T12:02:00.000Z")) == 2
    assert len(listed(world, thread, ann, "&startTime=2026-11-21T12:02:00.001Z")) == 1
    assert len(listed(world, thread, ann, "&startTime=0")) == 5
    answer = world.call("GET", f"{thread}/messages?api-version=1&startTime=soon", token=ann.token)
    assert (answer.status, answer.json["error"]["target"]) == (400, "startTime")


def test_messages_keep_their_order_when_the_clock_is_set_back(world: World) -> None:
    """Over a restart too: ids, versions and sequence numbers only grow."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann)
    first = send(world, thread, ann, "one").json["id"]
    for text in ("uno", "un", "ein"):
        world.call("PATCH", f"{thread}/messages/{first}", json={"content": text}, token=ann.token)
    edited = listed(world, thread, ann)[0]["version"]
    for restarts in (True, False, True):
        if restarts:
            world.restart()
        world.advance(-1800)
        world.call("PATCH", f"{thread}/messages/{first}", json={"content": "eins"}, token=ann.token)
        send(world, thread, ann, f"again {restarts}")
        version = world.call("GET", f"{thread}/messages/{first}", token=ann.token).json["version"]
        assert int(version) > int(edited)
        edited = version
    join(world, thread, ann, bob)
    leave(world, thread, ann, bob)
    send(world, thread, ann, "unseen")
    found = listed(world, thread, ann)
    ids = [int(one["id"]) for one in found]
    assert ids == sorted(set(ids), reverse=True)
    assert [int(one["sequenceId"]) for one in found] == list(range(len(found), 0, -1))
    assert [one["type"] for one in listed(world, thread, bob)] == ["participantRemoved", "participantAdded"]
