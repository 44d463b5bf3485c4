"""Participants, read receipts and typing through the door."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.asgi import Answer
from tests.support.world import User, World
from trunkline.services.chat.participants import put_participant
from trunkline.state.transaction import Reader, Transaction


def add(world: World, thread: str, actor: User, *users: User, **given: Any) -> Answer:
    """Add users to a thread."""
    body = {"participants": [{"communicationIdentifier": one.model, **given} for one in users]}
    return world.call("POST", f"{thread}/participants/:add", json=body, token=actor.token)


def remove(world: World, thread: str, actor: User, user: User) -> Answer:
    """Remove a user from a thread."""
    return world.call("POST", f"{thread}/participants/:remove", json=user.model, token=actor.token)


def people(world: World, thread: str, actor: User) -> list[Any]:
    """List who takes part."""
    found: list[Any] = world.call("GET", f"{thread}/participants", token=actor.token).json["value"]
    return found


def names(world: World, thread: str, actor: User) -> list[str]:
    """List the raw ids of who takes part."""
    return [one["communicationIdentifier"]["rawId"] for one in people(world, thread, actor)]


def test_any_participant_adds_others(world: World) -> None:
    """201 with an empty answer when everyone could join; in the order of joining."""
    ann, bob, cleo = (world.user() for _ in range(3))
    thread = world.thread(ann, bob)
    answer = add(world, thread, bob, cleo, displayName="Cleo", metadata={"k": "v"})
    assert (answer.status, answer.json) == (201, {})
    assert names(world, thread, ann) == [ann.id, bob.id, cleo.id]
    newest = people(world, thread, ann)[-1]
    assert (newest["displayName"], newest["metadata"]) == ("Cleo", {"k": "v"})


def test_adding_who_is_there_changes_nothing(world: World) -> None:
    """Neither name nor history, and nobody is told."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    before, told = people(world, thread, ann), world.happenings()
    assert add(world, thread, ann, bob, displayName="Bobby", shareHistoryTime="2020-01-01T00:00:00Z").status == 201
    assert (people(world, thread, ann), world.happenings()) == (before, told)


def test_a_batch_joins_as_one(world: World) -> None:
    """One message names them all, one happening each; who cannot join is named in the answer."""
    ann, bob, cleo, gone = (world.user() for _ in range(4))
    world.call("DELETE", f"/identities/{gone.path}", key=True)
    thread = world.thread(ann)
    answer = add(world, thread, ann, bob, cleo, gone, bob)
    assert answer.status == 201
    assert [(one["target"], one["code"]) for one in answer.json["invalidParticipants"]] == [(gone.id, "404")]
    newest = world.call("GET", f"{thread}/messages", token=bob.token).json["value"][0]
    told = [one["communicationIdentifier"]["rawId"] for one in newest["content"]["participants"]]
    assert told == [bob.id, cleo.id]
    added = [one.facts["participant_id"] for one in world.happenings() if one.name == "chat.participant.added"]
    assert added == [bob.id, cleo.id]


@pytest.mark.parametrize("body", [{}, {"participants": []}, {"participants": None}, [], {"participants": [7]}])
def test_a_batch_names_someone(shared_world: World, body: Any) -> None:
    """400 otherwise."""
    ann = shared_world.user()
    answer = shared_world.call("POST", f"{shared_world.thread(ann)}/participants/:add", json=body, token=ann.token)
    assert (answer.status, answer.code) == (400, "BadRequest")


def test_users_are_removed_and_remove_themselves(world: World) -> None:
    """204; 404 for who is not there; the last one may leave too."""
    ann, bob, cleo = (world.user() for _ in range(3))
    thread = world.thread(ann, bob)
    assert remove(world, thread, ann, bob).status == 204
    assert [remove(world, thread, ann, one).status for one in (bob, cleo)] == [404, 404]
    assert names(world, thread, ann) == [ann.id]
    assert remove(world, thread, ann, ann).status == 204
    assert world.call("GET", thread, token=ann.token).status == 403
    assert world.call("POST", f"{thread}/participants/:remove", json={}, token=ann.token).status == 400


