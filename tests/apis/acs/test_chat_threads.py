"""Chat threads through the door: created, listed, changed, deleted, and by whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.asgi import Answer
from tests.support.world import HOST, User, World


def create(world: World, user: User, **given: Any) -> Answer:
    """Create a thread with a body of the test's choice."""
    headers = given.pop("headers", None)
    return world.call("POST", "/chat/threads", json={"topic": "topic", **given}, token=user.token, headers=headers)


def messages(world: World, thread: str, user: User) -> list[Any]:
    """List a thread's messages, newest first."""
    found: list[Any] = world.call("GET", f"{thread}/messages", token=user.token).json["value"]
    return found


def test_a_thread_is_created_with_its_creator_in_it(world: World) -> None:
    """201 with Location and the properties; the creator takes part without being named."""
    ann = world.user()
    answer = create(world, ann)
    thread = answer.json["chatThread"]
    assert answer.status == 201
    assert thread["id"].startswith("19:")
    assert thread["id"].endswith("@thread.v2")
    assert answer.headers["location"] == f"https://{HOST}/chat/threads/{thread['id'].replace(':', '%3A')}"
    assert thread["topic"] == "topic"
    assert thread["createdOn"].startswith("2026-11-21T12:00:00")
    assert thread["createdByCommunicationIdentifier"]["rawId"] == ann.id
    assert "invalidParticipants" not in answer.json
    path = answer.headers["location"].removeprefix(f"https://{HOST}")
    assert world.call("GET", path, token=ann.token).json == thread
    people = world.call("GET", f"{path}/participants", token=ann.token).json["value"]
    assert [one["communicationIdentifier"]["rawId"] for one in people] == [ann.id]


def test_a_new_thread_tells_its_own_story(world: World) -> None:
    """The first messages are those of the service: who was added, and the topic."""
    ann, bob = world.user(), world.user()
    topic, added = messages(world, world.thread(ann, bob), bob)
    assert (added["type"], added["sequenceId"]) == ("participantAdded", "1")
    assert (topic["type"], topic["sequenceId"]) == ("topicUpdated", "2")
    assert topic["content"]["topic"] == "topic"
    assert topic["content"]["initiatorCommunicationIdentifier"]["rawId"] == ann.id
    everyone = [one["communicationIdentifier"]["rawId"] for one in added["content"]["participants"]]
    assert everyone == [ann.id, bob.id]
    assert int(added["id"]) < int(topic["id"])
    assert "senderCommunicationIdentifier" not in added


def test_who_cannot_join_is_named_and_the_rest_joins(world: World) -> None:
    """404 for a user that does not exist, 403 for one that may not."""
    ann, bob, gone = world.user(), world.user(), world.user()
    world.call("DELETE", f"/identities/{gone.path}", key=True)
    other = world.run(world.house.resources.create("other"))
    stranger = world.user(key=other.key1)
    wanted = [bob.model, gone.model, stranger.model, {"phoneNumber": {"value": "+14255550123"}}]
    answer = create(world, ann, participants=[{"communicationIdentifier": one} for one in wanted])
    assert answer.status == 201
    refused = {one["target"]: (one["code"], one["message"]) for one in answer.json["invalidParticipants"]}
    assert refused == {
        gone.id: ("404", "Not found"),
        stranger.id: ("403", "Permissions check failed"),
        "4:+14255550123": ("403", "Permissions check failed"),
    }
    path = answer.headers["location"].removeprefix(f"https://{HOST}")
    people = world.call("GET", f"{path}/participants", token=bob.token).json["value"]
    assert [one["communicationIdentifier"]["rawId"] for one in people] == [ann.id, bob.id]


