"""The facts that are remembered: one class each, whose fields are the columns of its table.

A new field goes to the end of its class, with a default: what older versions kept is read with it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from trunkline.catalogue.column_types import (
    Amount,
    AnsweredBy,
    ApplicationId,
    Capability,
    CommunicationId,
    Count,
    Country,
    Direction,
    Edge,
    EntityId,
    ErrorCode,
    ErrorGroup,
    HangUp,
    Highest,
    Id,
    Issues,
    Json,
    Level,
    LogSource,
    Lowest,
    Map,
    Media,
    NetworkFrom,
    NetworkId,
    NetworkName,
    Older,
    Outcome,
    Prose,
    Rating,
    Revised,
    Rule,
    Score,
    SenderType,
    Share,
    Status,
    StatusGroup,
    Stream,
    Subaccount,
    Text,
    Threshold,
    Word,
    brief,
)


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True, omit_defaults=False):
    """Something that happened at a moment.

    `table` names where facts of the kind are kept. Facts of a kind with a `key` are records: pieces with the same
    values there become one. `guesses` are columns that tell the moment when none is given. Facts that never change
    may be `rolled_by` columns: what most questions ask of them is kept by the minute as well. A fact is found by the
    digest of its `digested` column as well, for those who know ids only in a form of their own.
    """

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]] = ()
    rolled_by: ClassVar[tuple[str, ...]] = ()
    guesses: ClassVar[tuple[str, ...]] = ()
    digested: ClassVar[str] = ""

    happened_at: Annotated[datetime, brief("The moment: RFC 3339, UTC unless it names a zone.")]


class Request(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One API request that was answered.

    `happened_at` is when it arrived. `served` is false for an operation that the original serves and Trunkline does
    not yet: no health rule counts it.
    """

    table: ClassVar[str] = "requests"
    rolled_by: ClassVar[tuple[str, ...]] = ("resource", "service", "operation", "status", "status_class", "served")

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    service: Annotated[Word, brief("The service: chat, sms, authentication …")]
    operation: Annotated[Word, brief("The operation by its name in the catalogue; any other counts as a bad route.")]
    status: Annotated[int, Rule(least=0, most=999), brief("The HTTP status of the answer.")]
    status_class: Annotated[Word, brief("2xx to 5xx; taken from the status when not given.")]
    served: Annotated[bool, brief("False for an operation that is not served yet.")] = True
    api_version: Annotated[Word, brief("The API version that was asked for.")] = ""
    ms_cv: Annotated[Id, brief("The correlation vector.")] = ""
    request_id: Annotated[Id, brief("The server's id of the request.")] = ""
    client_request_id: Annotated[Id, brief("The client's id of the request.")] = ""
    correlation_id: Annotated[Id, brief("What several requests of one undertaking share.")] = ""
    sdk: Annotated[Word, brief("The client library and its version.")] = ""
    caller: Annotated[Id, brief("Who asked: a user, a key, a role.")] = ""
    caller_ip: Annotated[Word, brief("The address that it came from.")] = ""
    duration_ms: Annotated[Amount, brief("How long the answer took.")] = 0.0
    extra: Annotated[Map, brief("Dimensions that only some services have, such as number_type.")] = {}
    caller_application: Annotated[Id, brief("The application that asked, where a bearer names one.")] = ""


