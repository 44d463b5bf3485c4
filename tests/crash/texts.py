"""Text messages as traffic: each with a delivery report, which the carrier owes over the kill."""

from __future__ import annotations

import itertools
import sqlite3
from typing import Any

from tests.crash.caller import Caller
from tests.crash.traffic import Found, Key, RefusedError, Traffic

REPORT = "SMSDeliveryReportReceived"
NUMBER = "+18005550199"
VERSION = "2021-03-07"
RECIPIENTS = {
    "+14255550123": "Delivered",
    "+15005550429": "Delivered",  # the carrier is too busy twice before
    "+15005554006": "Failed",
}
_OWED = {
    "offers owed": "SELECT count(*) FROM sms_sent WHERE due_at IS NOT NULL AND owed = ''",
    "reports owed": "SELECT count(*) FROM sms_sent WHERE due_at IS NOT NULL AND owed <> ''",
}


class Texts(Traffic):
    """Messages to a few numbers, one recipient each."""

    name = "sms"
    service, operation, status = "sms", "SMSMessageSent", "202"
    event_types = (REPORT,)

    def __init__(self) -> None:
        super().__init__()
        self._turn = itertools.cycle(RECIPIENTS)

    async def prepare(self, caller: Caller) -> None:
        """Nothing has to be made: the default resource owns a number."""

    async def send(self, caller: Caller, word: str) -> str:
        """Send a message to the numbers in turn."""
        body = {
            "from": NUMBER,
            "smsRecipients": [{"to": next(self._turn)}],
            "message": word,
            "smsSendOptions": {"enableDeliveryReport": True, "tag": word},
        }
        answer = await caller.signed("POST", "/sms", body, VERSION)
        if answer.status != 202:
            raise RefusedError(f"{answer.status} {answer.body}")
        (result,) = answer.body["value"]
        return str(result["messageId"])

    async def find(self, caller: Caller) -> list[Found]:
        """Read the inbox for tests, page by page."""
        found: list[Found] = []
        target = "/api/v1/inbox?channel=sms&limit=1000"
        while target:
            answer = await caller.own("GET", target)
            assert answer.status == 200, answer
            found += [Found(one["text"], one["id"], (one["to"],)) for one in answer.body["messages"]]
            target = answer.body.get("nextLink", "").removeprefix(caller.url)
        return found

    def owed(self, found: Found) -> set[Key]:
        """One report a message."""
        (recipient,) = found.about
        return {(REPORT, found.id, found.word, recipient, RECIPIENTS[recipient])}

    def key(self, event: dict[str, Any]) -> Key | None:
        """Everything that tells one report from another; its id is the message's."""
        kind, data = event["eventType"].rpartition(".")[2], event["data"]
        if kind != REPORT or event["id"] != data["MessageId"]:
            return None
        return kind, data["MessageId"], data["Tag"], data["To"], data["DeliveryStatus"]

    def wounds(self, state: sqlite3.Connection) -> dict[str, int]:
        """Count what is due to the carrier, and what the carrier owes."""
        return {name: state.execute(query).fetchone()[0] for name, query in _OWED.items()}
