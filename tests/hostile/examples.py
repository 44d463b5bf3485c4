"""A valid request of each operation: what is sent broken starts from it, so that it gets past the first check.

An operation that stands in no table is driven too, with a body and a query of names that anyone might read.
`{user}`, `{other}`, `{message}`, `{resource}` and `{entra}` stand for what the scene made.
"""

from __future__ import annotations

from typing import Any

from trunkline.catalogue.rows import Operation

WEBHOOK = "http://127.0.0.1:1/hook?code=s3cret-in-a-webhook"
"""Nobody listens there; the query is a secret that no error may repeat."""

_USER = {"rawId": "{other}", "communicationUser": {"id": "{other}"}}
_OPTED = {"from": "+18005550199", "recipients": [{"to": "+15555550100"}, {"to": "+15555550101"}]}
_SUBSCRIPTION = {
    "destination": {
        "endpointType": "WebHook",
        "properties": {
            "endpointUrl": WEBHOOK,
            "maxEventsPerBatch": 2,
            "preferredBatchSizeInKilobytes": 64,
            "minimumTlsVersionAllowed": "1.2",
            "deliveryAttributeMappings": [
                {"name": "X-A", "type": "Static", "properties": {"value": "s3cret-in-a-header", "isSecret": True}},
                {"name": "X-B", "type": "Dynamic", "properties": {"sourceField": "data.key"}},
            ],
        },
    },
    "filter": {
        "includedEventTypes": ["Microsoft.Communication.ChatMessageReceived"],
        "subjectBeginsWith": "thread/",
        "subjectEndsWith": "x",
        "isSubjectCaseSensitive": True,
        "enableAdvancedFilteringOnArrays": True,
        "advancedFilters": [
            {"operatorType": "StringIn", "key": "data.threadId", "values": ["a", "b"]},
            {"operatorType": "NumberInRange", "key": "data.version", "values": [[1, 2], [3.5, 4]]},
            {"operatorType": "BoolEquals", "key": "data.flag", "value": True},
        ],
    },
    "labels": ["one"],
    "expirationTimeUtc": "2027-11-21T12:00:00Z",
    "eventDeliverySchema": "EventGridSchema",
    "retryPolicy": {"maxDeliveryAttempts": 5, "eventTimeToLiveInMinutes": 60},
}
BODIES: dict[str, Any] = {
    "CreateIdentity": {"createTokenWithScopes": ["chat"], "expiresInMinutes": 60},
    "CreateToken": {"scopes": ["chat", "voip"], "expiresInMinutes": 60},
    "ExchangeTeamsUserAccessToken": {
        "token": "{entra}",
        "appId": "11111111-1111-1111-1111-111111111111",
        "userId": "22222222-2222-2222-2222-222222222222",
    },
    "CreateChatThread": {
        "topic": "topic",
        "participants": [
            {
                "communicationIdentifier": _USER,
                "displayName": "name",
                "shareHistoryTime": "2026-11-21T11:00:00Z",
                "metadata": {"a": "b"},
            },
        ],
        "metadata": {"a": "b"},
        "retentionPolicy": {"kind": "none"},
    },
    "UpdateChatThread": {"topic": "other", "metadata": {"a": "b", "c": None}},
    "SendChatMessage": {"content": "c", "senderDisplayName": "name", "type": "html", "metadata": {"a": "b"}},
    "UpdateChatMessage": {"content": "d", "metadata": {"a": "b", "c": None}},
    "SendReadReceipt": {"chatMessageId": "{message}"},
    "SendTypingIndicator": {"senderDisplayName": "name"},
    "AddChatThreadParticipants": {"participants": [{"communicationIdentifier": _USER, "displayName": "name"}]},
    "RemoveChatThreadParticipant": _USER,
    "SMSMessageSent": {
        "from": "+18005550199",
        "smsRecipients": [
            {
                "to": "+15555550100",
                "repeatabilityRequestId": "33333333-3333-3333-3333-333333333333",
                "repeatabilityFirstSent": "Sat, 21 Nov 2026 12:00:00 GMT",
            },
        ],
        "message": "hello",
        "smsSendOptions": {"enableDeliveryReport": True, "tag": "tag"},
    },
    "OptOutsAdd": _OPTED,
    "OptOutsRemove": _OPTED,
    "OptOutsCheck": _OPTED,
    "AddTeamsUser": {"plans": ["TEAMS1"], "tenant": "44444444-4444-4444-4444-444444444444"},
    "ReceiveText": {"from": "+15555550100", "to": "+18005550199", "text": "hello"},
    "EventSubscriptions_CreateOrUpdate": {"properties": _SUBSCRIPTION},
    "EventSubscriptions_Update": _SUBSCRIPTION,
    "DiagnosticSettings_CreateOrUpdate": {
        "properties": {
            "storageAccountId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/logs",
            "workspaceId": "",
            "eventHubAuthorizationRuleId": "",
            "serviceBusRuleId": "",
            "marketplacePartnerId": "",
            "logs": [
                {"category": "SMSOperational", "enabled": True, "retentionPolicy": {"enabled": False, "days": 0}},
                {"categoryGroup": "allLogs", "enabled": True},
            ],
            "metrics": [{"category": "AllMetrics", "enabled": False}],
        },
    },
    "MetricAlerts_CreateOrUpdate": {
        "location": "global",
        "tags": {"a": "b"},
        "properties": {
            "description": "d",
            "severity": 2,
            "enabled": True,
            "scopes": ["{resource}"],
            "evaluationFrequency": "PT1M",
            "windowSize": "PT5M",
            "autoMitigate": True,
            "actions": [{"actionGroupId": "x"}],
            "criteria": {
                "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                "allOf": [
                    {
                        "name": "one",
                        "metricName": "APIRequestChat",
                        "metricNamespace": "Microsoft.Communication/CommunicationServices",
                        "timeAggregation": "Count",
                        "operator": "GreaterThan",
                        "threshold": 3,
                        "criterionType": "StaticThresholdCriterion",
                        "dimensions": [{"name": "Operation", "operator": "Include", "values": ["SendChatMessage"]}],
                    },
                ],
            },
        },
    },
    "PutAlert": {
        "criteria": [
            {
                "measure": "requests.failed",
                "when": "above",
                "value": 0.5,
                "of": "requests.count",
                "where": [{"column": "operation", "values": ["SendChatMessage"], "op": "is", "fold": True}],
            },
        ],
        "window_minutes": 15,
        "every_minutes": 5,
        "description": "d",
        "severity": 2,
        "enabled": True,
        "everywhere": False,
    },
    "CreateNotice": {
        "kind": "maintenance",
        "text": "t",
        "service": "chat",
        "from": "2026-11-22T12:00:00Z",
        "until": "2026-11-22T13:00:00Z",
    },
    "Metrics_Batch": {"resourceids": ["{resource}"]},
    "CreateAccount": {"parent": "", "move": False},
    "CreateKey": {"name": "ci", "role": "read", "account": "trunkline", "expires": "30d"},
    "MintToken": {"role": "reader", "hours": 1.5, "account": "trunkline"},
    "Ask": {
        "measures": ["requests.count", "requests.failure_rate"],
        "start": "2026-11-21T10:00:00Z",
        "end": "2026-11-21T13:00:00Z",
        "step": "day",
        "zone": "Europe/Zagreb",
        "top": {"most": 3, "others": True},
        "limit": 1000,
        "format": "json",
        "by": ["operation", "status"],
        "where": [{"column": "resource", "values": ["trunkline"], "op": "is", "fold": True}],
    },
    "ListFacts": {
        "fact": "requests",
        "since": "2h",
        "until": "now",
        "id": "x",
        "where": [{"column": "status", "values": ["400"], "op": "at least"}],
        "newest_first": True,
        "limit": 10,
        "skip": 1,
    },
    "PostRequests": [
        {
            "happened_at": "2026-11-21T11:59:00Z",
            "resource": "trunkline",
            "service": "chat",
            "operation": "SendChatMessage",
            "status": 201,
            "duration_ms": 4.5,
            "extra": {"a": "b"},
        },
    ],
    "PostCalls": [
        {
            "leg_id": "leg",
            "call_id": "call",
            "direction": "outbound",
            "sender": "+18005550199",
            "recipient": "+385911234567",
            "seized_at": "2026-11-21T11:59:01Z",
            "answered_at": "2026-11-21T11:59:03Z",
            "ended_at": "2026-11-21T11:59:30Z",
            "sip_code": 200,
            "q850_cause": 16,
            "foreign_ids": {"sip": "x"},
            "mos": 4.2,
        },
    ],
    "PostSamples": [{"call_id": "call", "edge": "sdk", "direction": "both", "mos": 4.39, "packets_lost": 0}],
    "PostCallEvents": [{"call_id": "call", "name": "ringing", "level": "info", "extra": {"a": "b"}}],
    "PostLogs": [{"text": "ICE failed", "level": "warning", "call_id": "call", "foreign_ids": {"a": "b"}}],
    "PostFeedback": [
        {"call_id": "call", "overall_score": 2, "overall_highest": 5, "audio_issues": "Echo", "text": "x"}
    ],
    "PostMessages": [{"message_id": "m", "channel": "email", "recipient": "a@b.example", "status": "delivered"}],
    "CreateSubscription": {
        "name": "theirs",
        "url": WEBHOOK,
        "types": ["ChatMessageReceived"],
        "subject_begins": "thread/",
        "subject_ends": "x",
        "schema": "event grid",
        "minutes": 5,
    },
    "QueryAggregateData": {
        "callbackUrl": WEBHOOK,
        "request": {
            "filterBy": {
                "channelCodes": ["VOICE_VIDEO", "SMS"],
                "sentSince": "2026-11-21T10:00:00.000+0000",
                "sentUntil": "2026-11-21T13:00:00.000+0000",
                "accountKeys": ["trunkline"],
                "includeSubaccounts": True,
                "directions": ["OUTBOUND"],
                "timeToAnswer": [{"from": "SECONDS_0", "to": "SECONDS_5"}],
                "statuses": ["BUSY"],
                "errorGroups": ["OK"],
                "countryIds": [191],
                "networkIds": [219010],
                "communicationIds": [1],
                "senders": ["+18005550199"],
                "platforms": [{"applicationId": "a", "entityId": "b"}],
            },
            "aggregateBy": ["HOUR", "STATUS", "TIME_TO_ANSWER"],
            "metrics": ["TOTAL_CALL_COUNT", "ANSWER_RATE", "TOTAL_TRAFFIC_COUNT"],
            "timeZone": "Europe/Zagreb",
        },
    },
    "TestSubscription": {"type": "ChatMessageReceived"},
}
ANY_BODY: dict[str, Any] = {
    "id": "1",
    "name": "name",
    "from": "+15550001000",
    "to": [{"phoneNumber": {"value": "+15550001000"}, **_USER}],
    "participants": {"{other}": {"role": "Presenter"}, "8:acs:a_b": None},
    "validFrom": "2026-11-21T12:00:00Z",
    "callbackUri": WEBHOOK,
    "message": "text",
    "text": "text",
    "labels": {"a": 1},
    "ttl": 60,
    "options": {"enabled": True, "tags": ["a"], "share": 0.5},
}

