"""The rows of the ACS catalogue: complete, unambiguous, and under the metrics' own names."""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import trunkline

FOLDER = Path(trunkline.__file__).parent / "catalogue" / "acs"

# The operations that Microsoft's article on ACS metrics lists, by service. DeleteDistributionPolicy stands
# there twice; the one that deletes a classification policy is read as DeleteClassificationPolicy.
DOCUMENTED: dict[str, set[str]] = {
    "messages": {
        "DownloadMedia",
        "ListTemplates",
        "ReceiveMessage",
        "SendMessage",
        "SendMessageDeliveryStatus",
    },
    "authentication": {
        "CreateIdentity",
        "DeleteIdentity",
        "CreateToken",
        "RevokeToken",
        "ExchangeTeamsUserAccessToken",
    },
    "call_automation": {
        "Create Call",
        "Answer Call",
        "Redirect Call",
        "Reject Call",
        "Transfer Call To Participant",
        "Play",
        "PlayPrompt",
        "Recognize",
        "Add Participants",
        "Remove Participants",
        "HangUp Call",
        "Terminate Call",
        "Get Call",
        "Get Participant",
        "Get Participants",
        "Delete Call",
        "Cancel All Media Operations",
    },
    "chat": {
        "GetChatMessage",
        "ListChatMessages",
        "SendChatMessage",
        "UpdateChatMessage",
        "DeleteChatMessage",
        "GetChatThread",
        "ListChatThreads",
        "UpdateChatThread",
        "CreateChatThread",
        "DeleteChatThread",
        "GetReadReceipts",
        "SendReadReceipt",
        "SendTypingIndicator",
        "ListChatThreadParticipants",
        "AddChatThreadParticipants",
        "RemoveChatThreadParticipant",
    },
    "router": {
        "UpsertClassificationPolicy",
        "GetClassificationPolicy",
        "ListClassificationPolicies",
        "DeleteClassificationPolicy",
        "UpsertDistributionPolicy",
        "GetDistributionPolicy",
        "ListDistributionPolicies",
        "DeleteDistributionPolicy",
        "UpsertExceptionPolicy",
        "GetExceptionPolicy",
        "ListExceptionPolicies",
        "DeleteExceptionPolicy",
        "UpsertQueue",
        "GetQueue",
        "GetQueues",
        "DeleteQueue",
        "GetQueueStatistics",
        "UpsertJob",
        "GetJob",
        "GetJobs",
        "DeleteJob",
        "ReclassifyJob",
        "CancelJob",
        "CompleteJob",
        "CloseJob",
        "AcceptJobOffer",
        "DeclineJobOffer",
        "UpsertWorker",
        "GetWorker",
        "GetWorkers",
        "DeleteWorker",
    },
    "network_traversal": {"IssueRelayConfiguration"},
    "rooms": {
        "CreateRoom",
        "DeleteRoom",
        "GetRoom",
        "PatchRoom",
        "ListRooms",
        "AddParticipants",
        "RemoveParticipants",
        "GetParticipants",
        "UpdateParticipants",
    },
    "sms": {"SMSMessageSent", "SMSDeliveryReportsReceived", "SMSMessagesReceived"},
    "call_recording": set(),
    "email": set(),
}

# What current clients send beside them, by route.
FURTHER: dict[str, set[str]] = {
    "authentication": {
        "POST /access/teamsExtension/:exchangeAccessToken",
        "POST /access/entra/:exchangeAccessToken",
    },
    "chat": {"GET /chat/config/realTimeNotifications"},
    "sms": {"POST /sms/optouts:add", "POST /sms/optouts:remove", "POST /sms/optouts:check"},
    "router": {"GET /routing/jobs/{}/position", "POST /routing/jobs/{}/assignments/{}:unassign"},
    "call_automation": {
        "POST /calling/callConnections:connect",
        "POST /calling/callConnections/{}/participants:mute",
        "POST /calling/callConnections/{}/participants:cancelAddParticipant",
        "POST /calling/callConnections/{}/participants:moveHere",
        "POST /calling/callConnections/{}:hold",
        "POST /calling/callConnections/{}:unhold",
        "POST /calling/callConnections/{}:sendDtmfTones",
        "POST /calling/callConnections/{}:startContinuousDtmfRecognition",
        "POST /calling/callConnections/{}:stopContinuousDtmfRecognition",
        "POST /calling/callConnections/{}:startTranscription",
        "POST /calling/callConnections/{}:stopTranscription",
        "POST /calling/callConnections/{}:updateTranscription",
        "POST /calling/callConnections/{}:startMediaStreaming",
        "POST /calling/callConnections/{}:stopMediaStreaming",
    },
    "call_recording": {
        "POST /calling/recordings",
        "GET /calling/recordings/{}",
        "DELETE /calling/recordings/{}",
        "POST /calling/recordings/{}:pause",
        "POST /calling/recordings/{}:resume",
    },
    "email": {"POST /emails:send", "GET /emails/operations/{}"},
}

