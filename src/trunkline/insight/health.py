"""Outages: a service whose failures beyond retrying are too many of its requests, minute after minute.

The rule is the documented sentence that an outage is when "any API returns non-retriable errors for more than 3% of
received API calls for a sustained period of time"; what it leaves open is a setting each, and docs/health.md says why
the defaults are what they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from trunkline.catalogue.rows import Catalogue
from trunkline.clock import rfc3339
from trunkline.config import Settings
from trunkline.errors import ConfigurationError
from trunkline.ids import Ids
from trunkline.insight.incidents import OUTAGE, Change, Incident
from trunkline.telemetry.questions import Condition, Rows, Series
from trunkline.telemetry.recorder import Recorder

MINUTE = timedelta(minutes=1)
MOST_SAMPLES = 10
"""So many of the requests that made an incident are kept with it."""

_MOST_LOOKED_UP = 50
_SERVED = "requests.served"
_STATUSES = re.compile(r"([1-9])xx|([1-9]\d\d)(?:-([1-9]\d\d))?", re.ASCII)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When a service is out, and when it is well again; see the settings `outage_…`."""

    permille: int
    minutes: int
    least: int
    quiet_minutes: int
    statuses: frozenset[int]

    @property
    def share(self) -> float:
        """The share of failures that is still borne."""
        return self.permille / 1000

    def is_above(self, requests: int, failures: int) -> bool:
        """Tell whether so many failures are more than is borne; of no requests none failed."""
        return failures * 1000 > self.permille * requests


class Scope(NamedTuple):
    """What is judged by itself: a service, for one resource or on the whole server ("")."""

    service: str
    resource: str


class Counts(NamedTuple):
    """What came in a minute, and how much of it failed beyond retrying."""

    requests: int = 0
    failures: int = 0


Minutes = Mapping[datetime, Counts]
"""Counts by the beginning of their minute; a minute without requests has none."""

_NOTHING = Counts()


def rule_of(settings: Settings) -> Rule:
    """Return the rule of the settings; raises ConfigurationError."""
    return Rule(
        permille=settings.outage_permille,
        minutes=settings.outage_minutes,
        least=settings.outage_least_requests,
        quiet_minutes=settings.outage_quiet_minutes,
        statuses=frozenset(_statuses(settings.outage_statuses)),
    )


def _statuses(entries: Iterable[str]) -> Iterator[int]:
    """Read statuses: one (500), a class of them (5xx), or from one to another (504-599)."""
    for entry in entries:
        found = _STATUSES.fullmatch(entry.lower())
        if found is None:
            raise ConfigurationError(f"outage_statuses has {entry!r}; a status is like 500, 5xx or 504-599.")
        of_class, first, last = found.groups()
        if of_class:
            yield from range(int(of_class) * 100, int(of_class) * 100 + 100)
        else:
            yield from range(int(first), int(last or first) + 1)


def judge(rule: Rule, begun: Incident, minutes: Minutes, until: datetime, *, is_open: bool) -> Change | None:
    """Say what becomes of an incident with the minute that ends at a moment; None while there is none.

    `begun` is the one that is open, or else what a new one would be made of.
    """
    if not is_open:
        return (
            Change(incident=_opened(rule, begun, minutes, until), what="opened")
            if _has_begun(rule, minutes, until)
            else None
        )
    one = _counted(rule, begun, minutes.get(until - MINUTE, _NOTHING), until)
    if until - one.last_at >= rule.quiet_minutes * MINUTE:
        return Change(incident=msgspec.structs.replace(one, closed_at=until, told_at=until), what="closed")
    if until - one.told_at >= rule.minutes * MINUTE and one.last_at == until:
        return Change(incident=msgspec.structs.replace(one, told_at=until), what="updated")
    return Change(incident=one)


def _has_begun(rule: Rule, minutes: Minutes, until: datetime) -> bool:
    """Tell whether each of the last minutes is above, and enough came in them: a minute without requests is not."""
    those = [minutes.get(until - place * MINUTE, _NOTHING) for place in range(1, rule.minutes + 1)]
    return all(rule.is_above(*one) for one in those) and sum(one.requests for one in those) >= rule.least


def _opened(rule: Rule, one: Incident, minutes: Minutes, until: datetime) -> Incident:
    began_at = until - rule.minutes * MINUTE
    one = msgspec.structs.replace(one, began_at=began_at, opened_at=until, last_at=until, told_at=until)
    for place in range(rule.minutes):
        moment = began_at + place * MINUTE
        one = _counted(rule, one, minutes[moment], moment + MINUTE)
    return one


def _counted(rule: Rule, one: Incident, counts: Counts, until: datetime) -> Incident:
    """Add a minute to the figures."""
    share = counts.failures / counts.requests if counts.requests else 0.0
    return msgspec.structs.replace(
        one,
        requests=one.requests + counts.requests,
        failures=one.failures + counts.failures,
        value=share,
        peak=max(one.peak or 0.0, share),
        last_at=until if rule.is_above(*counts) else one.last_at,
        updated_at=until,
    )


