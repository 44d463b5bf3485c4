"""Envelopes: an event becomes what its recipients' webhooks get, in Event Grid's schema or as a CloudEvent.

Sources: the event schemas of the documentation for Event Grid and for the events of a communication resource,
and CloudEvents 1.0. This room may use Event Grid's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from trunkline.catalogue.acs import identifiers
from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import EventType
from trunkline.clock import rfc3339
from trunkline.events.event import Event
from trunkline.ids import derived

EVENT_GRID = "event grid"
CLOUDEVENTS = "cloudevents"
SCHEMAS = (EVENT_GRID, CLOUDEVENTS)
DATA_VERSION = "1.0"
METADATA_VERSION = "1"
LONGEST_HEADER = 4096
"""So many bytes has the value of a header of one's own at most."""

_encode = msgspec.json.Encoder().encode
_OWN = ("recipient_id", "participant", "participant_id")
"""What differs between the envelopes of one event; everything else is rendered once."""


class Topic(Protocol):
    """A resource, as far as envelopes tell of it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def subscription_id(self) -> str:
        """The id of the account it is billed to."""

    @property
    def resource_group(self) -> str:
        """The group it lies in."""


def topic_id(topic: Topic) -> str:
    """Return the id that envelopes name as the source of events."""
    return resource_id(topic.subscription_id, topic.resource_group, topic.name)


class Envelope:
    """One event of one type for one recipient, rendered when somebody wants it and then kept."""

    __slots__ = ("_bodies", "_data", "_digits", "_grid", "at", "cause", "id", "subject", "topic", "type")

    def __init__(
        self,
        *,
        event_id: str,
        event_type: str,
        topic: str,
        subject: str,
        at: datetime,
        data: Callable[[], dict[str, Any]],
        digits: int = 7,
        cause: str = "",
    ) -> None:
        self.id = event_id
        self.type = event_type
        self.topic = topic
        self.subject = subject
        self.at = at
        self.cause = cause
        self._data = data
        self._digits = digits
        self._grid: dict[str, Any] | None = None
        self._bodies: dict[str, bytes] = {}

    @property
    def grid(self) -> dict[str, Any]:
        """The event in Event Grid's schema; conditions of filters look at this form."""
        if self._grid is None:
            self._grid = {
                "id": self.id,
                "topic": self.topic,
                "subject": self.subject,
                "data": self._data(),
                "eventType": self.type,
                "dataVersion": DATA_VERSION,
                "metadataVersion": METADATA_VERSION,
                "eventTime": rfc3339(self.at, self._digits),
            }
        return self._grid

    @property
    def cloud(self) -> dict[str, Any]:
        """The event as a CloudEvent."""
        grid = self.grid
        return {
            "id": grid["id"],
            "source": grid["topic"],
            "subject": grid["subject"],
            "data": grid["data"],
            "type": grid["eventType"],
            "time": grid["eventTime"],
            "specversion": "1.0",
        }

    def encoded(self, schema: str) -> bytes:
        """Return the event as JSON in a schema."""
        body = self._bodies.get(schema)
        if body is None:
            body = self._bodies[schema] = _encode(self.cloud if schema == CLOUDEVENTS else self.grid)
        return body


class Template:
    """An event type, made ready to wrap many events; `camel` asks for the keys of payloads in camel case."""

    def __init__(self, row: EventType, *, camel: bool = False) -> None:
        self.name = row.name
        self.on = row.on
        self.is_preview = bool(row.preview_of)
        self.is_named_only = row.is_named_only
        self._subject = row.subject
        self._each = row.each
        self._id = row.id
        self._digits = 0 if row.time == "seconds" else 7
        data = row.camel if camel and row.camel else row.data
        self._fields = [_field(key, source) for key, source in data.items()]

    def wrap(self, event: Event, topic: str) -> Iterator[Envelope]:
        """Yield an envelope for each recipient, each participant, or one for all, as the type says."""
        facts = {**event.facts, "id": event.id, "at": event.at, "cause": event.cause, "resource": event.resource}
        shared: dict[str, Any] = {}
        if self._each == "recipient":
            for recipient in event.facts["recipients"]:
                yield self._wrapped(event, topic, {**facts, "recipient_id": recipient}, shared, recipient)
        elif self._each == "participant":
            for one in event.facts["participants"]:
                own = {**facts, "participant": one, "participant_id": one["id"]}
                yield self._wrapped(event, topic, own, shared, one["id"])
        else:
            yield self._wrapped(event, topic, facts, shared)

    def _wrapped(
        self, event: Event, topic: str, facts: dict[str, Any], shared: dict[str, Any], *whose: str
    ) -> Envelope:
        def data() -> dict[str, Any]:
            rendered: dict[str, Any] = {}
            for field in self._fields:
                if field.is_own:
                    value = field.render(facts)
                elif field.key in shared:
                    value = shared[field.key]
                else:
                    value = shared[field.key] = field.render(facts)
                if value is not None:
                    field.put(rendered, value)
            return rendered

        return Envelope(
            event_id=facts[self._id] if self._id else derived(event.id, self.name, *whose),
            event_type=self.name,
            topic=topic,
            subject=self._subject.format_map(facts),
            at=event.at,
            data=data,
            digits=self._digits,
            cause=event.cause,
        )