# Azure's own name of each request metric, its primary aggregation and its dimensions; casing is Azure's.
METRICS: dict[str, tuple[str, str, list[str]]] = {
    "authentication": ("APIRequestAuthentication", "Count", ["Operation", "StatusCode", "StatusCodeClass"]),
    "call_automation": (
        "APIRequestCallAutomation",
        "Count",
        ["Operation", "StatusCode", "StatusCodeClass", "ApiVersion"],
    ),
    "call_recording": ("APIRequestCallRecording", "Count", ["Operation", "StatusCode", "StatusCodeClass"]),
    "chat": ("APIRequestChat", "Count", ["Operation", "StatusCode", "StatusCodeClass"]),
    "rooms": ("ApiRequestRooms", "Count", ["Operation", "StatusCode", "StatusCodeClass"]),
    "router": (
        "ApiRequestRouter",
        "Total",
        ["OperationName", "StatusCode", "StatusCodeSubClass", "ApiVersion"],
    ),
    "email": ("ApiRequests", "Count", ["Operation", "StatusCode", "StatusCodeClass", "StatusCodeReason"]),
    "messages": (
        "APIRequestsAdvancedMessaging",
        "Count",
        ["Operation", "StatusCode", "StatusCodeClass", "ChannelType", "ApiVersion", "MessageStatus"],
    ),
    "sms": (
        "APIRequestSMS",
        "Count",
        ["Operation", "StatusCode", "StatusCodeClass", "ErrorCode", "NumberType", "Country", "OptAction"],
    ),
    "network_traversal": (
        "APIRequestNetworkTraversal",
        "Count",
        ["Operation", "StatusCode", "StatusCodeClass"],
    ),
}

OTHER_METRICS: dict[str, list[str]] = {
    "AcsCallAutomationCallbackEvent": ["EventTypeName", "Code", "CodeClass", "SubCode", "Version"],
    "DeliveryStatusUpdate": [
        "MessageStatus",
        "Result",
        "SmtpStatusCode",
        "EnhancedSmtpStatusCode",
        "SenderDomain",
        "IsHardBounce",
    ],
    "UserEngagement": ["EngagementType"],
}

# Operations that no request of their own reaches today, and the happening or operation that counts them.
COUNTED: dict[str, str] = {
    "SMSDeliveryReportsReceived": "sms.report.received",
    "SMSMessagesReceived": "sms.message.received",
    "ReceiveMessage": "message.received",
    "SendMessageDeliveryStatus": "message.status.updated",
    "PlayPrompt": "Recognize",
    "Delete Call": "HangUp Call",
    "AddParticipants": "UpdateParticipants",
    "RemoveParticipants": "UpdateParticipants",
}

EMITS: dict[str, str] = {
    "CreateChatThread": "chat.thread.created",
    "UpdateChatThread": "chat.thread.updated",
    "DeleteChatThread": "chat.thread.deleted",
    "SendChatMessage": "chat.message.sent",
    "UpdateChatMessage": "chat.message.edited",
    "DeleteChatMessage": "chat.message.deleted",
    "AddChatThreadParticipants": "chat.participant.added",
    "RemoveChatThreadParticipant": "chat.participant.removed",
    "SendTypingIndicator": "chat.typing.sent",
}

SERVICES = sorted(DOCUMENTED)


def read(name: str) -> dict[str, Any]:
    """Read one page of the catalogue as plain data."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def routes() -> list[tuple[str, str, str]]:
    """List service, operation and route of every row that has a route."""
    return [
        (service, operation, row["route"])
        for service in SERVICES
        for operation, row in read(service)["operations"].items()
        if "route" in row
    ]


def shape(route: str) -> str:
    """Forget the names of a route's parameters."""
    return re.sub(r"\{\w+\}", "{}", route)


def pattern(route: str) -> re.Pattern[str]:
    """Make what a route matches: a parameter is one segment, or one up to its literal suffix."""
    return re.compile("[^/]+".join(re.escape(piece) for piece in shape(route).split("{}")))


def sample(route: str) -> str:
    """Make a request that a route must match, with an id as full of colons as a user's."""
    return shape(route).replace("{}", "8:acs:1_2")


