"""Chat's events against the documents: who is told what, and every key with its type and format.

What a webhook gets is what is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.delivery.rig import until
from tests.events.documented import PREVIEW, RENAMED, SUBJECTS, TODAY, envelope
from tests.mission.samples import MEMBER, SMS, VENDOR
from tests.mission.shapes import NUMBER, TIME7, USER, misfits
from tests.support.asgi import Answer
from tests.support.webhook import Webhook, kind_of, webhook
from tests.support.world import User, World
from trunkline.catalogue.load import load
from trunkline.delivery import queue
from trunkline.events import outbox
from trunkline.events.filters import Filter
from trunkline.events.subscription import Spec
from trunkline.state.transaction import Reader

# --- a conversation in which everything happens ---


@dataclass
class Story:
    """What was done, by the correlation vector of its answer, and what the webhook was told of it."""

    people: dict[str, User] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def told(self, step: str) -> list[dict[str, Any]]:
        """List the events whose cause is a step."""
        return [event for event in self.events if event["data"]["transactionId"] == self.causes[step]]

    def heard(self, step: str) -> Counter[tuple[str, str]]:
        """Count a step's events by type and the name of the recipient, "" for those of the thread."""
        names = {user.id: name for name, user in self.people.items()}
        return Counter((kind_of(event), names.get(event["data"].get("recipientId"), "")) for event in self.told(step))


class Stage:
    """A world with a webhook, where steps are taken."""

    def __init__(self, world: World, hook: Webhook) -> None:
        self.world = world
        self.hook = hook
        self.story = Story()

    def subscribe(self, name: str, *types: str) -> None:
        """Subscribe the webhook under a path of its own to some types, or to all."""
        house = self.world.house
        wanted = Spec(url=f"{self.hook.base}/{name}", filter=Filter(types=tuple(VENDOR + one for one in types)))

        async def agree() -> str:
            await house.subscriptions.create_or_update(house.resources.default, name, wanted)
            return (await house.subscriptions.settled(house.resources.default, name)).state

        assert self.world.run(agree()) == "active"

    def do(self, step: str, who: str, method: str, path: str, body: Any = None) -> Answer:
        """Take a step as somebody, and remember what caused it."""
        given = {} if body is None else {"json": body}
        answer = self.world.call(method, path, token=self.story.people[who].token, **given)
        assert answer.status < 300, answer.body
        self.story.causes[step] = answer.headers["ms-cv"]
        self.world.advance(1.5)
        return answer

    def settle(self) -> None:
        """Wait until everything was told and delivered."""
        house = self.world.house

        def is_quiet(reader: Reader) -> bool:
            return not outbox.untold(reader, 1) and queue.counts(reader)["waiting"] == 0

        house.dispatcher.nudge()
        self.world.run(until(lambda: house.database.read(is_quiet)))

    def play(self) -> Story:
        """Let everything happen that chat tells of."""
        story, model = self.story, lambda who: self.story.people[who].model
        story.people = {name: self.world.user() for name in ("ann", "bob", "cleo", "dan", "eve")}

        def join(*names: str) -> list[dict[str, Any]]:
            return [{"communicationIdentifier": model(name), "displayName": name.title()} for name in names]

        created = self.do(
            "created", "ann", "POST", "/chat/threads", {"topic": "Order", "participants": join("bob", "cleo")}
        )
        thread = f"/chat/threads/{created.json['chatThread']['id']}"
        sent = self.do("sent", "bob", "POST", f"{thread}/messages", {"content": "Hi", "senderDisplayName": "Bob"})
        message = f"{thread}/messages/{sent.json['id']}"
        self.do(
            "html",
            "ann",
            "POST",
            f"{thread}/messages",
            {"content": "<b>Hi</b>", "type": "html", "metadata": {"k": "v"}},
        )
        self.do("edited", "bob", "PATCH", message, {"content": "Hello"})
        self.do("deleted", "bob", "DELETE", message)
        self.do("updated", "ann", "PATCH", thread, {"topic": "Order 1024", "metadata": {"k": "v"}})
        self.do("typing", "ann", "POST", f"{thread}/typing", {"senderDisplayName": "Ann"})
        self.do("added", "ann", "POST", f"{thread}/participants/:add", {"participants": join("dan", "eve")})
        self.do("added again", "ann", "POST", f"{thread}/participants/:add", {"participants": join("bob")})
        self.do("removed", "ann", "POST", f"{thread}/participants/:remove", model("cleo"))
        self.do("left", "bob", "POST", f"{thread}/participants/:remove", model("bob"))
        self.do("sent after", "dan", "POST", f"{thread}/messages", {"content": "Who is left?"})
        self.do("returned", "dan", "POST", f"{thread}/participants/:add", {"participants": join("cleo")})
        self.do("thread deleted", "ann", "DELETE", thread)
        self.settle()
        return story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Everything that happened, as a webhook heard it that had asked for every type by name."""
    world = World(tmp_path_factory.mktemp("story") / "world")
    with webhook() as hook:
        try:
            stage = Stage(world, hook)
            stage.subscribe("everything", *sorted({*PREVIEW, *TODAY}))
            story = stage.play()
            story.events = hook.events(target="/everything")
            yield story
        finally:
            world.close()


def of_type(story: Story, name: str) -> list[dict[str, Any]]:
    """List the events of a type; there must be some."""
    found = [event for event in story.events if kind_of(event) == name]
    assert found, f"no {name} was told"
    return found


def test_a_misfit_is_seen() -> None:
    """The check itself fails on a missing key, one too many, another type, other digits."""
    bad = {
        "time": "2020-09-18T00:47:13.1867087Z",
        "version": 1600390033176,
        "memberAdded": {"displayName": "J", "memberId": 5, "role": "owner"},
    }
    kind = {"time": TIME7, "version": NUMBER, "memberAdded": MEMBER, "addedBy": USER}
    assert misfits(bad, kind) == [
        ".addedBy is missing",
        ".memberAdded.role is too much",
        f".memberAdded.memberId: 5 is not {USER}",
    ]
    assert misfits("2020-09-18T00:47:13.186Z", TIME7)
    assert misfits("1", NUMBER)
    assert misfits(True, NUMBER)
    assert misfits([], [MEMBER])


@pytest.mark.parametrize("name", sorted(PREVIEW))
def test_what_is_held_against_an_event_includes_the_preview_s_sample(name: str) -> None:
    """The keys that are sent are those of the sample, in its formats, and those of today's schema."""
    sent = envelope(name)["data"]
    assert {key: sent.get(key) for key in PREVIEW[name]} == PREVIEW[name]
    assert set(sent) == set(PREVIEW[name]) | set(TODAY[RENAMED.get(name, name)])


