"""Event subscriptions as Azure's clients write them: the bodies of PUT and PATCH, read into our words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from trunkline.clock import parse_rfc3339
from trunkline.errors import InvalidError, UnservedError
from trunkline.events.envelopes import CLOUDEVENTS, EVENT_GRID
from trunkline.events.filters import OPERATORS, Condition, Filter
from trunkline.events.subscription import Header, Spec

HIDDEN = "Hidden"
WEBHOOK = "WebHook"
SCHEMAS = {"EventGridSchema": EVENT_GRID, "CloudEventSchemaV1_0": CLOUDEVENTS}
OPERATOR_NAMES = {name: "".join(word.capitalize() for word in name.split("_")) for name in OPERATORS}
"""The documented names of the filter operators by ours."""
_OPERATORS = {documented.lower(): name for name, documented in OPERATOR_NAMES.items()}
_TLS = {"1.0", "1.1", "1.2"}
_NO_URL = (
    "Invalid event subscription request: Supplied URL is invalid. It cannot be null or empty and should be a proper "
    "HTTPS URL like https://www.example.com."
)


class Form(msgspec.Struct, kw_only=True, rename="camel"):
    """A part of a body; what it does not name is ignored, as the original does."""


class AttributeProperties(Form, kw_only=True, rename="camel"):
    """Where the value of a delivery attribute comes from."""

    value: str | None = None
    is_secret: bool = True
    source_field: str | None = None


class Attribute(Form, kw_only=True, rename="camel"):
    """A header added to deliveries."""

    name: str = ""
    type: str = "Static"
    properties: AttributeProperties | None = None


class WebhookProperties(Form, kw_only=True, rename="camel"):
    """A webhook as a destination."""

    endpoint_url: str | None = None
    max_events_per_batch: int | None = None
    preferred_batch_size_in_kilobytes: int | None = None
    delivery_attribute_mappings: list[Attribute] | None = None
    azure_active_directory_tenant_id: str | None = None
    azure_active_directory_application_id_or_uri: str | None = None
    minimum_tls_version_allowed: str | None = None


class Destination(Form, kw_only=True, rename="camel"):
    """Where events go."""

    endpoint_type: str = WEBHOOK
    properties: WebhookProperties | None = None


class AdvancedFilter(Form, kw_only=True, rename="camel"):
    """One condition on the event."""

    operator_type: str = ""
    key: str = ""
    value: Any = None
    values: list[Any] | None = None


class FilterForm(Form, kw_only=True, rename="camel"):
    """Which events are wanted."""

    included_event_types: list[str] | None = None
    subject_begins_with: str | None = None
    subject_ends_with: str | None = None
    is_subject_case_sensitive: bool | None = None
    advanced_filters: list[AdvancedFilter] | None = None
    enable_advanced_filtering_on_arrays: bool | None = None


class RetryForm(Form, kw_only=True, rename="camel"):
    """How long a delivery is tried."""

    max_delivery_attempts: int | None = None
    event_time_to_live_in_minutes: int | None = None


class Changes(Form, kw_only=True, rename="camel"):
    """The body of a PATCH: the members to change stand at the top."""

    destination: Destination | None = None
    delivery_with_resource_identity: Any = None
    filter: FilterForm | None = None
    labels: list[str] | None = None
    expiration_time_utc: str | None = None
    event_delivery_schema: str | None = None
    retry_policy: RetryForm | None = None
    dead_letter_destination: Any = None
    dead_letter_with_resource_identity: Any = None


class Body(Form, kw_only=True, rename="camel"):
    """The body of a PUT: the same members under `properties`."""

    properties: Changes | None = None


def spec_of(body: Body) -> Spec:
    """Read what a PUT asks for. Raises InvalidError, UnservedError."""
    given = members(body.properties or Changes(), Filter())
    if not given.get("url"):
        raise InvalidError(_NO_URL, target="endpointUrl")
    return Spec(**{name: value for name, value in given.items() if value is not None})


def members(changes: Changes, old: Filter) -> dict[str, Any]:
    """Read the members of a spec that a body gives, None for the others; a filter keeps what it does not give.

    Raises InvalidError, UnservedError for what Trunkline has no way to deliver to.
    """
    _refuse_unserved(changes)
    webhook = (changes.destination.properties if changes.destination else None) or WebhookProperties()
    policy = changes.retry_policy or RetryForm()
    attributes = webhook.delivery_attribute_mappings
    return {
        "url": webhook.endpoint_url or None,
        "schema": _schema(changes.event_delivery_schema),
        "filter": _filter(changes.filter, old) if changes.filter else None,
        "most_events": webhook.max_events_per_batch,
        "preferred_kb": webhook.preferred_batch_size_in_kilobytes,
        "headers": None if attributes is None else tuple(map(_header, attributes)),
        "most_attempts": policy.max_delivery_attempts,
        "live_minutes": policy.event_time_to_live_in_minutes,
        "labels": None if changes.labels is None else tuple(changes.labels),
        "expires_at": _moment(changes.expiration_time_utc),
        "extra": _extra(webhook),
    }


def explained(error: InvalidError) -> InvalidError:
    """Put the service's own sentence before what is wrong with a webhook's address; tools look for it."""
    if error.target != "endpointUrl" or error.message == _NO_URL:
        return error
    return InvalidError(f"{_NO_URL} {error.message}", target=error.target)


def _refuse_unserved(changes: Changes) -> None:
    kind = changes.destination.endpoint_type if changes.destination else WEBHOOK
    if kind.lower() != WEBHOOK.lower():
        raise UnservedError(
            f"Trunkline delivers events to webhooks (endpointType WebHook); the destination {kind} is not served."
        )
    if changes.dead_letter_destination or changes.dead_letter_with_resource_identity:
        raise UnservedError(
            "Trunkline keeps the events that could not be delivered itself and lists them "
            "(`GET /api/v1/dead-letters`); a dead-letter destination is not served, leave it out."
        )
    webhook = changes.destination.properties if changes.destination else None
    entra = webhook and (
        webhook.azure_active_directory_tenant_id or webhook.azure_active_directory_application_id_or_uri
    )
    if changes.delivery_with_resource_identity or entra:
        raise UnservedError(
            "Deliveries with an Entra identity are not served; a secret delivery attribute can carry a credential."
        )


def _schema(text: str | None) -> str | None:
    if not text:
        return None
    found = next((ours for name, ours in SCHEMAS.items() if name.lower() == text.lower()), None)
    if found is None:
        raise InvalidError(
            f"The event delivery schema {text} is not one that events of this source can be delivered in: "
            f"{', '.join(SCHEMAS)}.",
            target="eventDeliverySchema",
        )
    return found


def _filter(form: FilterForm, old: Filter) -> Filter:
    given: dict[str, Any] = {
        "types": None if form.included_event_types is None else tuple(form.included_event_types),
        "subject_begins": form.subject_begins_with,
        "subject_ends": form.subject_ends_with,
        "case_sensitive": form.is_subject_case_sensitive,
        "conditions": None if form.advanced_filters is None else tuple(map(_condition, form.advanced_filters)),
        "arrays": form.enable_advanced_filtering_on_arrays,
    }
    return msgspec.structs.replace(old, **{name: value for name, value in given.items() if value is not None})


def _condition(form: AdvancedFilter) -> Condition:
    operator = _OPERATORS.get(form.operator_type.lower())
    if operator is None:
        raise InvalidError(
            f"There is no filter operator {form.operator_type!r}; there are {', '.join(OPERATOR_NAMES.values())}.",
            target="advancedFilters",
        )
    values = form.values if form.values is not None else [] if form.value is None else [form.value]
    return Condition(
        operator=operator,
        key=form.key,
        values=tuple(tuple(value) if isinstance(value, list) else value for value in values),
    )


def _header(form: Attribute) -> Header:
    properties = form.properties or AttributeProperties()
    kind = form.type.lower()
    if kind == "dynamic" and properties.source_field:
        return Header(name=form.name, source=properties.source_field)
    if kind == "static":
        value = None if properties.value == HIDDEN else properties.value
        return Header(name=form.name, value=value, secret=properties.is_secret)
    raise InvalidError(
        f"The delivery attribute {form.name} is Static with a value, or Dynamic with a sourceField.",
        target="deliveryAttributeMappings",
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return parse_rfc3339(text) if text else None
    except (ValueError, OverflowError) as error:
        raise InvalidError("expirationTimeUtc must be a moment in ISO 8601.", target="expirationTimeUtc") from error


def _extra(webhook: WebhookProperties) -> dict[str, Any] | None:
    version = webhook.minimum_tls_version_allowed
    if not version:
        return None
    if version not in _TLS:
        raise InvalidError(f"minimumTlsVersionAllowed is one of {', '.join(sorted(_TLS))}.", target="destination")
    return {"minimum_tls": version}