def within(path: str, prefix: str) -> bool:
    """Say whether a path belongs to a prefix: it ends there, or goes on with a segment or an action."""
    return path == prefix or path.startswith((prefix + "/", prefix + ":"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_documented_operation_stands_as_a_row(service: str) -> None:
    """The rows marked as the article's are exactly the article's."""
    rows = read(service)["operations"]
    assert {name for name, row in rows.items() if row.get("mission")} == DOCUMENTED[service]


@pytest.mark.parametrize("service", SERVICES)
def test_every_further_route_of_current_clients_stands_as_a_row(service: str) -> None:
    """The other rows are exactly what current clients send beside them."""
    rows = read(service)["operations"].values()
    found = [shape(row["route"]) for row in rows if not row.get("mission")]
    assert sorted(found) == sorted(FURTHER.get(service, set()))


@pytest.mark.parametrize("service", SERVICES)
def test_every_row_says_in_a_sentence_what_it_does(service: str) -> None:
    """A brief is compulsory: one sentence, not the article's name again."""
    for name, row in read(service)["operations"].items():
        assert re.fullmatch(r"[A-Z][^.]{8,}\.", row["brief"]), name


@pytest.mark.parametrize("service", SERVICES)
def test_every_row_has_exactly_one_way_of_being_counted(service: str) -> None:
    """A row is counted by its route, by a happening, or as a kind of another operation's requests."""
    for name, row in read(service)["operations"].items():
        ways = row.keys() & {"route", "counted_on", "counted_as"}
        assert len(ways) == 1, name
        assert ("auth" in row) == (ways == {"route"}), f"{name}: who may call is said of routes only"


def test_rows_without_a_route_name_what_counts_them() -> None:
    """They are the eight known ones, and an operation they name has a route in the same service."""
    found = {}
    for service in SERVICES:
        rows = read(service)["operations"]
        for name, row in rows.items():
            if "counted_on" in row:
                found[name] = row["counted_on"]
            elif "counted_as" in row:
                found[name] = row["counted_as"]["operation"]
                assert row["counted_as"]["when"]
                assert "route" in rows[found[name]]
    assert found == COUNTED


def test_every_route_is_written_in_one_form() -> None:
    """A route is a method and a path whose parameters are snake_case and fill a segment up to its suffix."""
    form = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/(\{[a-z]+(_[a-z]+)*\}(:[A-Za-z]+)?|:?[A-Za-z]+(:[A-Za-z]+)?))+")
    wrong = [route for _, _, route in routes() if not form.fullmatch(route)]
    assert wrong == []


def test_no_two_routes_take_the_same_request() -> None:
    """An example of each route fits that route alone, though its ids contain colons."""
    assert len({shape(route) for _, _, route in routes()}) == len(routes())
    for _, operation, route in routes():
        takers = [name for _, name, other in routes() if pattern(other).fullmatch(sample(route))]
        assert takers == [operation]


def test_every_route_lies_under_a_prefix_of_its_own_service_only() -> None:
    """An unknown path can be counted with one service, because prefixes neither nest nor repeat."""
    prefixes = [(service, prefix) for service in SERVICES for prefix in read(service)["prefixes"]]
    for service, _, route in routes():
        path = route.partition(" ")[2]
        assert [owner for owner, prefix in prefixes if within(path, prefix)] == [service], route
    for (_, a), (_, b) in combinations(prefixes, 2):
        assert {within(a, b), within(b, a)} == {False}, f"{a} and {b}"


@pytest.mark.parametrize("service", SERVICES)
def test_every_metric_has_azures_name_and_dimensions(service: str) -> None:
    """Name, primary aggregation and dimensions are Azure's own, in its order and casing."""
    metric = read(service)["metric"]
    assert (metric["name"], metric["primary"], list(metric["dimensions"])) == METRICS[service]
    assert metric["unknown"] == "Bad Route"
    assert metric["display"].endswith("API Requests")
    assert metric["brief"].endswith(".")


@pytest.mark.parametrize("service", SERVICES)
def test_every_dimension_names_a_neutral_column(service: str) -> None:
    """What every service has is a column of the fact; what only one has is an extra, in snake_case."""
    columns = {
        "Operation": "operation",
        "OperationName": "operation",
        "StatusCode": "status",
        "StatusCodeClass": "status_class",
        "StatusCodeSubClass": "status_class",
        "ApiVersion": "api_version",
    }
    for name, column in read(service)["metric"]["dimensions"].items():
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        assert column == columns.get(name, f"extra.{snake}")


def test_metrics_that_count_no_requests_stand_apart() -> None:
    """The two of e-mail and the one of callback events have their dimensions and a brief."""
    others = read("other_metrics")
    assert {name: metric["dimensions"] for name, metric in others.items()} == OTHER_METRICS
    for metric in others.values():
        assert metric["primary"] == "Count"
        assert metric["display"]
        assert metric["brief"].endswith(".")


def test_chat_is_for_users_and_everything_else_for_the_resource() -> None:
    """Chat takes a user's token; the other services take the resource's key or an Entra bearer."""
    for service in SERVICES:
        expected = "user" if service == "chat" else "resource"
        for name, row in read(service)["operations"].items():
            assert row.get("auth", expected) == expected, name


def test_chat_operations_tell_what_they_made_happen() -> None:
    """Each change in a thread is one happening; reading and receipts are none."""
    found = {
        name: row["emits"]
        for service in SERVICES
        for name, row in read(service)["operations"].items()
        if "emits" in row
    }
    assert found == {name: [happening] for name, happening in EMITS.items()}


def test_authentication_chat_and_sms_are_built() -> None:
    """What stands unserved in a built service is a row of it, with its reason."""
    assert [service for service in SERVICES if read(service)["built"]] == ["authentication", "chat", "sms"]
    for service in SERVICES:
        page = read(service)
        for name, reason in page.get("unserved", {}).items():
            assert page["built"], f"{service}: all of it is unserved"
            assert not page["operations"][name].get("mission"), f"{name} must be served"
            assert reason.endswith(".")