def test_the_same_request_id_gives_the_same_thread(world: World) -> None:
    """Also with who was refused, also after a restart; another user's same id is another request."""
    ann, bob = world.user(), world.user()
    headers = {"repeatability-request-id": "r-1"}
    wrong = [{"communicationIdentifier": {"phoneNumber": {"value": "+14255550123"}}}]
    first = create(world, ann, headers=headers, participants=wrong)
    again = create(world, ann, headers=headers, topic="another")
    world.restart()
    third = create(world, ann, headers={"Repeatability-Request-ID": "r-1"})
    assert first.json == again.json == third.json
    assert first.json["invalidParticipants"]
    assert [answer.headers["repeatability-result"] for answer in (first, again, third)] == ["accepted"] * 3
    foreign = create(world, bob, headers=headers)
    unnamed = create(world, ann)
    ids = {answer.json["chatThread"]["id"] for answer in (first, foreign, unnamed)}
    assert len(ids) == 3
    assert create(world, ann, headers={"repeatability-request-id": "x" * 129}).status == 400


@pytest.mark.parametrize(
    "given",
    [
        {"topic": ""},
        {"topic": "   "},
        {"topic": None},
        {"topic": 7},
        {"topic": "x" * 251},
        {"participants": {}},
        {"participants": [{}]},
        {"participants": [{"communicationIdentifier": {}}]},
        {"participants": [{"communicationIdentifier": "8:acs:x"}]},
        {"participants": [{"communicationIdentifier": {"rawId": 7}}]},
        {"participants": [{"communicationIdentifier": {"rawId": f"8:orgid:{'x' * 193}"}}]},
        {"participants": [{"communicationIdentifier": {"microsoftTeamsUser": {"userId": "x" * 193}}}]},
        {"participants": [{"communicationIdentifier": {"communicationUser": {}}}]},
        {"participants": [{"communicationIdentifier": {"communicationUser": "8:acs:x"}}]},
        {"participants": [{"communicationIdentifier": {"microsoftTeamsApp": "x"}}]},
        {"participants": [{"communicationIdentifier": {"rawId": "8:acs:x_y"}, "displayName": "x" * 257}]},
        {"participants": [{"communicationIdentifier": {"rawId": "8:acs:x_y"}, "shareHistoryTime": "soon"}]},
        {"metadata": {"a": 7}},
        {"metadata": {"a": "x" * 5000}},
    ],
)
def test_a_thread_is_not_created_from_a_body_that_is_wrong(shared_world: World, given: dict[str, Any]) -> None:
    """400 that names the place."""
    answer = create(shared_world, shared_world.user(), **given)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.json["error"]["target"]


def test_a_thread_has_at_most_250_participants(world: World) -> None:
    """At most 200 at once, at most 250 in all; the creator is one of them."""

    async def crowd(size: int) -> list[Any]:
        answers = [await world.request("POST", "/identities", key=True) for _ in range(size)]
        return [{"communicationIdentifier": {"rawId": answer.json["identity"]["id"]}} for answer in answers]

    ann = world.user()
    people = world.run(crowd(251))
    assert create(world, ann, participants=people[:201]).status == 400
    made = create(world, ann, participants=people[:200])
    assert made.status == 201
    path = made.headers["location"].removeprefix(f"https://{HOST}")
    add = f"{path}/participants/:add"
    assert world.call("POST", add, json={"participants": people[200:250]}, token=ann.token).status == 400
    assert world.call("POST", add, json={"participants": people[200:249]}, token=ann.token).status == 201
    assert world.call("POST", add, json={"participants": people[250:251]}, token=ann.token).status == 400
    # those already there do not count twice
    assert world.call("POST", add, json={"participants": people[:50]}, token=ann.token).status == 201
    page = world.call("GET", f"{path}/participants?api-version=1&maxPageSize=200", token=ann.token).json
    rest = world.call("GET", page["nextLink"].removeprefix(f"https://{HOST}"), token=ann.token).json
    assert (len(page["value"]), len(rest["value"]), rest.get("nextLink")) == (200, 50, None)


# --- lists ---


