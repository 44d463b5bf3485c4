"""What the documents show of chat's events: every key with its JSON type and format, as data.

Sources: the documentation's page on the events of a communication resource as the preview had it (2020), and the
schemas of today's chat events.
"""

from __future__ import annotations

import re
from typing import Any

VENDOR = "Microsoft.Communication."
PROVIDER = r"Microsoft\.Communication"
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
USER = rf"8:acs:{GUID}_{GUID}"
THREAD = r"19:[0-9a-f]{32}@thread\.v2"
TIME3, TIME7 = rf"{SECOND}\.\d{{3}}Z", rf"{SECOND}\.\d{{7}}Z"
TEXT, NUMBER, TEXTS = ".*", int, "texts"
IDENTIFIER = {"kind": "communicationUser", "rawId": USER, "communicationUser": {"id": USER}}
MEMBER = {"displayName": TEXT, "memberId": USER}
PARTICIPANT = {"displayName": TEXT, "participantCommunicationIdentifier": IDENTIFIER, "metadata": TEXTS}

ENVELOPE = {
    "id": GUID,
    "topic": rf"/subscriptions/{GUID}/resourceGroups/[^/]+/providers/{PROVIDER}/communicationServices/[^/]+",
    "subject": TEXT,
    "data": dict,
    "eventType": rf"{re.escape(VENDOR)}\w+",
    "dataVersion": r"1\.0",
    "metadataVersion": "1",
    "eventTime": TIME7,
}
_ALWAYS = {"transactionId": r"[A-Za-z0-9+/]{22}(\.\d+)+", "threadId": THREAD, "version": NUMBER}
_MESSAGE = {
    **_ALWAYS,
    "messageId": r"\d{13}",
    "senderId": USER,
    "senderDisplayName": TEXT,
    "composeTime": TIME3,
    "type": "Text|Html",
}
_TO_USER = {"recipientId": USER}

PREVIEW = {
    "ChatMessageReceived": {**_MESSAGE, **_TO_USER, "messageBody": TEXT},
    "ChatMessageEdited": {**_MESSAGE, **_TO_USER, "messageBody": TEXT, "editTime": TIME3},
    "ChatMessageDeleted": {**_MESSAGE, **_TO_USER, "deleteTime": TIME3},
    "ChatThreadCreatedWithUser": {
        **_ALWAYS,
        **_TO_USER,
        "createdBy": USER,
        "properties": {"topic": TEXT},
        "members": [MEMBER],
        "createTime": TIME3,
    },
    "ChatThreadWithUserDeleted": {
        **_ALWAYS,
        **_TO_USER,
        "deletedBy": USER,
        "deleteTime": TIME7,
        "createTime": TIME3,
    },
    "ChatThreadPropertiesUpdatedPerUser": {
        **_ALWAYS,
        **_TO_USER,
        "editedBy": USER,
        "editTime": TIME7,
        "properties": {"topic": TEXT},
        "createTime": TIME3,
    },
    "ChatMemberAddedToThreadWithUser": {
        **_ALWAYS,
        **_TO_USER,
        "time": TIME7,
        "addedBy": USER,
        "memberAdded": MEMBER,
        "createTime": TIME3,
    },
    "ChatMemberRemovedFromThreadWithUser": {
        **_ALWAYS,
        **_TO_USER,
        "time": TIME7,
        "removedBy": USER,
        "memberRemoved": MEMBER,
        "createTime": TIME3,
    },
}
"""The keys of the preview's samples."""

_NEW_MESSAGE = {
    **{key: kind for key, kind in _MESSAGE.items() if key != "senderId"},
    "senderCommunicationIdentifier": IDENTIFIER,
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


def misfits(value: Any, kind: Any, where: str = "") -> list[str]:
    """List where a value is not of a kind: a pattern for a text, a type, an object's members, or a list's element."""
    if kind == TEXTS:
        good = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        return [] if good else [f"{where}: {value!r} does not map texts to texts"]
    if isinstance(kind, str):
        good = isinstance(value, str) and re.fullmatch(kind, value, re.ASCII)
        return [] if good else [f"{where}: {value!r} is not {kind}"]
    if isinstance(kind, type):
        good = isinstance(value, kind) and not isinstance(value, bool)
        return [] if good else [f"{where}: {value!r} is no {kind.__name__}"]
    if isinstance(kind, list):
        if not isinstance(value, list) or not value:
            return [f"{where}: {value!r} is no list with something in it"]
        return [one for place, item in enumerate(value) for one in misfits(item, kind[0], f"{where}[{place}]")]
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    found = [f"{where}.{key} is missing" for key in kind if key not in value]
    return found + [one for key in kind if key in value for one in misfits(value[key], kind[key], f"{where}.{key}")]
