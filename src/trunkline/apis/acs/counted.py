"""Operations without a route: a happening of the catalogue's row counts as one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from trunkline.apis.acs.sms import NUMBER_TYPES
from trunkline.catalogue.facts import Request, status_class
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Operation, Service
from trunkline.events.event import Event
from trunkline.telemetry.recorder import Recorder

_DONE = 200


class Counted:
    """Records a request for each operation that is counted on a happening; called once that is durable."""

    def __init__(self, services: Iterable[Service], recorder: Recorder) -> None:
        self._recorder = recorder
        self._operations: dict[str, list[Operation]] = defaultdict(list)
        for service in services:
            for row in service.operations.values():
                if row.counted_on:
                    self._operations[row.counted_on].append(row)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        for row in self._operations.get(event.name, ()):
            self._recorder.record(
                Request(
                    happened_at=event.at,
                    resource=event.resource,
                    service=row.service,
                    operation=row.name,
                    status=_DONE,
                    status_class=status_class(_DONE),
                    ms_cv=event.cause,
                    caller="carrier",
                    extra=_extra(event),
                )
            )


def _extra(event: Event) -> dict[str, str]:
    facts = event.facts
    extra = {"number_type": NUMBER_TYPES.get(facts.get("number_type", ""), ""), "country": facts.get("country", "")}
    extra["message_id"] = facts.get("message_id", "")
    if "attempts" in facts:
        extra |= {"phone_number": facts["sender"], "delivery_attempts": str(len(facts["attempts"]))}
    elif "text" in facts:
        extra |= {"phone_number": facts["recipient"], "incoming_message_length": str(len(facts["text"]))}
    if facts.get("status") == "failed":
        extra["error_code"] = str(load().delivery_outcomes[facts["outcome"]].code)
    return {name: value for name, value in extra.items() if value}
