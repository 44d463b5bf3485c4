"""Incidents and notices as Resource Health shows them: events, and the availability of resources."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from trunkline.apis.azure.metrics import REGION
from trunkline.clock import rfc3339
from trunkline.insight.incidents import Incident
from trunkline.insight.telling import sentence
from trunkline.services.notices import Notice

EVENT_TYPE = "/providers/Microsoft.ResourceHealth/events"
STATUS_TYPE = "Microsoft.ResourceHealth/AvailabilityStatuses"
RECENT = timedelta(days=1)
_LATER = "Planned maintenance of this service has been announced."
_SUMMARIES = {
    "Available": "There are no known problems with this resource.",
    "Degraded": "Requests to a part of this resource fail beyond retrying.",
    "Unavailable": "Requests to this resource fail beyond retrying.",
}
_ACTIONS = {"action": "See which requests failed, and search the log for one of them by its MS-CV."}


def incident_event(one: Incident, title: str, subscription_id: str) -> dict[str, Any]:
    """Return an outage as an event; `title` names the service."""
    is_over = one.closed_at is not None
    mitigated = one.last_at if is_over else None
    source = "ResourceHealth" if one.resource else "ServiceHealth"
    said = sentence(one)
    return _event(
        one.id,
        subscription_id,
        service=title,
        is_over=is_over,
        began_at=one.began_at,
        mitigated_at=mitigated,
        updated_at=one.updated_at,
        said=said,
        properties={
            "eventType": "ServiceIssue",
            "eventSource": source,
            "title": f"{'RESOLVED' if is_over else 'ACTIVE'}: {one.title}",
            "level": "Critical" if one.level == "critical" else "Warning",
            "eventLevel": "Critical" if one.level == "critical" else "Warning",
            "priority": 10 if is_over else 0,
        },
    )


def notice_event(one: Notice, title: str, subscription_id: str, now: datetime) -> dict[str, Any]:
    """Return a notice as an event; `title` names what it is about."""
    state, over_at = one.state(now), one.over_at()
    is_maintenance = one.kind == "maintenance"
    return _event(
        one.id,
        subscription_id,
        service=title,
        is_over=state == "over",
        began_at=one.begins_at,
        mitigated_at=over_at,
        updated_at=one.ended_at or one.made_at,
        said=one.text,
        properties={
            "eventType": "PlannedMaintenance" if is_maintenance else "HealthAdvisory",
            "eventSource": "ServiceHealth",
            "title": f"{'Planned maintenance' if is_maintenance else 'Advisory'}: {title}",
            "level": "Warning",
            "eventLevel": "Informational",
            "priority": 20 if state == "over" else 15,
        },
    )


def _event(
    tracking_id: str,
    subscription_id: str,
    *,
    service: str,
    is_over: bool,
    began_at: datetime,
    mitigated_at: datetime | None,
    updated_at: datetime,
    said: str,
    properties: dict[str, Any],
) -> dict[str, Any]:
    status = "Resolved" if is_over else "Active"
    region = {
        "impactedRegion": REGION,
        "status": status,
        "impactedSubscriptions": [subscription_id],
        "impactedTenants": [],
        "lastUpdateTime": rfc3339(updated_at),
    }
    whole = {
        **properties,
        "status": status,
        "summary": said,
        "header": properties["title"],
        "description": said,
        "impactStartTime": rfc3339(began_at),
        "lastUpdateTime": rfc3339(updated_at),
        "impact": [{"impactedService": service, "impactedRegions": [region]}],
        "isHIR": False,
        "platformInitiated": True,
    }
    if mitigated_at is not None:
        whole["impactMitigationTime"] = rfc3339(mitigated_at)
        whole["duration"] = int((mitigated_at - began_at).total_seconds())
    scope = f"/subscriptions/{subscription_id}" if subscription_id else ""
    return {"id": f"{scope}{EVENT_TYPE}/{tracking_id}", "name": tracking_id, "type": EVENT_TYPE, "properties": whole}


def current_status(
    scope: str,
    now: datetime,
    incidents: Sequence[Incident],
    used: Collection[str],
    announced: Sequence[Notice],
    *,
    since: datetime,
) -> dict[str, Any]:
    """Return how a resource is at a moment, and has been `since` one if nothing tells more.

    `incidents` are those that concern it, `used` the services that it had requests to, `announced` the maintenance that
    holds. It is unavailable when all that it used is out of order, and degraded when a part is.
    """
    open_ones = [one for one in incidents if one.closed_at is None]
    out = {one.service for one in open_ones}
    state = "Available" if not out else "Unavailable" if set(used) <= out else "Degraded"
    closed = [one for one in incidents if one.closed_at is not None]
    latest = max(closed, key=lambda one: one.last_at, default=None)
    is_planned = any(notice.covers(one) for notice in announced for one in out)
    began_at = min((one.began_at for one in open_ones), default=latest.last_at if latest else since)
    found = {
        **_status(state, began_at),
        "reportedTime": rfc3339(now),
        "detailedStatus": " ".join(sentence(one) for one in open_ones) or _SUMMARIES[state],
        "recommendedActions": [_ACTIONS] if out else [],
    }
    if out:
        words = ("Planned", "Planned") if is_planned else ("Unplanned", "Unplanned")
        found |= {"reasonType": words[0], "category": words[1], "rootCauseAttributionTime": rfc3339(began_at)}
        ends = [notice.ends_at for notice in announced if notice.ends_at is not None]
        found |= {"resolutionETA": rfc3339(max(ends))} if is_planned and ends else {}
        found["serviceImpactingEvents"] = [_impacting(one) for one in open_ones if not one.resource]
    elif announced:
        found["summary"] = _LATER
    if not out and latest is not None and latest.closed_at is not None and now - latest.closed_at < RECENT:
        found["recentlyResolved"] = {
            "unavailableOccuredTime": rfc3339(latest.began_at),
            "resolvedTime": rfc3339(latest.last_at),
            "unavailableSummary": sentence(latest),
        }
    return _shown(scope, "current", found)


def past_statuses(scope: str, incidents: Sequence[Incident]) -> list[dict[str, Any]]:
    """Return how a resource was before, the newest first: when it was out of order, and when it was well again."""
    found = []
    for one in incidents:
        if one.closed_at is not None:
            found.append((one.last_at, _status("Available", one.last_at)))
        found.append((one.began_at, {**_status("Unavailable", one.began_at), "detailedStatus": sentence(one)}))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [_shown(scope, at.strftime("%Y-%m-%d+%H:%M:%SZ"), status) for at, status in found]


def _status(state: str, occurred_at: datetime) -> dict[str, Any]:
    return {
        "availabilityState": state,
        "title": state,
        "summary": _SUMMARIES[state],
        "reasonType": "Unplanned" if state != "Available" else "",
        "context": "Platform Initiated",
        "category": "Unplanned" if state != "Available" else "",
        "reasonChronicity": "Persistent",
        "occuredTime": rfc3339(occurred_at),
    }


def _impacting(one: Incident) -> dict[str, Any]:
    return {
        "eventStartTime": rfc3339(one.began_at),
        "eventStatusLastModifiedTime": rfc3339(one.updated_at),
        "correlationId": one.id,
        "status": {"value": "Active"},
        "incidentProperties": {
            "title": one.title,
            "service": one.service,
            "region": REGION,
            "incidentType": "ServiceIssue",
        },
    }


def _shown(scope: str, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{scope}/providers/{STATUS_TYPE}/{name}",
        "name": name,
        "type": STATUS_TYPE,
        "location": REGION,
        "properties": properties,
    }