def test_who_comes_back_stands_at_the_end(world: World) -> None:
    """In the order of joining, also when several come back at once."""
    ann, bob, cleo, dan = (world.user() for _ in range(4))
    thread = world.thread(ann, bob, cleo, dan)
    for user in (cleo, bob):
        remove(world, thread, ann, user)
    for user in (cleo, bob):
        add(world, thread, ann, user)
    assert names(world, thread, ann) == [ann.id, dan.id, cleo.id, bob.id]


def test_a_user_is_known_by_any_form_of_the_identifier(world: World) -> None:
    """The raw id, or what the kind calls it."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann)
    for form in ({"rawId": bob.id}, {"communicationUser": {"id": bob.id}}, {"kind": "communicationUser", **bob.model}):
        body = {"participants": [{"communicationIdentifier": form}]}
        assert world.call("POST", f"{thread}/participants/:add", json=body, token=ann.token).status == 201
        assert names(world, thread, ann) == [ann.id, bob.id]
        assert world.call("POST", f"{thread}/participants/:remove", json=form, token=ann.token).status == 204


# --- receipts and typing ---


def send(world: World, thread: str, user: User) -> str:
    """Send a message; return its id."""
    return str(world.call("POST", f"{thread}/messages", json={"content": "c"}, token=user.token).json["id"])


def read(world: World, thread: str, user: User, message_id: str) -> Answer:
    """Send a read receipt."""
    return world.call("POST", f"{thread}/readReceipts", json={"chatMessageId": message_id}, token=user.token)


def test_each_participant_has_one_receipt_the_furthest(world: World) -> None:
    """200 without a body; an earlier message changes nothing."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    first, second = send(world, thread, ann), send(world, thread, ann)
    answer = read(world, thread, bob, first)
    assert (answer.status, answer.body) == (200, b"")
    world.advance(60)
    assert [read(world, thread, bob, one).status for one in (second, first)] == [200, 200]
    read(world, thread, ann, first)
    found = world.call("GET", f"{thread}/readReceipts", token=ann.token).json["value"]
    receipts = {one["senderCommunicationIdentifier"]["rawId"]: (one["chatMessageId"], one["readOn"]) for one in found}
    assert receipts == {
        ann.id: (first, "2026-11-21T12:01:00.000Z"),
        bob.id: (second, "2026-11-21T12:01:00.000Z"),
    }


def test_a_receipt_is_for_a_message_that_the_reader_sees(world: World) -> None:
    """404 for one that is not there, or lies before their history."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann)
    early = send(world, thread, ann)
    world.advance(1)
    add(world, thread, ann, bob)
    for message_id in (early, "1", "x", ""):
        assert read(world, thread, bob, message_id).status == 404
    assert world.call("POST", f"{thread}/readReceipts", json={}, token=bob.token).status == 400
    assert world.call("POST", f"{thread}/readReceipts", json={"chatMessageId": 7}, token=bob.token).status == 400


def test_typing_is_passed_on(world: World) -> None:
    """200 without a body; the name is told; the body may be left out."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    bodies: list[dict[str, Any]] = [{"json": {"senderDisplayName": "Ann"}}, {"json": {}}, {}]
    for given in bodies:
        answer = world.call("POST", f"{thread}/typing", token=ann.token, **given)
        assert (answer.status, answer.body) == (200, b"")
    told = [one.facts for one in world.happenings() if one.name == "chat.typing.sent"]
    assert [one["sender_display_name"] for one in told] == ["Ann", "", ""]
    assert told[0]["recipients"] == [bob.id]
    too_long = world.call("POST", f"{thread}/typing", json={"senderDisplayName": "x" * 257}, token=ann.token)
    assert too_long.status == 400


def test_receipts_and_typing_are_for_small_threads(world: World) -> None:
    """At most 20 participants."""
    users = [world.user() for _ in range(21)]
    thread = world.thread(*users[:20])
    message_id = send(world, thread, users[0])
    for status in (200, 400):
        assert read(world, thread, users[1], message_id).status == status
        assert world.call("POST", f"{thread}/typing", token=users[1].token).status == status
        add(world, thread, users[0], users[20])


