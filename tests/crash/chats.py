"""Chat as traffic: messages in a few threads, told to each recipient and once for the thread."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote, urlsplit

from tests.crash.caller import Caller
from tests.crash.traffic import Found, Key, RefusedError, Traffic

PER_USER = "ChatMessageReceived"
IN_THREAD = "ChatMessageReceivedInThread"
THREADS = 3
MEMBERS = 3


class Chats(Traffic):
    """Messages that one member of each thread sends to the others."""

    name = "chat"
    service, operation, status = "chat", "SendChatMessage", "201"
    event_types = (PER_USER, IN_THREAD)

    def __init__(self) -> None:
        super().__init__()
        self._token = ""
        self._sender = ""
        self._others: tuple[str, ...] = ()
        self._threads: list[str] = []
        self._turn = itertools.count()

    async def prepare(self, caller: Caller) -> None:
        """Make the users and the threads."""
        made = [await self._user(caller) for _ in range(MEMBERS)]
        (self._sender, self._token), *others = made
        self._others = tuple(user for user, _ in others)
        joining = [{"communicationIdentifier": {"rawId": user}} for user in self._others]
        for number in range(THREADS):
            body = {"topic": f"thread {number}", "participants": joining}
            answer = await caller.spoken(self._token, "POST", "/chat/threads", body)
            assert answer.status == 201, answer
            self._threads.append(answer.body["chatThread"]["id"])

    async def _user(self, caller: Caller) -> tuple[str, str]:
        answer = await caller.signed("POST", "/identities", {"createTokenWithScopes": ["chat"]})
        assert answer.status == 201, answer
        return answer.body["identity"]["id"], answer.body["accessToken"]["token"]

    async def send(self, caller: Caller, word: str) -> str:
        """Send a message to the threads in turn."""
        thread = self._threads[next(self._turn) % THREADS]
        answer = await caller.spoken(self._token, "POST", _messages(thread), {"content": word, "type": "text"})
        if answer.status != 201:
            raise RefusedError(f"{answer.status} {answer.body}")
        return f"{thread} {answer.body['id']}"

    async def find(self, caller: Caller) -> list[Found]:
        """List the messages of every thread, page by page, as a recipient's code would."""
        found: list[Found] = []
        for thread in self._threads:
            target = f"{_messages(thread)}?maxPageSize=200"
            while target:
                answer = await caller.spoken(self._token, "GET", target)
                assert answer.status == 200, answer
                found += [
                    Found(one["content"]["message"], f"{thread} {one['id']}")
                    for one in answer.body["value"]
                    if one["type"] == "text"
                ]
                link = urlsplit(answer.body.get("nextLink", ""))
                target = f"{link.path}?{link.query}" if link.path else ""
        return found

    def owed(self, found: Found) -> set[Key]:
        """One event a recipient, and one for the thread."""
        return {
            (IN_THREAD, found.id, found.word, self._sender, ""),
            *((PER_USER, found.id, found.word, self._sender, other) for other in self._others),
        }

    def key(self, event: dict[str, Any]) -> Key | None:
        """Everything that tells one such event from another."""
        kind, data = event["eventType"].rpartition(".")[2], event["data"]
        if kind not in self.event_types:
            return None
        message = f"{data['threadId']} {data['messageId']}"
        return kind, message, data["messageBody"], data["senderId"], data.get("recipientId", "")


def _messages(thread: str) -> str:
    return f"/chat/threads/{quote(thread, safe='')}/messages"
