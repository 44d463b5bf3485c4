"""Chat: threads, messages, participants, receipts and typing (api-version 2025-03-15 and before)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.acs.chat_forms import (
    AddRequest,
    IdentifierForm,
    MessagePatch,
    ReceiptRequest,
    SendRequest,
    ThreadPatch,
    ThreadRequest,
    TypingRequest,
    joining,
    message,
    moment,
    participant,
    receipt,
    refused,
    summary,
    thread,
    user_id,
)
from trunkline.errors import InvalidError, NotFoundError, UnservedError
from trunkline.services.chat import Chat

PAGE = 200
_FOREIGN_STATE = "syncState is not one that this server gave."


class ChatHandlers:
    """The operations of chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "CreateChatThread": self.create_thread,
            "ListChatThreads": self.list_threads,
            "GetChatThread": self.get_thread,
            "UpdateChatThread": self.update_thread,
            "DeleteChatThread": self.delete_thread,
            "SendChatMessage": self.send_message,
            "ListChatMessages": self.list_messages,
            "GetChatMessage": self.get_message,
            "UpdateChatMessage": self.update_message,
            "DeleteChatMessage": self.delete_message,
            "GetReadReceipts": self.list_receipts,
            "SendReadReceipt": self.send_receipt,
            "SendTypingIndicator": self.send_typing,
            "ListChatThreadParticipants": self.list_participants,
            "AddChatThreadParticipants": self.add_participants,
            "RemoveChatThreadParticipant": self.remove_participant,
        }

    # --- threads ---

    async def create_thread(self, exchange: Exchange) -> Response:
        """Create a thread; with the same repeatability-request-id it is the same thread."""
        body = exchange.json(ThreadRequest)
        _check_retention(body.retention_policy)
        request = exchange.headers.get("repeatability-request-id", "")
        if len(request) > 128:
            raise InvalidError(
                "repeatability-request-id has at most 128 characters.", target="repeatability-request-id"
            )
        created, left_out = await self._chat.threads.create(
            exchange.actor, body.topic, joining(body.participants), body.metadata or {}, request
        )
        exchange.extra["chat_thread_id"] = created.id
        headers = {"Location": _thread_url(exchange, created.id)}
        if request:
            headers["Repeatability-Result"] = "accepted"
        answer: dict[str, Any] = {"chatThread": thread(created)}
        if left_out:
            answer["invalidParticipants"] = refused(left_out)
        return json_response(answer, 201, headers)

    async def list_threads(self, exchange: Exchange) -> Response:
        """List the caller's threads, the one with the latest message first."""
        most = exchange.number("maxPageSize", default=PAGE, least=1, most=PAGE)
        found = await self._chat.threads.list(
            exchange.actor, most=most + 1, since=_start(exchange), after=_position(exchange)
        )
        last = found[most - 1] if len(found) > most else None
        state = f"{last.last_id} {last.id}" if last else ""
        return _page(exchange, [summary(one) for one in found[:most]], state)

    async def get_thread(self, exchange: Exchange) -> Response:
        """Get a thread's properties."""
        return json_response(thread(await self._chat.threads.get(exchange.actor, exchange.params["thread_id"])))

    async def update_thread(self, exchange: Exchange) -> Response:
        """Change a thread's properties by merge patch."""
        body = exchange.json(ThreadPatch)
        _check_retention(body.retention_policy)
        if body.topic is None:
            raise InvalidError("The topic cannot be removed.", target="topic")
        topic = None if body.topic is msgspec.UNSET else str(body.topic)
        await self._chat.threads.update(exchange.actor, exchange.params["thread_id"], topic, body.metadata)
        return Response(status_code=204)

    async def delete_thread(self, exchange: Exchange) -> Response:
        """Delete a thread."""
        await self._chat.threads.delete(exchange.actor, exchange.params["thread_id"])
        return Response(status_code=204)

    # --- messages ---

    async def send_message(self, exchange: Exchange) -> Response:
        """Send a message."""
        body = exchange.json(SendRequest)
        thread_id = exchange.params["thread_id"]
        message_id = await self._chat.messages.send(
            exchange.actor,
            thread_id,
            body.content,
            kind=body.type or "text",
            sender_display_name=body.sender_display_name or "",
            metadata=body.metadata or {},
        )
        exchange.extra["chat_message_id"] = str(message_id)
        location = f"{_thread_url(exchange, thread_id)}/messages/{message_id}"
        return json_response({"id": str(message_id)}, 201, {"Location": location})

    async def list_messages(self, exchange: Exchange) -> Response:
        """List messages, newest first."""
        most = exchange.number("maxPageSize", default=PAGE, least=1, most=PAGE)
        position = _position(exchange)
        found = await self._chat.messages.list(
            exchange.actor,
            exchange.params["thread_id"],
            most=most + 1,
            since=_start(exchange),
            before=position[0] if position else None,
        )
        state = str(found[most - 1].id) if len(found) > most else ""
        return _page(exchange, [message(one) for one in found[:most]], state)

    async def get_message(self, exchange: Exchange) -> Response:
        """Get one message."""
        found = await self._chat.messages.get(exchange.actor, exchange.params["thread_id"], _message_param(exchange))
        return json_response(message(found))

    async def update_message(self, exchange: Exchange) -> Response:
        """Change a message by merge patch."""
        body = exchange.json(MessagePatch)
        if body.content is None:
            raise InvalidError("The content cannot be removed; delete the message instead.", target="content")
        content = None if body.content is msgspec.UNSET else str(body.content)
        await self._chat.messages.edit(
            exchange.actor, exchange.params["thread_id"], _message_param(exchange), content, body.metadata
        )
        return Response(status_code=204)

    async def delete_message(self, exchange: Exchange) -> Response:
        """Delete a message."""
        await self._chat.messages.delete(exchange.actor, exchange.params["thread_id"], _message_param(exchange))
        return Response(status_code=204)

    # --- receipts and typing ---

    async def list_receipts(self, exchange: Exchange) -> Response:
        """List read receipts, one a participant."""
        most, skip = _window(exchange)
        found = await self._chat.receipts.list(exchange.actor, exchange.params["thread_id"], most=most + 1, skip=skip)
        return _skipped(exchange, [receipt(one) for one in found], most, skip)

    async def send_receipt(self, exchange: Exchange) -> Response:
        """Say that the caller has read up to a message."""
        body = exchange.json(ReceiptRequest)
        await self._chat.receipts.send(exchange.actor, exchange.params["thread_id"], _message_id(body.chat_message_id))
        return Response(status_code=200)

    async def send_typing(self, exchange: Exchange) -> Response:
        """Say that the caller is typing; the body may be left out."""
        body = exchange.json(TypingRequest)
        await self._chat.receipts.typing(exchange.actor, exchange.params["thread_id"], body.sender_display_name or "")
        return Response(status_code=200)

    # --- participants ---

    async def list_participants(self, exchange: Exchange) -> Response:
        """List who takes part."""
        most, skip = _window(exchange)
        found = await self._chat.participants.list(
            exchange.actor, exchange.params["thread_id"], most=most + 1, skip=skip
        )
        return _skipped(exchange, [participant(one) for one in found], most, skip)

    async def add_participants(self, exchange: Exchange) -> Response:
        """Add participants; those who cannot join are named in the answer."""
        body = exchange.json(AddRequest)
        left_out = await self._chat.participants.add(
            exchange.actor, exchange.params["thread_id"], joining(body.participants)
        )
        return json_response({"invalidParticipants": refused(left_out)} if left_out else {}, 201)

    async def remove_participant(self, exchange: Exchange) -> Response:
        """Remove a participant; the body is the identifier itself."""
        await self._chat.participants.remove(
            exchange.actor, exchange.params["thread_id"], user_id(exchange.json(IdentifierForm))
        )
        return Response(status_code=204)