def test_threads_are_listed_by_their_last_message(world: World) -> None:
    """Newest first; only the caller's; a message moves its thread up."""
    ann, bob = world.user(), world.user()
    threads = []
    for topic in ("a", "b", "c"):
        threads.append(world.thread(ann, topic=topic))
        world.advance(60)
    world.thread(bob, topic="not ann's")
    world.call("POST", f"{threads[0]}/messages", json={"content": "up"}, token=ann.token)
    found = world.call("GET", "/chat/threads", token=ann.token).json["value"]
    assert [one["topic"] for one in found] == ["a", "c", "b"]
    assert found[0]["lastMessageReceivedOn"] == "2026-11-21T12:03:00.000Z"
    assert "deletedOn" not in found[0]


def test_threads_are_filtered_by_their_last_activity(world: World) -> None:
    """What has been silent since startTime is left out; any RFC 3339 form is read."""
    ann = world.user()
    for topic in ("a", "b", "c"):
        world.thread(ann, topic=topic)
        world.advance(60)
    for text in ("2026-11-21T12:01:00.000Z", "2026-11-21T12:01:00.0000000%2B00:00", "2026-11-21T13:01:00+01:00"):
        found = world.call("GET", f"/chat/threads?api-version=1&startTime={text}", token=ann.token).json["value"]
        assert [one["topic"] for one in found] == ["c", "b"], text
    for text in ("soon", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        answer = world.call("GET", f"/chat/threads?api-version=1&startTime={text}", token=ann.token)
        assert (answer.status, answer.json["error"]["target"]) == (400, "startTime")


def test_a_deleted_thread_is_listed_as_deleted_and_otherwise_gone(world: World) -> None:
    """For every participant; nothing can be done with it any more."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    sent = world.call("POST", f"{thread}/messages", json={"content": "c"}, token=ann.token).json["id"]
    world.advance(5)
    assert world.call("DELETE", thread, token=ann.token).status == 204
    for user in (ann, bob):
        (one,) = world.call("GET", "/chat/threads", token=user.token).json["value"]
        assert one["deletedOn"] == "2026-11-21T12:00:05.000Z"
    assert world.call("DELETE", thread, token=bob.token).status == 204  # twice is fine
    for method, path, body in (
        ("GET", thread, None),
        ("PATCH", thread, {"topic": "t"}),
        ("GET", f"{thread}/messages", None),
        ("POST", f"{thread}/messages", {"content": "c"}),
        ("GET", f"{thread}/messages/{sent}", None),
        ("DELETE", f"{thread}/messages/{sent}", None),
        ("POST", f"{thread}/typing", {}),
        ("POST", f"{thread}/readReceipts", {"chatMessageId": sent}),
        ("GET", f"{thread}/participants", None),
        ("POST", f"{thread}/participants/:add", {"participants": [{"communicationIdentifier": bob.model}]}),
        ("POST", f"{thread}/participants/:remove", bob.model),
    ):
        answer = world.call(method, path, json=body or {}, token=bob.token)
        assert (answer.status, answer.code) == (404, "NotFound"), path


# --- changes ---


def test_a_topic_is_changed_and_the_thread_tells_of_it(world: World) -> None:
    """Any participant may; what the patch leaves out stays."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    merge = {"content-type": "application/merge-patch+json"}
    changed = world.call("PATCH", thread, json={"metadata": {"a": "1", "b": "2"}}, token=bob.token, headers=merge)
    assert (changed.status, changed.body) == (204, b"")
    assert world.call("PATCH", thread, json={"topic": "new"}, token=bob.token, headers=merge).status == 204
    assert world.call("PATCH", thread, json={"metadata": {"a": None, "c": "3"}}, token=bob.token).status == 204
    found = world.call("GET", thread, token=ann.token).json
    assert (found["topic"], found["metadata"]) == ("new", {"b": "2", "c": "3"})
    assert world.call("PATCH", thread, json={"metadata": None}, token=bob.token).status == 204
    assert "metadata" not in world.call("GET", thread, token=ann.token).json
    newest = messages(world, thread, ann)[0]
    assert (newest["type"], newest["content"]["topic"]) == ("topicUpdated", "new")
    assert newest["content"]["initiatorCommunicationIdentifier"]["rawId"] == bob.id


def test_an_empty_patch_changes_nothing_and_tells_nobody(world: World) -> None:
    """204, no event, no message; null is not a topic."""
    ann = world.user()
    thread = world.thread(ann)
    before = world.happenings()
    assert world.call("PATCH", thread, json={}, token=ann.token).status == 204
    assert world.happenings() == before
    assert len(messages(world, thread, ann)) == 2
    assert world.call("PATCH", thread, json={"topic": None}, token=ann.token).status == 400


def test_threads_and_participants_have_a_kilobyte_of_metadata(world: World) -> None:
    """A byte more is refused, at once and in a patch; a message may have more."""
    ann, bob = world.user(), world.user()
    enough, more = {"key": "x" * 1021}, {"key": "x" * 1022}

    def members(metadata: dict[str, str]) -> list[Any]:
        return [{"communicationIdentifier": bob.model, "metadata": metadata}]

    assert create(world, ann, metadata=enough, participants=members(enough)).status == 201
    assert create(world, ann, metadata=more).status == 400
    assert create(world, ann, participants=members(more)).status == 400
    thread = world.thread(ann)
    add = f"{thread}/participants/:add"
    assert world.call("POST", add, json={"participants": members(more)}, token=ann.token).status == 400
    assert world.call("PATCH", thread, json={"metadata": enough}, token=ann.token).status == 204
    refused = world.call("PATCH", thread, json={"metadata": {"k": "x"}}, token=ann.token)
    assert (refused.status, refused.json["error"]["target"]) == (400, "metadata")
    message = {"content": "c", "metadata": more}
    assert world.call("POST", f"{thread}/messages", json=message, token=ann.token).status == 201


def test_a_thread_is_not_given_a_policy_that_would_delete_it(world: World) -> None:
    """501 rather than a thread that stays although it was to go; nothing else of the patch is done."""
    ann = world.user()
    thread = world.thread(ann)
    policy = {"kind": "threadCreationDate", "deleteThreadAfterDays": 30}
    assert create(world, ann, retentionPolicy=policy).status == 501
    patch = {"topic": "new", "retentionPolicy": policy}
    assert world.call("PATCH", thread, json=patch, token=ann.token).status == 501
    assert world.call("GET", thread, token=ann.token).json["topic"] == "topic"
    for none in ({"kind": "none"}, None):
        assert world.call("PATCH", thread, json={"retentionPolicy": none}, token=ann.token).status == 204


def test_only_participants_may(world: World) -> None:
    """Anyone else gets 403, an unknown thread is 404, and so is another resource's."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann)
    other = world.run(world.house.resources.create("other"))
    stranger = world.user(key=other.key1)
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"topic": "t"}),
        ("DELETE", "", None),
        ("GET", "/messages", None),
        ("POST", "/messages", {"content": "c"}),
        ("POST", "/typing", {}),
        ("GET", "/readReceipts", None),
        ("POST", "/readReceipts", {"chatMessageId": "1"}),
        ("GET", "/participants", None),
        ("POST", "/participants/:add", {"participants": [{"communicationIdentifier": bob.model}]}),
        ("POST", "/participants/:remove", ann.model),
    ):
        answer = world.call(method, f"{thread}{path}", json=body or {}, token=bob.token)
        assert (answer.status, answer.code) == (403, "Forbidden"), path
        assert answer.json["error"]["message"] == "User is not allowed to perform specified action."
        assert world.call(method, f"{thread}{path}", json=body or {}, token=stranger.token).status == 404
        unknown = world.call(method, f"/chat/threads/19%3Anone%40thread.v2{path}", json=body or {}, token=ann.token)
        assert (unknown.status, unknown.code) == (404, "NotFound")