@pytest.mark.parametrize("name", sorted({*PREVIEW, *TODAY}))
def test_an_event_has_the_documented_keys_and_no_other(story: Story, name: str) -> None:
    """In the envelope and on every level of the data, with their types and formats; the subject says what these say."""
    for event in of_type(story, name):
        data = event["data"]
        assert misfits(event, envelope(name), name) == []
        assert event["subject"] == "thread/{threadId}/".format_map(data) + SUBJECTS[name].format_map(data)


def test_the_catalogue_tells_every_documented_type_and_no_other() -> None:
    """A type that is added must be held against its document: chat's here, text messages' in tests/mission."""
    assert {*PREVIEW, *TODAY} == set(SUBJECTS)
    told = {name for name, row in load().event_types.items() if not row.is_named_only}
    assert {name.removeprefix(VENDOR) for name in told} == {*SUBJECTS, *SMS}


def test_old_and_new_keys_say_the_same(story: Story) -> None:
    """A raw id beside its identifier, a member beside its participant."""
    for event in story.events:
        data = event["data"]
        for old, new in (("senderId", "sender"), ("recipientId", "recipient")):
            if old in data:
                assert data[f"{new}CommunicationIdentifier"]["rawId"] == data[old]
        for old in ("createdBy", "deletedBy", "editedBy", "addedBy", "removedBy"):
            if old in data:
                assert data[f"{old}CommunicationIdentifier"]["rawId"] == data[old]
        pairs = list(zip(data.get("members", []), data.get("participants", []), strict=True))
        pairs += [
            (data[f"member{how}"], data[f"participant{how}"]) for how in ("Added", "Removed") if f"member{how}" in data
        ]
        for member, participant in pairs:
            assert member["memberId"] == participant["participantCommunicationIdentifier"]["rawId"]
            assert member["displayName"] == participant["displayName"]


