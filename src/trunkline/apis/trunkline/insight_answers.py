"""The shapes of what is answered of insight: health, incidents, notices, alerts, and the story of an id."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from trunkline.apis.trunkline.answers import Moment, Shape


class Standing(Shape, frozen=True, kw_only=True):
    """How a service is on the whole server, counted over the last minutes; `share` is null when nothing came."""

    service: str
    title: str
    state: Literal["available", "unavailable", "maintenance"]
    requests: int
    failures: int
    share: float | None


class OwnStanding(Standing, frozen=True, kw_only=True):
    """How a service is for one account."""

    account: str


class LogColumnShape(Shape, frozen=True, kw_only=True):
    """A column of a log table; of one that is not `known` nothing ever stands in it here."""

    name: str
    type: Literal["string", "int", "long", "real", "bool", "datetime", "dynamic"]
    known: bool


class LogTableShape(Shape, frozen=True, kw_only=True):
    """A log table, with its category in a diagnostic setting."""

    name: str
    category: str
    brief: str
    columns: list[LogColumnShape]


class AllLogTables(Shape, frozen=True, kw_only=True):
    """Every log table."""

    tables: list[LogTableShape]


class LogRows(Shape, frozen=True, kw_only=True):
    """Rows of a log table, the oldest first; `next` stands in an answer that is not the last."""

    table: str
    rows: list[dict[str, Any]]
    next: str = ""


class Incident(Shape, frozen=True, kw_only=True):
    """What was wrong, from `began_at` to `last_at`: an outage of a service, or an alert of a rule.

    `account` "" is the whole server, `within` the incident of the whole service that covers one of an account.
    """

    id: str
    kind: Literal["outage", "alert"]
    rule: str
    service: str
    account: str
    within: str
    title: str
    level: Literal["critical", "warning"]
    state: Literal["open", "closed"]
    began_at: Moment
    opened_at: Moment
    last_at: Moment
    closed_at: Moment | None
    value: float | None
    peak: float | None
    threshold: float
    share: float | None
    requests: int
    failures: int
    samples: list[dict[str, Any]]
    question: dict[str, Any]


class Incidents(Shape, frozen=True, kw_only=True):
    """Incidents, the newest first."""

    incidents: list[Incident]


class Criterion(Shape, frozen=True, kw_only=True):
    """What must be so for a rule to be met."""

    measure: str
    when: Literal["above", "at least", "below", "at most", "equal", "absent"]
    value: float
    of: str
    where: list[dict[str, Any]]


class Alert(Shape, frozen=True, kw_only=True):
    """An alert rule; `meaning` says it in words."""

    name: str
    account: str
    meaning: str
    criteria: list[Criterion]
    window_minutes: int
    every_minutes: int
    description: str
    severity: int
    enabled: bool
    everywhere: bool
    changed_at: Moment | None


class Alerts(Shape, frozen=True, kw_only=True):
    """Alert rules, by account and name."""

    alerts: list[Alert]


class Notice(Shape, frozen=True, kw_only=True):
    """What is announced of a service ("" is all); `ended_at` is when it was declared over by hand."""

    id: str
    kind: Literal["maintenance", "advisory"]
    service: str
    text: str
    state: Literal["planned", "active", "over"]
    from_: Moment = msgspec.field(name="from")
    until: Moment | None
    ended_at: Moment | None


class Notices(Shape, frozen=True, kw_only=True):
    """Notices, those that begin last first."""

    notices: list[Notice]


class ServiceHealth(Shape, frozen=True, kw_only=True):
    """How things stand: each service as a whole and for each account that is seen, what is wrong and announced."""

    at: Moment
    services: list[Standing]
    accounts: list[OwnStanding]
    incidents: list[Incident]
    notices: list[Notice]


class FoundId(Shape, frozen=True, kw_only=True):
    """One thing that an id is."""

    kind: str
    text: str
    account: str


class MayBe(Shape, frozen=True, kw_only=True):
    """What an id of this form may be, and where such ids are found."""

    kind: str
    what: str
    where: str


class Told(Shape, frozen=True, kw_only=True):
    """One thing that happened; `row` is the fact that tells it, `advice` what its code means and what to do."""

    at: Moment
    level: Literal["debug", "info", "warning", "error"]
    text: str
    account: str
    advice: str = ""
    fact: str = ""
    row: dict[str, Any] = msgspec.field(default_factory=dict)


class Searched(Shape, frozen=True, kw_only=True):
    """What an id is, what it may be where that is not known, by which ids the story goes on, and the story."""

    q: str
    found: list[FoundId]
    may_be: list[MayBe]
    ids: list[str]
    story: list[Told]
    cut: bool = False
