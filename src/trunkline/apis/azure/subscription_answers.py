"""Event subscriptions as Azure's clients read them, and the operations that make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from trunkline.apis.azure.subscription_forms import HIDDEN, OPERATOR_NAMES, SCHEMAS, WEBHOOK
from trunkline.catalogue.azure.ids import PROVIDER, TYPE
from trunkline.clock import rfc3339
from trunkline.events.filters import OPERATORS, Condition, Filter
from trunkline.events.subscription import Header, Spec, Subscription
from trunkline.ids import derived
from trunkline.services.resources import Resource

_STATES = {
    "creating": "Creating",
    "updating": "Updating",
    "awaiting": "AwaitingManualAction",
    "active": "Succeeded",
    "failed": "Failed",
}
_SCHEMA_NAMES = {ours: name for name, ours in SCHEMAS.items()}


def render(
    subscription: Subscription, resource: Resource, scope: str, default_types: Sequence[str], state: str = ""
) -> dict[str, Any]:
    """Render a subscription: secrets hidden, the webhook's address without its query.

    The id keeps the caller's case, the topic has provider and type in lower case. Without types of its own it shows
    the source's default ones. `state` overrules the provisioning state.
    """
    spec = subscription.wanted
    properties: dict[str, Any] = {
        "topic": f"/subscriptions/{resource.subscription_id}/resourceGroups/{resource.resource_group}/providers/"
        f"{PROVIDER.lower()}/{TYPE.lower()}/{resource.name}",
        "provisioningState": state or _STATES[subscription.state],
        "destination": {"endpointType": WEBHOOK, "properties": _webhook(spec)},
        "filter": _filter(spec.filter, default_types),
        "labels": list(spec.labels) or None,
        "eventDeliverySchema": _SCHEMA_NAMES[spec.schema],
        "retryPolicy": {
            "maxDeliveryAttempts": spec.most_attempts,
            "eventTimeToLiveInMinutes": spec.live_minutes,
        },
    }
    if spec.expires_at is not None:
        properties["expirationTimeUtc"] = rfc3339(spec.expires_at)
    return {
        "properties": properties,
        "systemData": None,
        "id": f"{scope}/providers/Microsoft.EventGrid/eventSubscriptions/{subscription.name}",
        "name": subscription.name,
        "type": "Microsoft.EventGrid/eventSubscriptions",
    }


def attributes(headers: Sequence[Header], *, shown: bool) -> list[dict[str, Any]]:
    """Render the delivery attributes; secret values only when they are to be `shown`."""
    return [
        {"name": header.name, "type": "Dynamic", "properties": {"sourceField": header.source}}
        if header.source
        else {
            "name": header.name,
            "type": "Static",
            "properties": {
                "value": header.value if shown or not header.secret else HIDDEN,
                "isSecret": header.secret,
            },
        }
        for header in headers
    ]


def operation_id(subscription: Subscription) -> str:
    """Return the id of the operation that made the subscription what it is: another one after each change."""
    return derived("operation", subscription.id, rfc3339(subscription.changed_at, 6))


def operation(subscription: Subscription, url: str) -> dict[str, Any]:
    """Render how the operation stands; a webhook that waits for a confirmation by hand is still in progress."""
    answer: dict[str, Any] = {"id": url, "name": operation_id(subscription), "status": status(subscription)}
    if answer["status"] == "Failed":
        answer["error"] = {"code": "Url validation", "message": subscription.problem}
    return answer


def status(subscription: Subscription) -> str:
    """Tell how the last change went; a refused one may have left the subscription as it was before."""
    if subscription.is_pending:
        return "InProgress"
    return "Failed" if subscription.problem else "Succeeded"


def _webhook(spec: Spec) -> dict[str, Any]:
    webhook: dict[str, Any] = {
        "endpointUrl": None,
        "endpointBaseUrl": urlunsplit(urlsplit(spec.url)._replace(query="", fragment="")),
        "maxEventsPerBatch": spec.most_events,
        "preferredBatchSizeInKilobytes": spec.preferred_kb,
    }
    if spec.headers:
        webhook["deliveryAttributeMappings"] = attributes(spec.headers, shown=False)
    if "minimum_tls" in spec.extra:
        webhook["minimumTlsVersionAllowed"] = spec.extra["minimum_tls"]
    return webhook


def _filter(wanted: Filter, default_types: Sequence[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "subjectBeginsWith": wanted.subject_begins,
        "subjectEndsWith": wanted.subject_ends,
        "includedEventTypes": list(wanted.types or default_types),
    }
    if wanted.case_sensitive:
        shown["isSubjectCaseSensitive"] = True
    if wanted.arrays:
        shown["enableAdvancedFilteringOnArrays"] = True
    if wanted.conditions:
        shown["advancedFilters"] = [_condition(condition) for condition in wanted.conditions]
    return shown


def _condition(condition: Condition) -> dict[str, Any]:
    operator = OPERATORS[condition.operator]
    shown: dict[str, Any] = {"operatorType": OPERATOR_NAMES[condition.operator], "key": condition.key}
    if operator.kind and operator.single:
        return {**shown, "value": condition.values[0]}
    return {**shown, "values": list(condition.values)} if operator.kind else shown
