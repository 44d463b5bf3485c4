"""How things stand now: each service as a whole and for each resource, with what is wrong and what is announced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from trunkline.clock import Clock
from trunkline.insight.health import MINUTE, Outages
from trunkline.insight.incidents import OUTAGE, Incident, Incidents
from trunkline.insight.watch import minute_of
from trunkline.services.notices import Notice, Notices

State = Literal["available", "unavailable", "maintenance"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a service is, for one resource or on the whole server (""); counted over the last minutes of the rule."""

    service: str
    title: str
    resource: str = ""
    state: State
    requests: int = 0
    failures: int = 0

    @property
    def share(self) -> float | None:
        """The share of requests that failed beyond retrying, None of no requests."""
        return self.failures / self.requests if self.requests else None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that stands at a moment: of the whole server, and of each resource that had requests or an outage.

    `incidents` are those that are open, `notices` those that hold or are still to come.
    """

    at: datetime
    services: list[Standing]
    resources: list[Standing]
    incidents: list[Incident]
    notices: list[Notice]


class Standings:
    """Puts together how things stand."""

    def __init__(self, outages: Outages, incidents: Incidents, notices: Notices, clock: Clock) -> None:
        self._outages = outages
        self._incidents = incidents
        self._notices = notices
        self._clock = clock

    async def now(self, seen: Sequence[str] | None = None) -> Report:
        """Return how things stand; with `seen`, of these resources and of the whole server only.

        Raises UnavailableError when the facts cannot be asked for.
        """
        at = self._clock.now()
        start = minute_of(at) - self._outages.rule.minutes * MINUTE
        figures = await self._outages.figures(start, at)
        incidents = [one for one in await self._incidents.since(at, seen) if one.closed_at is None]
        notices = [one for one in await self._notices.since(at) if one.state(at) != "over"]
        announced = [one for one in notices if one.state(at) == "active" and one.kind == "maintenance"]
        out = {(one.service, one.resource) for one in incidents if one.kind == OUTAGE}
        wholes, parts = [], []
        for service, title in sorted(self._outages.titles.items(), key=lambda row: row[1]):
            of_service = {scope.resource: counts for scope, counts in figures.items() if scope.service == service}
            state = _state(service, announced, is_out=(service, "") in out)
            wholes.append(
                Standing(
                    service=service,
                    title=title,
                    state=state,
                    requests=sum(one.requests for one in of_service.values()),
                    failures=sum(one.failures for one in of_service.values()),
                )
            )
            names = {*of_service, *(resource for name, resource in out if name == service and resource)}
            for name in sorted(names if seen is None else names & {*seen}):
                own = of_service.get(name)
                is_out = (service, name) in out
                parts.append(
                    Standing(
                        service=service,
                        title=title,
                        resource=name,
                        state=_state(service, announced, is_out=is_out),
                        requests=own.requests if own else 0,
                        failures=own.failures if own else 0,
                    )
                )
        return Report(at=at, services=wholes, resources=parts, incidents=incidents, notices=notices)


def _state(service: str, announced: Iterable[Notice], *, is_out: bool) -> State:
    """Name a state: what was announced explains an outage."""
    if any(one.covers(service) for one in announced):
        return "maintenance"
    return "unavailable" if is_out else "available"
