"""What columns of facts hold: their types, with what may be posted for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What a column holds, and what may be posted for it; facts of our own making are not checked by it.

    `is_id` marks ids, by which facts are looked up rather than split; `is_inner` what is kept and never shown.
    """

    brief: str = ""
    least: float | None = None
    most: float | None = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str | None = None
    is_id: bool = False
    is_inner: bool = False


_MOST = 2**62
Id = Annotated[str, Rule(longest=200, is_id=True)]
Word = Annotated[str, Rule(longest=200)]
Text = Annotated[str, Rule(longest=2000)]
Count = Annotated[int, Rule(least=0, most=_MOST)]
Amount = Annotated[float, Rule(least=0, most=1e15)]
Share = Annotated[float, Rule(least=0, most=100)]
Score = Annotated[float, Rule(least=0, most=5)]
Prose = Annotated[str, Rule(longest=8000)]
Json = Annotated[str, Rule(longest=32_000)]
Map = Annotated[dict[Annotated[str, Rule(shortest=1, longest=60)], Text], Rule(longest=40)]

Direction = Literal["", "inbound", "outbound"]
Capability = Literal["", "phone", "webrtc", "sip trunk", "sip", "viber", "whatsapp"]
Outcome = Literal["", "answered", "busy", "no answer", "cancelled", "rejected", "bad number", "unavailable", "failed"]
AnsweredBy = Literal["", "human", "machine", "fax", "unknown"]
HangUp = Literal["", "normal", "error"]
NetworkSource = Literal["", "given", "number range"]
Edge = Literal["unknown", "carrier", "sip", "client", "sdk"]
Stream = Literal["unknown", "inbound", "outbound", "both"]
Media = Literal["", "audio", "video", "screen"]
Level = Literal["debug", "info", "warning", "error"]
LogSource = Literal["client", "server", "import"]
Status = Literal["", "sent", "delivered", "failed", "received", "read"]


def brief(text: str) -> Rule:
    """Say what a column holds."""
    return Rule(brief=text)


Subaccount = Annotated[Word, brief("The subaccount within the account.")]
SenderType = Annotated[Word, brief("What kind of sender: long code, toll free, short code, sender name, user …")]
Country = Annotated[
    Annotated[str, Rule(pattern=r"^([A-Z]{2})?\Z")],
    brief("The other side's country, two letters; taken from the number when not given."),
]
NetworkId = Annotated[Word, brief("The other side's network, by its id (MCC and MNC).")]
NetworkName = Annotated[Word, brief("The other side's network, by its name.")]
NetworkFrom = Annotated[
    NetworkSource,
    brief("How the network is known: it was given, or is the first holder of the number's range."),
]
ApplicationId = Annotated[Word, brief("The application that it belongs to.")]
EntityId = Annotated[Word, brief("The entity (tenant, brand) that it belongs to.")]
CommunicationId = Annotated[Word, brief("The broadcast, flow or campaign that it belongs to.")]
StatusGroup = Annotated[Word, brief("The group of the status, in its maker's words.")]
ErrorGroup = Annotated[Word, brief("The group of the error code, in its maker's words.")]
ErrorCode = Annotated[Word, brief("The error code, in its maker's words.")]
Rating = Annotated[int, Rule(least=0, most=1000)]
Lowest = Annotated[Rating | None, brief("The worst score there is.")]
Highest = Annotated[Rating | None, brief("The best score there is.")]
Threshold = Annotated[Rating | None, brief("A score above it tells of good quality.")]
Issues = Annotated[Text, brief("What was wrong, words with commas between them.")]
Revised = Annotated[
    datetime | None,
    brief("When this piece was known: what a later one says counts. Its arrival if left out."),
]
Older = Annotated[
    dict[str, str],
    brief("Columns that come from an earlier piece, or were worked out, and how old (microseconds since 1970)."),
    Rule(is_inner=True),
]