def test_contents_are_those_of_the_conversation(story: Story) -> None:
    """Not only the shape: bodies, names, kinds, topics, metadata."""
    ids = {name: user.id for name, user in story.people.items()}

    def data(step: str, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = next(event["data"] for event in story.told(step) if kind_of(event) == kind)
        return found

    received = data("sent", "ChatMessageReceived")
    assert (received["messageBody"], received["senderDisplayName"], received["type"]) == ("Hi", "Bob", "Text")
    rich = data("html", "ChatMessageReceivedInThread")
    assert (rich["messageBody"], rich["type"], rich["metadata"]) == ("<b>Hi</b>", "Html", {"k": "v"})
    edited = data("edited", "ChatMessageEdited")
    assert (edited["messageBody"], edited["messageId"]) == ("Hello", received["messageId"])
    assert edited["composeTime"] == received["composeTime"] < edited["editTime"]
    assert received["version"] == int(received["messageId"]) < edited["version"]
    assert "messageBody" not in data("deleted", "ChatMessageDeleted")
    created = data("created", "ChatThreadCreatedWithUser")
    assert created["properties"] == {"topic": "Order"}
    assert [(one["displayName"], one["memberId"]) for one in created["members"]] == [
        ("", ids["ann"]),
        ("Bob", ids["bob"]),
        ("Cleo", ids["cleo"]),
    ]
    updated = data("updated", "ChatThreadPropertiesUpdatedPerUser")
    assert (updated["properties"], updated["metadata"]) == ({"topic": "Order 1024"}, {"k": "v"})
    assert updated["createTime"] == created["createTime"]
    assert data("removed", "ChatThreadParticipantRemoved")["memberRemoved"] == {
        "displayName": "Cleo",
        "memberId": ids["cleo"],
    }
    assert data("typing", "ChatTypingIndicatorReceivedInThread")["senderDisplayName"] == "Ann"


# --- who is told what ---


@pytest.mark.parametrize(
    ("step", "per_user", "recipients", "per_thread"),
    [
        ("created", "ChatThreadCreatedWithUser", "bob cleo", "ChatThreadCreated"),
        ("sent", "ChatMessageReceived", "ann cleo", "ChatMessageReceivedInThread"),
        ("html", "ChatMessageReceived", "bob cleo", "ChatMessageReceivedInThread"),
        ("edited", "ChatMessageEdited", "ann cleo", "ChatMessageEditedInThread"),
        ("deleted", "ChatMessageDeleted", "ann cleo", "ChatMessageDeletedInThread"),
        ("updated", "ChatThreadPropertiesUpdatedPerUser", "bob cleo", "ChatThreadPropertiesUpdated"),
        ("sent after", "ChatMessageReceived", "ann eve", "ChatMessageReceivedInThread"),
        ("thread deleted", "ChatThreadWithUserDeleted", "cleo dan eve", "ChatThreadDeleted"),
        # a removed user hears of the removal, an added one of the joining; whoever leaves knows it
        ("removed", "ChatParticipantRemovedFromThreadWithUser", "bob cleo dan eve", "ChatThreadParticipantRemoved"),
        ("left", "ChatParticipantRemovedFromThreadWithUser", "ann dan eve", "ChatThreadParticipantRemoved"),
        ("returned", "ChatParticipantAddedToThreadWithUser", "ann cleo eve", "ChatThreadParticipantAdded"),
    ],
)
def test_each_participant_but_the_actor_is_told_once_and_the_thread_once(
    story: Story, step: str, per_user: str, recipients: str, per_thread: str
) -> None:
    """Nobody twice, nobody else; under the preview's name too where there is one and it was asked for."""
    old = [name for name, new in RENAMED.items() if new == per_user]
    expected = Counter([(name, who) for name in (per_user, *old) for who in recipients.split()])
    assert story.heard(step) == expected + Counter([(per_thread, "")])


def test_of_two_who_join_together_everyone_is_told_of_each(story: Story) -> None:
    """An event for each of them, to each participant, the new ones too."""
    expected: Counter[tuple[str, str]] = Counter()
    for name in ("ChatParticipantAddedToThreadWithUser", "ChatMemberAddedToThreadWithUser"):
        expected.update({(name, who): 2 for who in ("bob", "cleo", "dan", "eve")})
    expected["ChatThreadParticipantAdded", ""] = 2
    assert story.heard("added") == expected
    added = {(event["data"]["memberAdded"]["displayName"], event["subject"]) for event in story.told("added")}
    assert len(added) == 2 * (4 + 4 + 1)


def test_typing_is_told_of_the_thread_only(story: Story) -> None:
    """And adding who is there already is no happening."""
    assert story.heard("typing") == Counter([("ChatTypingIndicatorReceivedInThread", "")])
    assert story.heard("added again") == Counter()


def test_nothing_is_told_that_nobody_did(story: Story) -> None:
    """Every event belongs to a step, and has an id of its own."""
    assert sum(len(story.told(step)) for step in story.causes) == len(story.events)
    assert len({event["id"] for event in story.events}) == len(story.events)


def test_preview_names_go_to_whoever_names_them(make_world: Any) -> None:
    """To nobody else; in any case."""
    world = make_world()
    with webhook() as hook:
        stage = Stage(world, hook)
        stage.subscribe("plain")
        stage.subscribe("naming", "CHATMEMBERADDEDTOTHREADWITHUSER", "ChatMessageReceived")
        stage.play()
        plain = {kind_of(event) for event in hook.events(target="/plain")}
        assert plain == set(TODAY)
        assert {kind_of(event) for event in hook.events(target="/naming")} == {
            "ChatMemberAddedToThreadWithUser",
            "ChatMessageReceived",
        }


def test_a_setting_sends_the_preview_names_to_all(make_world: Any) -> None:
    """But not to whoever names other types."""
    world = make_world(preview_event_types=True)
    with webhook() as hook:
        stage = Stage(world, hook)
        stage.subscribe("plain")
        stage.subscribe("naming", "ChatMessageReceived")
        stage.play()
        assert {kind_of(event) for event in hook.events(target="/plain")} == {*TODAY, *PREVIEW}
        assert {kind_of(event) for event in hook.events(target="/naming")} == {"ChatMessageReceived"}
