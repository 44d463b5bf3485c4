"""The ten sample events of the documentation's page of 2020: every key with its type and format, as data.

What a sample shows is a fact; its wording is not here. Two things of the samples vary without a meaning, and are
held as widely as they vary: the case of the topic's literal words (ids of resources compare without regard to case),
and fractions of seconds whose last zeros were dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.mission.shapes import GUID, NUMBER, TEXT, THREAD, TIME0, TIME3, TIME7, USER

VENDOR = "Microsoft.Communication."
CHAT_TOPIC = (
    rf"/subscriptions/{GUID}/resourceGroups/[^/]+/providers/Microsoft\.Communication/communicationServices/[^/]+"
)
SMS_TOPIC = rf"(?i:{CHAT_TOPIC})"
TRANSACTION = r"[A-Za-z0-9+/]{22}(\.\d+)+"
STAMP = r"\d{14}"
OUTGOING, INCOMING = rf"Outgoing_{STAMP}{GUID}", rf"Incoming_{STAMP}{GUID}"
BARE_NUMBER, PLUS_NUMBER = r"[1-9]\d{4,14}", r"\+[1-9]\d{4,14}"
TRIMMED = TIME0.replace("Z", r"(\.\d{0,6}[1-9])?Z")
"""A moment whose fraction has no zero at its end."""
MEMBER = {"displayName": TEXT, "memberId": USER}

_OF_THREAD = {"recipientId": USER, "transactionId": TRANSACTION, "threadId": THREAD, "version": NUMBER}
_OF_MESSAGE = {
    **_OF_THREAD,
    "messageId": r"\d{13}",
    "senderId": USER,
    "senderDisplayName": TEXT,
    "composeTime": TIME3,
    "type": "Text|Html",
}


@dataclass(frozen=True)
class Sample:
    """One sample: what stands under `data`, and what the envelope around it looks like.

    `subject` is filled in from the data itself; `same` names the key of the data that repeats the event's id.
    """

    data: dict[str, Any]
    subject: str
    topic: str = CHAT_TOPIC
    event_id: str = GUID
    event_time: str = TIME7
    same: str = ""

    def envelope(self, name: str) -> dict[str, Any]:
        """Return the kind of the whole event, whose type has this name."""
        return {
            "id": self.event_id,
            "topic": self.topic,
            "subject": TEXT,
            "data": self.data,
            "eventType": (VENDOR + name).replace(".", r"\."),
            "dataVersion": r"1\.0",
            "metadataVersion": "1",
            "eventTime": self.event_time,
        }


def _of_message(**more: str) -> Sample:
    return Sample({**_OF_MESSAGE, **more}, "thread/{threadId}/sender/{senderId}/recipient/{recipientId}")


def _of_thread(who: str, **more: Any) -> Sample:
    data = {**_OF_THREAD, who: USER, "createTime": TIME3, **more}
    return Sample(data, f"thread/{{threadId}}/{who}/{{{who}}}/recipient/{{recipientId}}")


def _of_member(what: str, who: str) -> Sample:
    data = {**_OF_THREAD, "time": TIME7, who: USER, what: MEMBER, "createTime": TIME3}
    return Sample(data, f"thread/{{threadId}}/{what}/{{{what}[memberId]}}/recipient/{{recipientId}}")


CHAT = {
    "ChatMessageReceived": _of_message(messageBody=TEXT),
    "ChatMessageEdited": _of_message(messageBody=TEXT, editTime=TIME3),
    "ChatMessageDeleted": _of_message(deleteTime=TIME3),
    "ChatThreadCreatedWithUser": _of_thread("createdBy", properties={"topic": TEXT}, members=[MEMBER]),
    "ChatThreadWithUserDeleted": _of_thread("deletedBy", deleteTime=TIME7),
    "ChatThreadPropertiesUpdatedPerUser": _of_thread("editedBy", editTime=TIME7, properties={"topic": TEXT}),
    "ChatMemberAddedToThreadWithUser": _of_member("memberAdded", "addedBy"),
    "ChatMemberRemovedFromThreadWithUser": _of_member("memberRemoved", "removedBy"),
}

SMS = {
    "SMSDeliveryReportReceived": Sample(
        {
            "MessageId": OUTGOING,
            "From": BARE_NUMBER,
            "To": PLUS_NUMBER,
            "DeliveryStatus": "Delivered",
            "DeliveryStatusDetails": r"No error\.",
            "ReceivedTimestamp": TIME7,
            "DeliveryAttempts": [{"Timestamp": TIME7, "SegmentsSucceeded": NUMBER, "SegmentsFailed": NUMBER}],
        },
        subject="/phonenumber/{From}",
        topic=SMS_TOPIC,
        event_id=OUTGOING,
        event_time=TIME0,
        same="MessageId",
    ),
    "SMSReceived": Sample(
        {
            "MessageId": INCOMING,
            "From": BARE_NUMBER,
            "To": BARE_NUMBER,
            "Message": TEXT,
            "ReceivedTimestamp": TRIMMED,
        },
        subject="/phonenumber/{To}",
        topic=SMS_TOPIC,
        event_id=INCOMING,
        event_time=TIME0,
        same="MessageId",
    ),
}

ALL = {**CHAT, **SMS}

FILTER = {
    "includedEventTypes": [VENDOR + "SMSReceived", VENDOR + "SMSDeliveryReportReceived"],
    "subjectBeginsWith": "phonenumber/1555",
}
"""The page's filter for everything that concerns the numbers of one area; it lacks the slash of the subjects."""
SUBJECT = "/phonenumber/15555555555"
"""The subject of both samples of text messages."""