_METRICS = {
    "metricnamespace": "Microsoft.Communication/CommunicationServices",
    "metricnames": "APIRequestChat,APIRequestAuthentication",
    "interval": "PT1M",
    "aggregation": "Count,Total",
    "$filter": "Operation eq 'SendChatMessage' or Operation eq 'x' and StatusCode eq '*'",
    "top": "5",
    "orderby": "count asc",
    "rollupby": "StatusCode",
    "AutoAdjustTimegrain": "true",
    "ValidateDimensions": "true",
    "resultType": "Data",
}
_PAGES = {"maxPageSize": "2", "skip": "1"}
_OF_CALL = {"Edge": "all", "PageSize": "2", "Page": "1", "PageToken": "PTeyJwYWdlT2Zmc2V0IjoxfQ=="}
QUERIES: dict[str, dict[str, str]] = {
    "ListMetric": {**_OF_CALL, "Direction": "both"},
    "ListEvent": _OF_CALL,
    "FetchSummary": {"ProcessingState": "complete"},
    "ListCallSummaries": {
        **{name: value for name, value in _OF_CALL.items() if name != "Edge"},
        "From": "+18005550199",
        "To": "client:someone",
        "FromCarrier": "A1",
        "ToCarrier": "A1",
        "FromCountryCode": "US",
        "ToCountryCode": "HR",
        "HasTag": "false",
        "AbnormalSession": "false",
        "VerifiedCaller": "true",
        "BrandedType": "in_band",
        "StartTime": "4h",
        "EndTime": "2026-11-21T12:00:00Z",
        "CallType": "carrier,sip",
        "CallState": "completed",
        "Direction": "outbound_api,outbound_dial",
        "AnsweredBy": "human",
        "ProcessingState": "all",
        "SortBy": "end_time",
        "SpamAnnotation": "true",
        "CallScoreAnnotation": "1,5",
        "AnsweredByAnnotation": "human",
        "ConnectivityIssueAnnotation": "caller_id",
        "QualityIssueAnnotation": "echo,owa",
    },
    "Metrics_List": {**_METRICS, "timespan": "2026-11-21T11:00:00Z/2026-11-21T12:00:00Z"},
    "Metrics_Batch": {**_METRICS, "starttime": "2026-11-21T11:00:00Z", "endtime": "2026-11-21T12:00:00Z"},
    "EventSubscriptions_ListByResource": {"$top": "2", "$skiptoken": "0", "$filter": "contains(name, 'm')"},
    "EventSubscriptions_Validate": {"id": "x", "resource": "trunkline"},
    "EventSubscriptions_ValidateByPost": {"id": "x", "resource": "trunkline"},
    "ListChatThreads": {**_PAGES, "startTime": "2026-11-21T11:00:00Z", "syncState": "MQ=="},
    "ListChatMessages": {**_PAGES, "startTime": "2026-11-21T11:00:00Z", "syncState": "MQ=="},
    "GetReadReceipts": _PAGES,
    "ListChatThreadParticipants": _PAGES,
    "ListDeadLetters": {"most": "2", "account": "trunkline"},
    # without wait_s: this clock stands still
    "ListInbox": {
        "account": "trunkline",
        "channel": "sms",
        "id": "1",
        "to": "+15555550100",
        "from": "+18005550199",
        "text": "h",
        "thread": "1",
        "tag": "tag",
        "status": "sent",
        "since": "5m",
        "limit": "2",
        "after": "",
        "count": "0",
    },
    "ListNumbers": {"account": "trunkline"},
    "Explain": {"q": "487/540487"},
    "GetCatalogue": {"q": "chat"},
    "GetConnection": {"account": "trunkline"},
    "ListSubscriptions": {"account": "trunkline"},
}
ANY_QUERY = {"maxPageSize": "2", "skip": "1", "account": "trunkline", "$filter": "name eq 'x'", "top": "5", "wait": "0"}
VERSION = "2024-03-07"


def body_of(operation: Operation) -> Any:
    """Return the valid body of an operation, or one for any."""
    return BODIES.get(operation.name, ANY_BODY)


def query_of(operation: Operation) -> dict[str, str]:
    """Return the valid query of an operation, or one for any."""
    return {"api-version": VERSION, **QUERIES.get(operation.name, ANY_QUERY)}
