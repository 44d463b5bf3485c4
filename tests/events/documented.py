"""What the documents show of chat's events: every key with its JSON type and format, as data.

Sources: the samples of the preview (2020), which stand in `tests.mission.samples`, and the schemas of today's chat
events. What is sent is the union of both.
"""

from __future__ import annotations

from typing import Any

from tests.mission.samples import CHAT, CHAT_TOPIC, MEMBER, TRANSACTION, VENDOR
from tests.mission.shapes import GUID, NUMBER, TEXT, TEXTS, THREAD, TIME3, TIME7, USER

IDENTIFIER = {"kind": "communicationUser", "rawId": USER, "communicationUser": {"id": USER}}
PARTICIPANT = {"displayName": TEXT, "participantCommunicationIdentifier": IDENTIFIER, "metadata": TEXTS}

_ALWAYS = {"transactionId": TRANSACTION, "threadId": THREAD, "version": NUMBER}
PREVIEW = {name: sample.data for name, sample in CHAT.items()}
"""The keys of the preview's samples."""

_NEW_MESSAGE = {
    **_ALWAYS,
    "messageId": r"\d{13}",
    "senderCommunicationIdentifier": IDENTIFIER,
    "senderDisplayName": TEXT,
    "composeTime": TIME3,
    "type": "Text|Html",
}
_NEW_THREAD = {**_ALWAYS, "createTime": TIME3}
_NEW_USER = {"recipientCommunicationIdentifier": IDENTIFIER}
_RECEIVED = {**_NEW_MESSAGE, "messageBody": TEXT, "metadata": TEXTS}
_EDITED = {**_RECEIVED, "editTime": TIME3}
_DELETED = {**_NEW_MESSAGE, "deleteTime": TIME3}
_CREATED = {
    **_NEW_THREAD,
    "createdByCommunicationIdentifier": IDENTIFIER,
    "properties": {"topic": TEXT},
    "metadata": TEXTS,
    "participants": [PARTICIPANT],
}
_THREAD_DELETED = {**_NEW_THREAD, "deletedByCommunicationIdentifier": IDENTIFIER, "deleteTime": TIME7}
_UPDATED = {
    **_NEW_THREAD,
    "editedByCommunicationIdentifier": IDENTIFIER,
    "editTime": TIME7,
    "metadata": TEXTS,
    "properties": {"topic": TEXT},
}
_ADDED = {**_ALWAYS, "time": TIME7, "addedByCommunicationIdentifier": IDENTIFIER, "participantAdded": PARTICIPANT}
_REMOVED = {**_ALWAYS, "time": TIME7, "removedByCommunicationIdentifier": IDENTIFIER, "participantRemoved": PARTICIPANT}

TODAY = {
    "ChatMessageReceived": {**_RECEIVED, **_NEW_USER},
    "ChatMessageEdited": {**_EDITED, **_NEW_USER},
    "ChatMessageDeleted": {**_DELETED, **_NEW_USER},
    "ChatThreadCreatedWithUser": {**_CREATED, **_NEW_USER},
    "ChatThreadWithUserDeleted": {**_THREAD_DELETED, **_NEW_USER},
    "ChatThreadPropertiesUpdatedPerUser": {**_UPDATED, **_NEW_USER},
    "ChatParticipantAddedToThreadWithUser": {**_NEW_THREAD, **_ADDED, **_NEW_USER},
    "ChatParticipantRemovedFromThreadWithUser": {**_NEW_THREAD, **_REMOVED, **_NEW_USER},
    "ChatMessageReceivedInThread": _RECEIVED,
    "ChatMessageEditedInThread": _EDITED,
    "ChatMessageDeletedInThread": _DELETED,
    "ChatThreadCreated": _CREATED,
    "ChatThreadDeleted": _THREAD_DELETED,
    "ChatThreadPropertiesUpdated": _UPDATED,
    "ChatThreadParticipantAdded": _ADDED,
    "ChatThreadParticipantRemoved": _REMOVED,
    "ChatTypingIndicatorReceivedInThread": _RECEIVED,
}
"""The keys of today's schemas."""

RENAMED = {
    "ChatMemberAddedToThreadWithUser": "ChatParticipantAddedToThreadWithUser",
    "ChatMemberRemovedFromThreadWithUser": "ChatParticipantRemovedFromThreadWithUser",
}
"""The preview's names of two types, and today's."""

SUBJECTS = {
    "ChatMessageReceived": "sender/{senderId}/recipient/{recipientId}",
    "ChatMessageEdited": "sender/{senderId}/recipient/{recipientId}",
    "ChatMessageDeleted": "sender/{senderId}/recipient/{recipientId}",
    "ChatThreadCreatedWithUser": "createdBy/{createdBy}/recipient/{recipientId}",
    "ChatThreadWithUserDeleted": "deletedBy/{deletedBy}/recipient/{recipientId}",
    "ChatThreadPropertiesUpdatedPerUser": "editedBy/{editedBy}/recipient/{recipientId}",
    "ChatParticipantAddedToThreadWithUser": "participantAdded/{memberAdded[memberId]}/recipient/{recipientId}",
    "ChatParticipantRemovedFromThreadWithUser": "participantRemoved/{memberRemoved[memberId]}/recipient/{recipientId}",
    "ChatMemberAddedToThreadWithUser": "memberAdded/{memberAdded[memberId]}/recipient/{recipientId}",
    "ChatMemberRemovedFromThreadWithUser": "memberRemoved/{memberRemoved[memberId]}/recipient/{recipientId}",
    "ChatMessageReceivedInThread": "sender/{senderId}",
    "ChatMessageEditedInThread": "sender/{senderId}",
    "ChatMessageDeletedInThread": "sender/{senderId}",
    "ChatThreadCreated": "createdBy/{createdBy}",
    "ChatThreadDeleted": "deletedBy/{deletedBy}",
    "ChatThreadPropertiesUpdated": "editedBy/{editedBy}",
    "ChatThreadParticipantAdded": "participantadded/{memberAdded[memberId]}",
    "ChatThreadParticipantRemoved": "participantremoved/{memberRemoved[memberId]}",
    "ChatTypingIndicatorReceivedInThread": "sender/{senderId}",
}
"""What follows `thread/{threadId}/`, filled in from the data itself."""

_TWINS = {
    **{f"{who}CommunicationIdentifier": (f"{who}Id", USER) for who in ("sender", "recipient")},
    **{
        f"{who}CommunicationIdentifier": (who, USER)
        for who in ("createdBy", "deletedBy", "editedBy", "addedBy", "removedBy")
    },
    "participants": ("members", [MEMBER]),
    "participantAdded": ("memberAdded", MEMBER),
    "participantRemoved": ("memberRemoved", MEMBER),
}
"""Today's keys that say what another key said in the preview."""


def envelope(name: str) -> dict[str, Any]:
    """Return the kind of an event of a type: what is sent has today's keys and the preview's."""
    today = TODAY[RENAMED.get(name, name)]
    old = dict(twin for key, twin in _TWINS.items() if key in today)
    return {
        "id": GUID,
        "topic": CHAT_TOPIC,
        "subject": TEXT,
        "data": {**today, **old},
        "eventType": (VENDOR + name).replace(".", r"\."),
        "dataVersion": r"1\.0",
        "metadataVersion": "1",
        "eventTime": TIME7,
    }
