"""Chat with Microsoft's own SDK, over TLS: its synchronous and its asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.communication.chat import (
    ChatClient,
    ChatMessageType,
    ChatParticipant,
    CommunicationTokenCredential,
    CommunicationUserIdentifier,
)
from azure.communication.chat.aio import ChatClient as AsyncChatClient
from azure.communication.chat.aio import CommunicationTokenCredential as AsyncCommunicationTokenCredential
from azure.communication.identity import CommunicationIdentityClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from trunkline.library.served import Server


class Person:
    """A user with a chat client."""

    def __init__(self, served: Server, identity: CommunicationIdentityClient) -> None:
        user, token = identity.create_user_and_token(["chat"])
        self.id: str = user.properties["id"]
        self.token = token.token
        self.identifier = CommunicationUserIdentifier(self.id)
        self.options: dict[str, Any] = {"connection_verify": served.connection.ca_file, "retry_total": 0}
        self.chat = ChatClient(served.url, CommunicationTokenCredential(self.token), **self.options)

    def thread(self, thread_id: str) -> Any:
        """Return a client of a thread."""
        return self.chat.get_chat_thread_client(thread_id, **self.options)


@pytest.fixture
def people(served: Server) -> Iterator[tuple[Person, Person, Person]]:
    """Three users."""
    identity = CommunicationIdentityClient.from_connection_string(
        served.connection.connection_string, connection_verify=served.connection.ca_file
    )
    with closing(identity._identity_service_client):
        ann, bob, cleo = (Person(served, identity) for _ in range(3))
    with ann.chat, bob.chat, cleo.chat:
        yield ann, bob, cleo


def test_a_conversation(people: tuple[Person, Person, Person]) -> None:
    """A thread is created, spoken in, read, changed, and deleted."""
    ann, bob, cleo = people
    created = ann.chat.create_chat_thread(
        "lunch", thread_participants=[ChatParticipant(identifier=bob.identifier, display_name="Bob")]
    )
    assert not created.errors
    thread_id = created.chat_thread.id
    with ann.thread(thread_id) as hers, bob.thread(thread_id) as his, cleo.thread(thread_id) as theirs:
        first = hers.send_message("hello", sender_display_name="Ann", metadata={"k": "v"})
        second = his.send_message("<b>hi</b><script>x()</script>", chat_message_type=ChatMessageType.HTML)
        his.send_typing_notification(sender_display_name="Bob")
        his.send_read_receipt(first.id)
        hers.update_message(first.id, "hello there", metadata={"k": "w"})
        hers.update_topic("late lunch")

        listed = list(his.list_messages())
        assert [one.type for one in listed] == ["topicUpdated", "html", "text", "topicUpdated", "participantAdded"]
        assert [one.sequence_id for one in listed] == ["5", "4", "3", "2", "1"]
        assert listed[1].content.message == "<b>hi</b>"
        assert listed[2].content.message == "hello there"
        assert listed[2].edited_on is not None
        assert listed[2].metadata == {"k": "w"}
        assert listed[-1].content.participants[1].display_name == "Bob"
        assert his.get_message(second.id).sender.properties["id"] == bob.id
        assert [one.chat_message_id for one in hers.list_read_receipts()] == [first.id]
        assert hers.get_properties().topic == "late lunch"

        with pytest.raises(HttpResponseError) as refused:
            theirs.send_message("let me in")
        assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")
        yesterday = datetime.now(UTC) - timedelta(days=1)
        assert his.add_participants([ChatParticipant(identifier=cleo.identifier, share_history_time=yesterday)]) == []
        assert [one.identifier.properties["id"] for one in theirs.list_participants()] == [ann.id, bob.id, cleo.id]
        assert len(list(theirs.list_messages())) == 6
        hers.remove_participant(cleo.identifier)
        with pytest.raises(HttpResponseError):
            theirs.get_properties()
        assert next(iter(theirs.list_messages())).type == "participantRemoved"

        his.delete_message(second.id)
        assert his.get_message(second.id).deleted_on is not None
        with pytest.raises(HttpResponseError):
            his.delete_message(first.id)
    ann.chat.delete_chat_thread(thread_id)
    with bob.thread(thread_id) as gone, pytest.raises(ResourceNotFoundError):
        gone.get_properties()
    assert next(iter(bob.chat.list_chat_threads())).deleted_on is not None


def test_pages_are_followed_by_the_sdk(people: tuple[Person, Person, Person]) -> None:
    """Small pages, everything once, from a start that was asked for."""
    ann, bob, _ = people
    threads = [ann.chat.create_chat_thread(f"topic {number}").chat_thread.id for number in range(5)]
    pages = [[one.id for one in page] for page in ann.chat.list_chat_threads(results_per_page=2).by_page()]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == threads[::-1]
    with ann.thread(threads[0]) as thread:
        sent = [thread.send_message(str(number)).id for number in range(7)]
        listed = [one.id for one in thread.list_messages(results_per_page=3)]
        assert listed[:7] == sent[::-1]
        assert len(listed) == 9
        thread.add_participants([ChatParticipant(identifier=bob.identifier)])
        skipped = list(thread.list_participants(results_per_page=1, skip=1))
        assert [one.identifier.properties["id"] for one in skipped] == [bob.id]


def test_a_repeated_creation_gives_the_same_thread(people: tuple[Person, Person, Person]) -> None:
    """The SDK's idempotency token."""
    ann, _, _ = people
    first, again = (ann.chat.create_chat_thread("topic", idempotency_token="once").chat_thread.id for _ in range(2))
    assert first == again


