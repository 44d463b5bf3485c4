"""Two servers on one PostgreSQL, used by Microsoft's chat SDK: as one service, whichever is asked, whichever dies."""

from __future__ import annotations

import asyncio
import gc
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.communication.chat import ChatClient, ChatParticipant, CommunicationTokenCredential
from azure.communication.chat import CommunicationUserIdentifier as User
from azure.communication.identity import CommunicationIdentityClient
from azure.core.exceptions import AzureError

from tests.crash.life import Life
from tests.support import states
from tests.support.webhook import Webhook, webhook
from trunkline.clock import monotonic
from trunkline.connection import Connection
from trunkline.events.subscription import Spec
from trunkline.library.served import serve

PATIENCE_S = 20.0
RECEIVED = "ChatMessageReceived"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a webhook."""
    with webhook() as running:
        yield running


class Client:
    """The SDK's clients of one server."""

    def __init__(self, stack: ExitStack, https: str, connection_string: str, ca_file: str) -> None:
        self._stack, self._https = stack, https
        self._options: dict[str, Any] = {"connection_verify": ca_file, "retry_total": 0}
        self.identity = CommunicationIdentityClient.from_connection_string(connection_string, **self._options)
        stack.enter_context(closing(self.identity._identity_service_client))

    def user(self) -> tuple[User, str]:
        """Make a user with a token."""
        user, token = self.identity.create_user_and_token(["chat"])
        return User(user.properties["id"]), token.token

    def chat(self, token: str) -> ChatClient:
        """Return a chat client for a token, whichever server granted it."""
        credential = CommunicationTokenCredential(token)
        return self._stack.enter_context(ChatClient(self._https, credential, **self._options))

    def thread(self, token: str, thread_id: str) -> Any:
        """Return a client of a thread."""
        return self._stack.enter_context(self.chat(token).get_chat_thread_client(thread_id, **self._options))


def of_life(stack: ExitStack, place: Connection) -> Client:
    """Return clients of a server in a process of its own."""
    return Client(stack, place.https, place.connection_string, place.ca_file)


def test_a_conversation_over_two_servers(tmp_path: Path, hook: Webhook) -> None:
    """Users, tokens, threads, messages and events are one, and each event is told once."""
    url = states.server().fresh()
    with ExitStack() as stack:
        one = stack.enter_context(serve(tmp_path / "one", database=url))
        two = stack.enter_context(serve(tmp_path / "two", database=url))
        first, second = of_life(stack, one.connection), of_life(stack, two.connection)
        # asked of the one that stands by: the one on duty has to hear of it
        two.run(two.house.subscriptions.create_or_update("trunkline", "all", Spec(url=hook.url)))
        assert two.run(two.house.subscriptions.settled("trunkline", "all")).state == "active"
        (ann, ann_token), (bob, bob_token) = first.user(), second.user()
        members = [ChatParticipant(identifier=user) for user in (ann, bob)]
        created = first.chat(ann_token).create_chat_thread("lunch", thread_participants=members)
        thread_id = created.chat_thread.id
        threads = [first.thread(ann_token, thread_id), second.thread(bob_token, thread_id)]
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda n: threads[n % 2].send_message(str(n)).id, range(60)))
        assert len(set(ids)) == 60
        seen = [message for message in threads[0].list_messages() if message.type == "text"]
        assert {message.id for message in seen} == set(ids)
        assert len({message.sequence_id for message in seen}) == 60
        events = hook.wait(60, RECEIVED)
        for user in (ann, bob):
            second.identity.revoke_tokens(user)
        assert Counter(event["data"]["messageId"] for event in events) == Counter(dict.fromkeys(ids, 1))
        assert Counter(event["id"] for event in hook.events()).most_common(1)[0][1] == 1
        assert two.house.dispatcher.told == 0  # it stands by


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_when_the_server_on_duty_is_killed_the_other_goes_on(tmp_path: Path, hook: Webhook) -> None:
    """Kill -9 amid messages: what it acknowledged is there and told, by the other, and nothing under two ids."""
    (tmp_path / "settings.toml").write_text(f'database = "{states.server().fresh()}"\n')
    words = ("--config", str(tmp_path / "settings.toml"))
    lives = []
    with ExitStack() as stack:
        clients = []
        for name in ("one", "two"):
            life = Life(tmp_path / name, tmp_path / f"{name}.log", *words)
            stack.callback(life.kill)
            lives.append(life)
            clients.append(of_life(stack, asyncio.run(life.ready())))
        place = asyncio.run(lives[1].ready())
        subscribe(place, hook.url)
        (ann, ann_token), (bob, bob_token) = clients[0].user(), clients[1].user()
        members = [ChatParticipant(identifier=user) for user in (ann, bob)]
        created = clients[1].chat(bob_token).create_chat_thread("lunch", thread_participants=members)
        thread_id = created.chat_thread.id
        threads = [clients[0].thread(ann_token, thread_id), clients[1].thread(bob_token, thread_id)]
        acknowledged: list[str] = []

        def send(number: int) -> None:
            if number == 60:
                lives[0].kill()
            try:
                acknowledged.append(threads[number % 2].send_message(str(number)).id)
            except AzureError:
                assert number % 2 == 0
                assert number >= 50

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, range(100)))
        assert len(acknowledged) == len(set(acknowledged)) >= 70
        kept = [message for message in threads[1].list_messages() if message.type == "text"]
        assert set(acknowledged) <= {message.id for message in kept}
        all_told(hook, {message.id for message in kept})
        told = {(event["data"]["messageId"], event["subject"], event["id"]) for event in hook.events(RECEIVED)}
        assert len(told) == len({(message, subject) for message, subject, _ in told})
        assert lives[1].stop() == 0
    gc.collect()  # Python's ssl leaves a connection open that a kill resets before TLS begins


def subscribe(place: Connection, url: str) -> None:
    """Subscribe a webhook over Trunkline's own API, and wait until it has agreed."""
    body = msgspec.json.encode({"name": "all", "url": url})
    headers = {"authorization": f"Bearer {place.api_key}", "content-type": "application/json"}
    wanted = urllib.request.Request(f"{place.http}/api/v1/subscriptions", body, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(wanted, timeout=20) as answer:  # noqa: S310 - the same
        assert answer.status == 201


def all_told(hook: Webhook, wanted: set[str]) -> None:
    """Wait until each message was told of."""
    end = monotonic() + PATIENCE_S
    while missing := wanted - {event["data"]["messageId"] for event in hook.events(RECEIVED)}:
        assert monotonic() < end, missing
        time.sleep(0.05)