class _Field(msgspec.Struct, frozen=True):
    """One key of a payload: where it stands, what it is read from, and how it is converted."""

    key: str
    path: tuple[str, ...]
    source: str
    convert: Callable[[Any], Any] | None
    is_own: bool

    def render(self, facts: Mapping[str, Any]) -> Any:
        value = facts.get(self.source)
        return value if value is None or self.convert is None else self.convert(value)

    def put(self, rendered: dict[str, Any], value: Any) -> None:
        *outer, last = self.path
        for name in outer:
            rendered = rendered.setdefault(name, {})
        rendered[last] = value


def _field(key: str, source: str) -> _Field:
    name, _, conversion = (part.strip() for part in source.partition("|"))
    return _Field(key, tuple(key.split(".")), name, _CONVERSIONS[conversion] if conversion else None, name in _OWN)


def _member(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"displayName": one["display_name"], "memberId": one["id"]}


def _participant(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "displayName": one["display_name"],
        "participantCommunicationIdentifier": identifiers.model(one["id"]),
        "metadata": one.get("metadata") or {},
    }


def _attempt(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timestamp": rfc3339(one["at"], 7),
        "segmentsSucceeded": one["succeeded"],
        "segmentsFailed": one["failed"],
    }


def _capitalised(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key[0].upper() + key[1:]: value for key, value in one.items()}


def _brief_time(moment: datetime) -> str:
    """Return a moment without the zeros at the end of its fraction."""
    return rfc3339(moment, 7).rstrip("Z").rstrip("0").rstrip(".") + "Z"


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "identifier": identifiers.model,
    "digits": lambda number: number.removeprefix("+"),
    "delivery details": lambda outcome: load().delivery_outcomes[outcome].details,
    "attempts": lambda many: [_capitalised(_attempt(one)) for one in many],
    "camel attempts": lambda many: [_attempt(one) for one in many],
    "brief time": _brief_time,
    "time": rfc3339,
    "time7": lambda moment: rfc3339(moment, 7),
    "title": str.capitalize,
    "member": _member,
    "members": lambda many: [_member(one) for one in many],
    "participant": _participant,
    "participants": lambda many: [_participant(one) for one in many],
}

# --- what a delivery looks like ---

COUNT_HEADER = "aeg-delivery-count"
_ORIGIN = "eventgrid.azure.net"


def body_of(envelopes: list[Envelope], schema: str, *, batched: bool) -> bytes:
    """Return the body of a delivery: an array, but for a CloudEvent that is not batched."""
    if schema == CLOUDEVENTS and not batched:
        return envelopes[0].encoded(schema)
    return b"[" + b",".join(envelope.encoded(schema) for envelope in envelopes) + b"]"


def headers_of(subscription_name: str, schema: str, *, batched: bool, kind: str = "Notification") -> dict[str, str]:
    """Return the headers of every delivery of a subscription, but for the event's id and the count."""
    cloud = schema == CLOUDEVENTS
    form = "cloudevents-batch+json" if cloud and batched else "cloudevents+json" if cloud else "json"
    headers = {
        "Content-Type": f"application/{form}; charset=utf-8",
        "aeg-event-type": kind,
        "aeg-subscription-name": subscription_name.upper(),
        "aeg-metadata-version": METADATA_VERSION,
        "aeg-data-version": "" if cloud else DATA_VERSION,
        "Accept-Encoding": "gzip, deflate",
    }
    if cloud:
        headers["Origin"] = _ORIGIN
    return headers


def attribute(envelope: Envelope, path: str) -> str | None:
    """Return the value of a dynamic delivery attribute: a text, number or truth value at a path, else None."""
    value: Any = envelope.grid
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        # what users write must not become headers of its own
        line = re.sub(r"[\x00-\x1f\x7f]+", " ", str(value)).strip()
        return line.encode()[:LONGEST_HEADER].decode(errors="ignore")
    return None


# --- what Event Grid tells of a subscription itself ---


def subscription_id(topic: str, name: str) -> str:
    """Return the id of a subscription to a topic."""
    return f"{topic}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"


def validation(event_id: str, topic: str, at: datetime, code: str, url: str) -> bytes:
    """Return the body that asks a webhook in Event Grid's schema whether it wants events."""
    data = {"validationCode": code, "validationUrl": url}
    return _notice(event_id, topic, at, "Microsoft.EventGrid.SubscriptionValidationEvent", data)


def deletion(event_id: str, topic: str, at: datetime, name: str, schema: str) -> bytes:
    """Return the body that tells a webhook that its subscription is gone."""
    data = {"eventSubscriptionId": subscription_id(topic, name)}
    return _notice(event_id, topic, at, "Microsoft.EventGrid.SubscriptionDeletedEvent", data, schema)


def _notice(
    event_id: str, topic: str, at: datetime, kind: str, data: dict[str, Any], schema: str = EVENT_GRID
) -> bytes:
    envelope = Envelope(event_id=event_id, event_type=kind, topic=topic, subject="", at=at, data=lambda: data)
    if schema == EVENT_GRID:
        envelope.grid["dataVersion"] = "1"
    return body_of([envelope], schema, batched=False)


def origin_headers(callback: str) -> dict[str, str]:
    """Return the headers that ask a CloudEvents webhook whether it wants events."""
    return {
        "WebHook-Request-Origin": _ORIGIN,
        "WebHook-Request-Callback": callback,
        "WebHook-Request-Rate": "120",
    }


def allows_origin(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer to those headers says yes."""
    allowed = headers.get("webhook-allowed-origin", "")
    return any(one.strip().lower() in {"*", _ORIGIN} for one in allowed.split(","))