class Outages:
    """Asks what failed, and judges each service, for each resource and on the whole server.

    Services that are not built never count, and neither do operations that are not served.
    """

    kind = OUTAGE
    furthest_back = timedelta(hours=1)

    def __init__(self, catalogue: Catalogue, recorder: Recorder, ids: Ids, rule: Rule) -> None:
        self.rule = rule
        self.titles = {one.name: one.title for one in catalogue.services.values() if one.built}
        self._recorder = recorder
        self._ids = ids
        self._failed = Condition(column="status", values=tuple(str(status) for status in sorted(rule.statuses)))

    async def figures(self, start: datetime, end: datetime) -> dict[Scope, Counts]:
        """Count what came and what failed beyond retrying, for each service and resource.

        Raises UnavailableError when the facts cannot be asked for.
        """
        every = Condition(column="service", values=tuple(sorted(self.titles)))
        found: dict[Scope, Counts] = {}
        for point in await self._recorder.ask(_question(start, end, every, step_s=None)):
            found[Scope(*point.split)] = Counts(requests=int(point.values[0] or 0))
        for point in await self._recorder.ask(_question(start, end, every, self._failed, step_s=None)):
            scope = Scope(*point.split)
            found[scope] = Counts(found.get(scope, _NOTHING).requests, int(point.values[0] or 0))
        return found

    async def changes(self, until: datetime, those: Sequence[Incident]) -> list[Change]:
        """Return what becomes of incidents, and of services without one, with the minute that ends at a moment.

        `those` are the open ones. Raises UnavailableError when the facts cannot be asked for.
        """
        counted = await self._counted(until - self.rule.minutes * MINUTE, until, those)
        known = {Scope(one.service, one.resource): one for one in those}
        failing = {scope for scope, minutes in counted.items() if any(one.failures for one in minutes.values())}
        covering = {one.service: one.id for one in those if not one.resource}
        found: list[Change] = []
        # the whole service comes before its resources: what covers their incidents is known then
        for scope in sorted({*known, *failing}):
            begun = known.get(scope) or self._begun(scope, until, covering.get(scope.service, ""))
            change = judge(self.rule, begun, counted.get(scope, {}), until, is_open=scope in known)
            if change is None:
                continue
            if not scope.resource:
                covering[scope.service] = begun.id
            found.append(await self._shown(change, until, is_looked_up=len(found) < _MOST_LOOKED_UP))
        return found

    def _begun(self, scope: Scope, now: datetime, within: str) -> Incident:
        """Make what an incident would begin as."""
        digits = self._ids.hex(4).upper()
        where = [{"column": "service", "values": [scope.service]}]
        if scope.resource:
            where.append({"column": "resource", "values": [scope.resource]})
        return Incident(
            id=f"{digits[:4]}-{digits[4:]}",
            kind=OUTAGE,
            service=scope.service,
            resource=scope.resource,
            within=within if scope.resource else "",
            title=f"{self.titles[scope.service]}: requests fail beyond retrying",
            began_at=now,
            opened_at=now,
            last_at=now,
            updated_at=now,
            told_at=now,
            threshold=self.rule.share,
            question={"measures": [_SERVED], "by": ["status"], "step": "minute", "where": where},
        )

    async def _counted(
        self, start: datetime, end: datetime, those: Sequence[Incident]
    ) -> dict[Scope, dict[datetime, Counts]]:
        """Count by service and resource, and by service alone, where anything failed or an incident is open."""
        every = Condition(column="service", values=tuple(sorted(self.titles)))
        failed = await self._recorder.ask(_question(start, end, every, self._failed))
        services = {point.split[0] for point in failed} | {one.service for one in those}
        counted: dict[Scope, dict[datetime, Counts]] = defaultdict(dict)
        if not services:
            return counted
        chosen = Condition(column="service", values=tuple(sorted(services)))
        for points, is_failure in ((await self._recorder.ask(_question(start, end, chosen)), False), (failed, True)):
            for point in points:
                service, resource = point.split
                many = int(point.values[0] or 0)
                for scope in {Scope(service, resource), Scope(service, "")}:
                    old = counted[scope].get(point.at, _NOTHING)
                    counted[scope][point.at] = (
                        Counts(old.requests, old.failures + many)
                        if is_failure
                        else Counts(old.requests + many, old.failures)
                    )
        return counted

    async def _shown(self, change: Change, until: datetime, *, is_looked_up: bool) -> Change:
        """Give an incident that fails now some of the requests that made it, and its question the whole span."""
        one = change.incident
        question = {**one.question, "start": rfc3339(one.began_at), "end": rfc3339(one.last_at)}
        samples = one.samples
        if is_looked_up and len(samples) < MOST_SAMPLES and one.last_at == until:
            start = until - MINUTE if samples else one.began_at
            samples = [*samples, *await self._samples(one, start, MOST_SAMPLES - len(samples))]
        one = msgspec.structs.replace(one, samples=samples, question=question)
        return msgspec.structs.replace(change, incident=one)

    async def _samples(self, one: Incident, start: datetime, most: int) -> list[dict[str, Any]]:
        where = [self._failed, Condition(column="service", values=(one.service,)), _IS_SERVED]
        if one.resource:
            where.append(Condition(column="resource", values=(one.resource,)))
        question = Rows(fact="requests", start=start, end=one.last_at, where=tuple(where), limit=most)
        return [
            {"at": rfc3339(row["happened_at"]), **{name: row[name] for name in _SHOWN}}
            for row in await self._recorder.rows(question)
        ]


_IS_SERVED = Condition(column="served", values=("true",))
_SHOWN = ("ms_cv", "request_id", "client_request_id", "operation", "status", "resource")


def _question(start: datetime, end: datetime, *where: Condition, step_s: int | None = 60) -> Series:
    return Series(measures=(_SERVED,), start=start, end=end, step_s=step_s, by=("service", "resource"), where=where)