class Attempt(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One attempt to deliver a parcel of events."""

    table: ClassVar[str] = "attempts"
    rolled_by: ClassVar[tuple[str, ...]] = ("resource", "subscription", "event_type", "status", "outcome")

    resource: Annotated[Word, brief("The account.")]
    subscription: Annotated[Word, brief("The event subscription.")]
    parcel: Annotated[Id, brief("The parcel that was to be delivered.")]
    event_type: Annotated[Word, brief("The type of the first event in it.")] = ""
    number: Annotated[int, brief("Which attempt it is, from 1.")] = 1
    status: Annotated[int, brief("The HTTP status of the answer, 0 when there was none.")] = 0
    outcome: Annotated[Word, brief("What happened, as a word.")] = ""
    duration_ms: Annotated[Amount, brief("How long it took.")] = 0.0
    foreign_ids: Annotated[Map, brief("The events in the parcel, and the correlation vectors of their requests.")] = {}


class Call(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One leg of a call; `happened_at` is when it was attempted, or came in.

    It may be told in pieces, in any order and more than once: those with one `leg_id` become one record.
    """

    table: ClassVar[str] = "calls"
    key: ClassVar[tuple[str, ...]] = ("resource", "leg_id")
    guesses: ClassVar[tuple[str, ...]] = ("seized_at", "answered_at", "ended_at", "revised_at")
    digested: ClassVar[str] = "leg_id"

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    leg_id: Annotated[Id, Rule(shortest=1), brief("The leg's own id; its pieces share it.")]
    call_id: Annotated[Id, brief("What all legs of the call share; the leg's own id when left out.")] = ""
    foreign_ids: Annotated[Map, brief("Other ids by which the call is known, by the system that gave them.")] = {}
    subaccount: Subaccount = ""
    direction: Annotated[Direction, brief("Seen from the account: outbound calls are made by it.")] = ""
    channel: Annotated[Word, brief("voice, unless told otherwise.")] = "voice"
    capability: Annotated[Capability, brief("The technology of the leg.")] = ""
    sender: Annotated[Id, brief("Who calls: a number, a user, an address.")] = ""
    sender_type: SenderType = ""
    recipient: Annotated[Id, brief("Who is called.")] = ""
    country: Country = ""
    network_id: NetworkId = ""
    network_name: NetworkName = ""
    network_source: NetworkFrom = ""
    application_id: ApplicationId = ""
    entity_id: EntityId = ""
    communication_id: CommunicationId = ""
    seized_at: Annotated[datetime | None, brief("When the other side began to ring.")] = None
    answered_at: Annotated[datetime | None, brief("When it was answered.")] = None
    ended_at: Annotated[
        datetime | None, brief("When it ended; nothing while it runs, worked out from answer and talk when not given.")
    ] = None
    ring_ms: Annotated[Amount | None, brief("How long it rang; worked out from the times when not given.")] = None
    talk_ms: Annotated[Amount | None, brief("How long they talked; worked out from the times when not given.")] = None
    seized: Annotated[bool | None, brief("Whether it rang; worked out when not given.")] = None
    answered: Annotated[bool | None, brief("Whether it was answered; worked out when not given.")] = None
    outcome: Annotated[
        Outcome, brief("What became of it; worked out from times, cause and code once it ended, when not given.")
    ] = ""
    status_group: StatusGroup = ""
    status: Annotated[Word, brief("The status, in its maker's words.")] = ""
    error_group: ErrorGroup = ""
    error_code: ErrorCode = ""
    sip_code: Annotated[
        int, Rule(least=0, most=999), brief("The final SIP status of the leg, 0 when there was none.")
    ] = 0
    q850_cause: Annotated[int, Rule(least=0, most=127), brief("The Q.850 cause, 0 when there was none.")] = 0
    amd_processed: Annotated[bool | None, brief("Whether machine detection listened.")] = None
    answered_by: Annotated[AnsweredBy, brief("Who answered, by machine detection.")] = ""
    hang_up: Annotated[HangUp, brief("How an answered call ended; worked out when not given.")] = ""
    mos: Annotated[Score | None, brief("The mean opinion score of the whole leg.")] = None
    extra: Annotated[Map, brief("Whatever else there is to split by.")] = {}
    revised_at: Revised = None
    older: Older = {}
    dial_ms: Annotated[
        Amount | None, brief("How long it took until it rang; worked out from the times when not given.")
    ] = None
    tags: Annotated[
        Map, brief("What was wrong with it, and by which rule and values; nothing stands by what no longer is.")
    ] = {}
    streams: Annotated[Count | None, brief("How many streams of its media were judged; worked out from samples.")] = (
        None
    )
    poor_streams: Annotated[
        Count | None, brief("How many of them were poor, by the rules of poor streams; worked out from samples.")
    ] = None
    impacted: Annotated[bool | None, brief("Whether any of them was poor; worked out from samples.")] = None


class Sample(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One reading of the media at one edge and in one direction; what was not measured is left out.

    What begins with `total_` counts since the call began, the rest since the reading before.
    """

    table: ClassVar[str] = "samples"

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    call_id: Annotated[Id, Rule(shortest=1), brief("The call, or one of its legs.")]
    edge: Annotated[Edge, brief("Where it was measured.")] = "unknown"
    direction: Annotated[Stream, brief("The stream that was measured, seen from the edge.")] = "unknown"
    codec: Annotated[Word, brief("The codec by its name.")] = ""
    mos: Annotated[Score | None, brief("The mean opinion score.")] = None
    rtt_ms: Annotated[Amount | None, brief("The round-trip time.")] = None
    jitter_ms: Annotated[Amount | None, brief("The jitter.")] = None
    loss_percent: Annotated[Share | None, brief("The packets lost, of those expected.")] = None
    latency_ms: Annotated[Amount | None, brief("The time from mouth to ear, one way.")] = None
    audio_in_level: Annotated[Amount | None, brief("How loud the microphone was, 0 to 32767.")] = None
    audio_out_level: Annotated[Amount | None, brief("How loud the loudspeaker was, 0 to 32767.")] = None
    packets_sent: Annotated[Count | None, brief("Packets sent.")] = None
    packets_received: Annotated[Count | None, brief("Packets received.")] = None
    packets_lost: Annotated[Count | None, brief("Packets lost.")] = None
    bytes_sent: Annotated[Count | None, brief("Bytes sent.")] = None
    bytes_received: Annotated[Count | None, brief("Bytes received.")] = None
    total_packets_sent: Annotated[Count | None, brief("Packets sent since the call began.")] = None
    total_packets_received: Annotated[Count | None, brief("Packets received since the call began.")] = None
    total_packets_lost: Annotated[Count | None, brief("Packets lost since the call began.")] = None
    total_bytes_sent: Annotated[Count | None, brief("Bytes sent since the call began.")] = None
    total_bytes_received: Annotated[Count | None, brief("Bytes received since the call began.")] = None
    total_jitter_avg_ms: Annotated[Amount | None, brief("The mean jitter since the call began.")] = None
    total_jitter_max_ms: Annotated[Amount | None, brief("The worst jitter since the call began.")] = None
    extra: Annotated[
        Map,
        brief(
            "Where and with what it was measured: region, address, device …; delayed_200_ms: packets that came 200 ms "
            "late or later since the call began."
        ),
    ] = {}
    media: Annotated[Media, brief("What the stream carries: sound, a picture, a shared screen.")] = ""
    stream: Annotated[Word, brief("Which stream it is, where there are several of a kind in one direction.")] = ""
    jitter_buffer_ms: Annotated[Amount | None, brief("How much the jitter buffer held.")] = None
    jitter_buffer_max_ms: Annotated[Amount | None, brief("How much the jitter buffer held at most.")] = None
    healed_percent: Annotated[Share | None, brief("The sound that was made up for what was lost.")] = None
    frames_per_second: Annotated[Amount | None, brief("The frames of the picture, a second.")] = None
    height_px: Annotated[Amount | None, brief("How high the picture was.")] = None
    freeze_per_minute_ms: Annotated[Amount | None, brief("How long the picture stood still, of each minute.")] = None


class CallEvent(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """Something that happened within a call."""

    table: ClassVar[str] = "call_events"

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    call_id: Annotated[Id, Rule(shortest=1), brief("The call, or one of its legs.")]
    name: Annotated[Word, Rule(shortest=1), brief("What happened: ringing, muted, ice failed …")]
    topic: Annotated[Word, brief("The kind of thing: connection, settings, quality …")] = ""
    level: Annotated[Level, brief("How bad it is.")] = "info"
    edge: Annotated[Edge, brief("Where it was seen.")] = "unknown"
    code: Annotated[Word, brief("An error code that goes with it.")] = ""
    text: Annotated[Text, brief("A sentence for people.")] = ""
    extra: Annotated[Map, brief("Whatever else is known.")] = {}


class Message(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One message to one recipient; `happened_at` is when it was sent, or came in.

    A report is a later piece: those with one `message_id` and recipient become one record.
    """

    table: ClassVar[str] = "messages"
    key: ClassVar[tuple[str, ...]] = ("resource", "message_id", "recipient")
    guesses: ClassVar[tuple[str, ...]] = ("delivered_at", "revised_at")

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    message_id: Annotated[Id, Rule(shortest=1), brief("The message's id; its pieces share it.")]
    recipient: Annotated[Id, brief("Who gets it: a number, a user, an address.")] = ""
    channel: Annotated[Word, brief("sms, chat, email, whatsapp …")] = ""
    direction: Annotated[Direction, brief("Seen from the account: outbound messages are sent by it.")] = ""
    subaccount: Subaccount = ""
    sender: Annotated[Id, brief("Who sends it.")] = ""
    sender_type: SenderType = ""
    country: Country = ""
    network_id: NetworkId = ""
    network_name: NetworkName = ""
    network_source: NetworkFrom = ""
    application_id: ApplicationId = ""
    entity_id: EntityId = ""
    communication_id: CommunicationId = ""
    thread_id: Annotated[Id, brief("The conversation that it belongs to.")] = ""
    segments: Annotated[
        int, Rule(least=0, most=1000), brief("How many parts it travels in; 0 where there are none.")
    ] = 0
    status: Annotated[Status, brief("What became of it.")] = ""
    status_group: StatusGroup = ""
    error_group: ErrorGroup = ""
    error_code: ErrorCode = ""
    delivered_at: Annotated[datetime | None, brief("When it arrived.")] = None
    correlation_id: Annotated[Id, brief("The correlation vector of the request that sent it.")] = ""
    tag: Annotated[Word, brief("What its sender called it.")] = ""
    extra: Annotated[Map, brief("Whatever else there is to split by.")] = {}
    revised_at: Revised = None
    older: Older = {}


class LogLine(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """One line of a log; `happened_at` is when it was written.

    A client's logger wrote it, or it is a row of a log table: one of ours, or one that came from elsewhere. Lines of
    the same moment stand in the order of their `sequence`.
    """

    table: ClassVar[str] = "log_lines"

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    text: Annotated[Prose, Rule(shortest=1), brief("The line itself; of a log table's row, what it tells.")]
    source: Annotated[LogSource, brief("Who wrote it: a client, this server, or another one whose logs came in.")] = (
        "client"
    )
    log_table: Annotated[Word, brief("The log table that it is a row of; nothing for a logger's line.")] = ""
    logger: Annotated[Word, brief("The logger that wrote it, by its name.")] = ""
    level: Annotated[Level, brief("How bad it is.")] = "info"
    operation: Annotated[Word, brief("The operation that it tells of.")] = ""
    call_id: Annotated[Id, brief("The call, or one of its legs.")] = ""
    correlation_id: Annotated[Id, brief("What several requests of one undertaking share.")] = ""
    ms_cv: Annotated[Id, brief("The correlation vector.")] = ""
    request_id: Annotated[Id, brief("The server's id of the request.")] = ""
    client_request_id: Annotated[Id, brief("The client's id of the request.")] = ""
    message_id: Annotated[Id, brief("The message's id.")] = ""
    thread_id: Annotated[Id, brief("The conversation.")] = ""
    participant_id: Annotated[Id, brief("The participant of the call.")] = ""
    user_id: Annotated[Id, brief("The user.")] = ""
    client_id: Annotated[Id, brief("The client: a browser, a device, an installation.")] = ""
    session_id: Annotated[Id, brief("The session: from a page's load to its end, a run of a program.")] = ""
    foreign_ids: Annotated[Map, brief("Other ids that stand in it, by what they are.")] = {}
    sequence: Annotated[Count, brief("Which line of its session it is.")] = 0
    body: Annotated[Json, brief("What came with it, as JSON; a log table's row as it was exported.")] = ""


class Feedback(Fact, frozen=True, kw_only=True, gc=False, array_like=True):
    """What somebody said of a call after it, a survey's answers; `happened_at` is when.

    Of the call, its sound, its picture and the shared screen: a score, its scale (a score above the threshold is good)
    and what was wrong. What was not asked is left out.
    """

    table: ClassVar[str] = "feedback"

    resource: Annotated[Word, brief("The account; the caller's own when left out.")]
    call_id: Annotated[Id, Rule(shortest=1), brief("The call, or one of its legs.")]
    survey_id: Annotated[Id, brief("The survey's id, if it has one.")] = ""
    participant_id: Annotated[Id, brief("The participant of the call.")] = ""
    correlation_id: Annotated[Id, brief("What ties it to other logs of the call.")] = ""
    user_id: Annotated[Id, brief("The user.")] = ""
    overall_score: Annotated[Rating | None, brief("How good the call was.")] = None
    overall_lowest: Lowest = None
    overall_highest: Highest = None
    overall_threshold: Threshold = None
    overall_issues: Issues = ""
    audio_score: Annotated[Rating | None, brief("How good the sound was.")] = None
    audio_lowest: Lowest = None
    audio_highest: Highest = None
    audio_threshold: Threshold = None
    audio_issues: Issues = ""
    video_score: Annotated[Rating | None, brief("How good the picture was.")] = None
    video_lowest: Lowest = None
    video_highest: Highest = None
    video_threshold: Threshold = None
    video_issues: Issues = ""
    screenshare_score: Annotated[Rating | None, brief("How good the shared screen was.")] = None
    screenshare_lowest: Lowest = None
    screenshare_highest: Highest = None
    screenshare_threshold: Threshold = None
    screenshare_issues: Issues = ""
    text: Annotated[Prose, brief("What they wrote.")] = ""
    extra: Annotated[Map, brief("Whatever else is known.")] = {}


KINDS: tuple[type[Fact], ...] = (Request, Attempt, Call, Sample, CallEvent, Message, LogLine, Feedback)
"""Every kind of fact; a new kind is a class above and a name here."""


def status_class(status: int) -> str:
    """Return the class of an HTTP status: 404 gives "4xx"."""
    return f"{status // 100}xx"