def _check_retention(policy: dict[str, Any] | None) -> None:
    """Refuse a policy that deletes the thread; raises UnservedError."""
    if policy and policy.get("kind") != "none":
        raise UnservedError("Threads that delete themselves (retentionPolicy) are not served yet.")


def _thread_url(exchange: Exchange, thread_id: str) -> str:
    return f"{exchange.base_url}/chat/threads/{_quoted(thread_id)}"


@lru_cache(4096)
def _quoted(thread_id: str) -> str:
    """Write a thread's id as a part of a path; remembered, for it is asked for with each message (6 µs)."""
    return quote(thread_id, safe="@")


def _message_param(exchange: Exchange) -> int:
    return _message_id(exchange.params["message_id"])


def _message_id(text: str) -> int:
    """Read a message id; a text that cannot be one names no message."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFoundError("The chat message does not exist.", target=text[:50])
    return int(text)


def _start(exchange: Exchange) -> datetime | None:
    text = exchange.query.get("starttime", "")
    if not text or text == "0":
        return None
    return moment(text.replace(" ", "+"), "startTime")


def _window(exchange: Exchange) -> tuple[int, int]:
    most = exchange.number("maxPageSize", default=PAGE, least=1, most=PAGE)
    return most, exchange.number("skip", default=0, least=0, most=1_000_000)


# --- pages ---


def _page(exchange: Exchange, value: Sequence[dict[str, Any]], state: str) -> Response:
    """Answer a page; the next one goes on from where this one ends."""
    answer: dict[str, Any] = {"value": value}
    if state:
        answer["nextLink"] = _link(exchange, syncState=base64.urlsafe_b64encode(state.encode()).decode())
    return json_response(answer)


def _skipped(exchange: Exchange, found: list[dict[str, Any]], most: int, skip: int) -> Response:
    answer: dict[str, Any] = {"value": found[:most]}
    if len(found) > most:
        answer["nextLink"] = _link(exchange, skip=str(skip + most))
    return json_response(answer)


def _link(exchange: Exchange, **changed: str) -> str:
    """Return this request's own address with some parameters changed; clients follow it as it is."""
    kept = {name: exchange.query.get(name.lower(), "") for name in ("maxPageSize", "startTime", "api-version")}
    query = urlencode({name: value for name, value in {**changed, **kept}.items() if value})
    return f"{exchange.base_url}{exchange.raw_path}?{query}"


def _position(exchange: Exchange) -> tuple[int, str] | None:
    """Read where the last page ended: a message id, and of threads the thread's. Raises InvalidError."""
    try:
        state = base64.urlsafe_b64decode(exchange.query.get("syncstate", "").encode("ascii")).decode()
    except (binascii.Error, UnicodeError) as error:
        raise InvalidError(_FOREIGN_STATE, target="syncState") from error
    if not state:
        return None
    last, _, thread_id = state.partition(" ")
    if not last.isascii() or not last.isdigit() or len(last) > 18:
        raise InvalidError(_FOREIGN_STATE, target="syncState")
    return int(last), thread_id
