"""The JSON of chat: bodies that come in, and threads, messages, participants as they go out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trunkline.catalogue.acs import identifiers
from trunkline.clock import parse_rfc3339, rfc3339
from trunkline.errors import InvalidError
from trunkline.services.chat.messages import Message
from trunkline.services.chat.participants import Joining, Refused
from trunkline.services.chat.receipts import Receipt
from trunkline.services.chat.rules import Participant, Thread
from trunkline.services.chat.threads import Summary

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFUSALS = {"not found": ("404", "Not found"), "not allowed": ("403", "Permissions check failed")}


class Form(msgspec.Struct, kw_only=True, rename="camel"):
    """A body that comes in; unknown members are ignored, as clients send more with each version."""


class IdentifierForm(Form, kw_only=True, rename="camel"):
    """A communication identifier: the raw id, or what the kind of identifier calls it."""

    raw_id: str | None = None
    communication_user: dict[str, Any] | None = None
    phone_number: dict[str, Any] | None = None
    microsoft_teams_user: dict[str, Any] | None = None
    microsoft_teams_app: dict[str, Any] | None = None


class ParticipantForm(Form, kw_only=True, rename="camel"):
    """Someone who is to join."""

    communication_identifier: IdentifierForm
    display_name: str | None = None
    share_history_time: str | None = None
    metadata: dict[str, str] | None = None


class ThreadRequest(Form, kw_only=True, rename="camel"):
    """The body of CreateChatThread."""

    topic: str
    participants: list[ParticipantForm] | None = None
    metadata: dict[str, str] | None = None
    retention_policy: dict[str, Any] | None = None


class ThreadPatch(Form, kw_only=True, rename="camel"):
    """The merge patch of UpdateChatThread."""

    topic: str | UnsetType | None = UNSET
    metadata: dict[str, str | None] | UnsetType | None = UNSET
    retention_policy: dict[str, Any] | None = None


class SendRequest(Form, kw_only=True, rename="camel"):
    """The body of SendChatMessage."""

    content: str
    sender_display_name: str | None = None
    type: Literal["text", "html"] | None = None
    metadata: dict[str, str] | None = None


class MessagePatch(Form, kw_only=True, rename="camel"):
    """The merge patch of UpdateChatMessage."""

    content: str | UnsetType | None = UNSET
    metadata: dict[str, str | None] | UnsetType | None = UNSET


class ReceiptRequest(Form, kw_only=True, rename="camel"):
    """The body of SendReadReceipt."""

    chat_message_id: str


class TypingRequest(Form, kw_only=True, rename="camel"):
    """The body of SendTypingIndicator."""

    sender_display_name: str | None = None


class AddRequest(Form, kw_only=True, rename="camel"):
    """The body of AddChatThreadParticipants."""

    participants: list[ParticipantForm]


def user_id(identifier: IdentifierForm) -> str:
    """Return the raw id that an identifier means; raises InvalidError."""
    try:
        return identifiers.raw_id(msgspec.to_builtins(identifier))
    except ValueError as error:
        raise InvalidError(str(error), target="communicationIdentifier") from error


def joining(forms: Sequence[ParticipantForm] | None) -> list[Joining]:
    """Read who is to join."""
    return [
        Joining(
            user_id=user_id(form.communication_identifier),
            display_name=form.display_name or "",
            metadata=form.metadata or {},
            # clients write the least moment they know when they mean the whole history
            shared_from=max(moment(form.share_history_time, "shareHistoryTime"), _EPOCH)
            if form.share_history_time
            else None,
        )
        for form in forms or ()
    ]


def moment(text: str, name: str) -> datetime:
    """Read a moment; raises InvalidError naming the parameter."""
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise InvalidError(f"{name} must be an RFC 3339 moment.", target=name) from error


def refused(found: Sequence[Refused]) -> list[dict[str, str]]:
    """Render who could not join."""
    return [
        {"target": one.user_id, "code": _REFUSALS[one.reason][0], "message": _REFUSALS[one.reason][1]} for one in found
    ]


def thread(found: Thread) -> dict[str, Any]:
    """Render a thread's properties."""
    answer: dict[str, Any] = {
        "id": found.id,
        "topic": found.topic,
        "createdOn": rfc3339(found.created_at),
        "createdByCommunicationIdentifier": identifiers.model(found.created_by),
    }
    if found.metadata:
        answer["metadata"] = found.metadata
    return answer


def summary(found: Summary) -> dict[str, Any]:
    """Render a thread as a list of threads shows it."""
    answer: dict[str, Any] = {
        "id": found.id,
        "topic": found.topic,
        "lastMessageReceivedOn": rfc3339(found.last_message_at),
    }
    if found.deleted_at is not None:
        answer["deletedOn"] = rfc3339(found.deleted_at)
    return answer


def message(found: Message) -> dict[str, Any]:
    """Render a message; of a deleted one only its frame is left."""
    answer: dict[str, Any] = {
        "id": str(found.id),
        "type": found.kind,
        "sequenceId": str(found.sequence),
        "version": str(found.version),
        "content": _content(found),
        "createdOn": rfc3339(found.sent_at),
    }
    if found.kind in {"text", "html"}:
        answer["senderCommunicationIdentifier"] = identifiers.model(found.sender_id)
        answer["senderDisplayName"] = found.sender_display_name
        if found.metadata:
            answer["metadata"] = found.metadata
    if found.edited_at is not None:
        answer["editedOn"] = rfc3339(found.edited_at)
    if found.deleted_at is not None:
        answer["deletedOn"] = rfc3339(found.deleted_at)
    return answer


def _content(found: Message) -> dict[str, Any]:
    if found.deleted_at is not None:
        return {}
    if found.kind in {"text", "html"}:
        return {"message": found.content}
    initiator = {"initiatorCommunicationIdentifier": identifiers.model(found.sender_id)}
    if found.kind == "topicUpdated":
        return {"topic": found.content, **initiator}
    members = [
        {"communicationIdentifier": identifiers.model(one["id"]), "displayName": one["display_name"]}
        for one in found.members
    ]
    return {"participants": members, **initiator}


def participant(found: Participant) -> dict[str, Any]:
    """Render a participant."""
    answer: dict[str, Any] = {
        "communicationIdentifier": identifiers.model(found.user_id),
        "displayName": found.display_name,
        "shareHistoryTime": rfc3339(found.shared_from),
    }
    if found.metadata:
        answer["metadata"] = found.metadata
    return answer


def receipt(found: Receipt) -> dict[str, Any]:
    """Render a read receipt."""
    return {
        "senderCommunicationIdentifier": identifiers.model(found.user_id),
        "chatMessageId": str(found.message_id),
        "readOn": rfc3339(found.read_at),
    }