def test_what_happens_is_told_to_the_others(world: World) -> None:
    """Each happening names who is told: everyone concerned but who did it."""
    ann, bob, cleo = (world.user() for _ in range(3))
    thread = world.thread(ann, bob)
    sent = send(world, thread, ann)
    path = f"{thread}/messages/{sent}"
    world.call("PATCH", path, json={"content": "d"}, token=ann.token)
    world.call("DELETE", path, token=ann.token)
    world.call("PATCH", thread, json={"topic": "t"}, token=bob.token)
    add(world, thread, ann, cleo)
    remove(world, thread, ann, bob)
    world.call("DELETE", thread, token=ann.token)
    told = [(one.name, one.facts["recipients"]) for one in world.happenings()]
    assert told == [
        ("chat.thread.created", [bob.id]),
        ("chat.message.sent", [bob.id]),
        ("chat.message.edited", [bob.id]),
        ("chat.message.deleted", [bob.id]),
        ("chat.thread.updated", [ann.id]),
        ("chat.participant.added", [bob.id, cleo.id]),
        ("chat.participant.removed", [bob.id, cleo.id]),
        ("chat.thread.deleted", [cleo.id]),
    ]


def test_every_happening_carries_what_the_catalogue_says(world: World) -> None:
    """No fact too few, so that no payload has a hole; and the cause is the request's MS-CV."""
    test_what_happens_is_told_to_the_others(world)
    ann = world.user()
    typing = world.call("POST", f"{world.thread(ann)}/typing", token=ann.token)
    happenings = world.happenings()
    assert {one.name for one in happenings} == {
        name for name in world.house.catalogue.happenings if name.startswith("chat.")
    }
    for one in happenings:
        assert {*world.house.catalogue.happenings[one.name].carries} <= {*one.facts}, one.name
    assert happenings[-1].cause == typing.headers["ms-cv"]


def test_who_was_removed_cannot_speak_from_that_moment_on(world: World) -> None:
    """Also a member who spoke just before, and whom the writer remembers; back again, they may, and are told again."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)

    def say(actor: User) -> Answer:
        return world.call("POST", f"{thread}/messages", json={"content": "Hello"}, token=actor.token)

    assert [say(bob).status, say(ann).status] == [201, 201]
    assert remove(world, thread, ann, bob).status == 204
    assert [say(bob).status, say(ann).status] == [403, 201]
    assert add(world, thread, ann, bob).status == 201
    assert say(bob).status == 201
    assert world.call("DELETE", thread, token=ann.token).status == 204
    assert [say(bob).status, say(ann).status] == [404, 404]


def test_however_many_have_left_a_thread_few_are_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done in it; who left is found by name, and who was never there stays a stranger."""
    ann, bob, cleo = (world.user() for _ in range(3))
    thread = world.thread(ann, bob)
    message = world.call("POST", f"{thread}/messages", json={"content": "c"}, token=ann.token).json["id"]
    assert remove(world, thread, ann, bob).status == 204
    now, most = world.clock.now(), 0
    left: dict[str, Any] = {"display_name": "", "metadata": {}, "joined_at": now, "shared_from": now, "removed_at": now}

    def unit(transaction: Transaction) -> None:
        for place in range(500):
            row = {"thread_id": unquote(thread.split("/")[-1]), "user_id": f"8:acs:{place}", "place": place, **left}
            transaction.hand(put_participant, earlier=[], **row)

    def counted(reader: Reader, statement: Any, **bound: Any) -> Any:
        nonlocal most
        found = read(reader, statement, **bound)
        most = max(most, len(found))
        return found

    world.run(world.house.database.write(unit))
    read = Reader.all
    monkeypatch.setattr(Reader, "all", counted)
    done = [
        world.call("PATCH", f"{thread}/messages/{message}", json={"content": "d"}, token=ann.token),
        world.call("POST", f"{thread}/typing", json={}, token=ann.token),
        world.call("POST", f"{thread}/readReceipts", json={"chatMessageId": message}, token=ann.token),
        world.call("GET", f"{thread}/messages", token=bob.token),
        add(world, thread, ann, bob),
        remove(world, thread, ann, ann),
        remove(world, thread, bob, bob),
        world.call("GET", f"{thread}/messages/{message}", token=ann.token),
        world.call("GET", f"{thread}/messages", token=cleo.token),
    ]
    assert [answer.status for answer in done] == [204, 200, 200, 200, 201, 204, 204, 200, 403]
    assert most < 20
