"""An example of every field of every fact: together they tell one believable call, message and request."""

from __future__ import annotations

from typing import Any

from trunkline.catalogue.columns import columns
from trunkline.catalogue.facts import Fact

_OF_ANY: dict[str, Any] = {
    "resource": "trunkline",
    "subaccount": "east",
    "channel": "voice",
    "direction": "outbound",
    "sender": "+18005550199",
    "sender_type": "toll free",
    "recipient": "+385911234567",
    "country": "HR",
    "network_id": "21901",
    "network_name": "Hrvatski Telekom",
    "network_source": "given",
    "application_id": "support",
    "entity_id": "acme",
    "communication_id": "spring-campaign",
    "status_group": "delivered",
    "error_group": "ok",
    "error_code": "0",
    "call_id": "c1",
    "correlation_id": "order-4711",
    "extra": {"region": "eu"},
    "edge": "sdk",
}
_OF_A: dict[str, dict[str, Any]] = {
    "requests": {
        "service": "chat",
        "operation": "SendChatMessage",
        "status": 201,
        "status_class": "2xx",
        "served": True,
        "api_version": "2024-03-07",
        "ms_cv": "Iq6yxkEjsE6uDNyl7JIlHg.0",
        "request_id": "5a1c6f0e-8b7e-4b52-9c0b-6d4a8f0f8c11",
        "client_request_id": "0e1f7b4a-3c2d-4e5f-8a9b-1c2d3e4f5a6b",
        "sdk": "azsdk-python-communication-chat/1.3.0",
        "caller": "api key 0123456789abcdef",
        "caller_ip": "203.0.113.7",
        "duration_ms": 12.5,
    },
    "calls": {
        "happened_at": "2026-01-15T12:00:00Z",
        "leg_id": "a1",
        "foreign_ids": {"sip": "a84b4c76e66710@pc33.example.com"},
        "capability": "phone",
        "seized_at": "2026-01-15T12:00:01.5Z",
        "answered_at": "2026-01-15T12:00:08Z",
        "ended_at": "2026-01-15T12:01:00Z",
        "ring_ms": 6500.0,
        "talk_ms": 52000.0,
        "dial_ms": 2100.0,
        "tags": {"checked": "yes"},
        "seized": True,
        "answered": True,
        "outcome": "answered",
        "status": "completed",
        "sip_code": 200,
        "q850_cause": 16,
        "amd_processed": True,
        "answered_by": "human",
        "hang_up": "normal",
        "mos": 4.31,
        "revised_at": "2026-01-15T12:01:01Z",
    },
    "samples": {
        "direction": "both",
        "codec": "opus",
        "mos": 4.39,
        "rtt_ms": 81.0,
        "jitter_ms": 9.0,
        "loss_percent": 0.4,
        "latency_ms": 120.0,
        "audio_in_level": 4200.0,
        "audio_out_level": 3900.0,
        "packets_sent": 500,
        "packets_received": 498,
        "packets_lost": 2,
        "bytes_sent": 43000,
        "bytes_received": 42800,
        "total_packets_sent": 2600,
        "total_packets_received": 2590,
        "total_packets_lost": 10,
        "total_bytes_sent": 223600,
        "total_bytes_received": 222700,
        "total_jitter_avg_ms": 7.2,
        "total_jitter_max_ms": 31.0,
    },
    "call_events": {
        "name": "ringing",
        "topic": "connection",
        "level": "info",
        "code": "31005",
        "text": "The other side is told of the call.",
    },
    "messages": {
        "message_id": "m1",
        "channel": "sms",
        "thread_id": "t1",
        "segments": 1,
        "status": "delivered",
        "delivered_at": "2026-01-15T12:00:02Z",
        "tag": "orders",
        "revised_at": "2026-01-15T12:00:03Z",
    },
}
_MOMENT = "2026-01-15T12:00:00Z"


def whole(kind: type[Fact]) -> dict[str, Any]:
    """Return a fact of a kind in which every field is given; one that has no example yet is left out."""
    own = {"happened_at": _MOMENT, **_OF_ANY, **_OF_A[kind.table]}
    return {name: own[name] for name, column in columns(kind).items() if name in own and not column.is_inner}