def test_who_cannot_join_arrives_as_an_error_beside_the_thread(people: tuple[Person, Person, Person]) -> None:
    """The thread is there all the same."""
    ann, bob, _ = people
    nobody = CommunicationUserIdentifier(f"{bob.id[:-4]}0000")
    created = ann.chat.create_chat_thread("topic", thread_participants=[ChatParticipant(identifier=nobody)])
    with ann.thread(created.chat_thread.id) as thread:
        added = thread.add_participants([ChatParticipant(identifier=nobody)])
    for errors in (created.errors, added):
        ((who, error),) = errors
        assert (who.identifier.properties["id"], error.code) == (nobody.properties["id"], "404")


def test_a_revoked_token_opens_nothing(served: Server, people: tuple[Person, Person, Person]) -> None:
    """The SDK gets its authentication error."""
    ann, _, _ = people
    identity = CommunicationIdentityClient.from_connection_string(
        served.connection.connection_string, connection_verify=served.connection.ca_file
    )
    with closing(identity._identity_service_client):
        identity.revoke_tokens(ann.identifier)
    with pytest.raises(ClientAuthenticationError):
        ann.chat.create_chat_thread("topic")


def test_the_asynchronous_client_converses_too(served: Server, people: tuple[Person, Person, Person]) -> None:
    """The same journey in short."""
    ann, bob, _ = people

    async def journey() -> None:
        credential = AsyncCommunicationTokenCredential(ann.token)
        async with AsyncChatClient(served.url, credential, **ann.options) as chat:
            created = await chat.create_chat_thread(
                "topic", thread_participants=[ChatParticipant(identifier=bob.identifier)]
            )
            async with chat.get_chat_thread_client(created.chat_thread.id, **ann.options) as thread:
                sent = await asyncio.gather(*(thread.send_message(str(number)) for number in range(10)))
                listed = [one async for one in thread.list_messages(results_per_page=4)]
                assert {one.id for one in sent} == {one.id for one in listed[:10]}
                assert [one.sequence_id for one in listed] == [str(number) for number in range(12, 0, -1)]
                await thread.update_message(sent[0].id, content="changed")
                await thread.send_read_receipt(sent[0].id)
                assert len([one async for one in thread.list_read_receipts()]) == 1
                await thread.send_typing_notification()
                await thread.remove_participant(bob.identifier)
                assert len([one async for one in thread.list_participants()]) == 1
                await thread.delete_message(sent[1].id)
            await chat.delete_chat_thread(created.chat_thread.id)

    asyncio.run(journey())
