"""Incidents: something was wrong from one moment to another; with its figures, and the requests that made it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from trunkline.errors import NotFoundError
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Reader, Transaction, metadata

Kind = Literal["outage", "alert"]
What = Literal["", "opened", "updated", "closed"]
OUTAGE: Kind = "outage"
ALERT: Kind = "alert"
MOST_LISTED = 1000

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("rule", sa.String(300), nullable=False),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("within", sa.String(20), nullable=False),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("level", sa.String(20), nullable=False),
    sa.Column("began_at", Moment, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("last_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("told_at", Moment, nullable=False),
    sa.Column("closed_at", Moment),
    sa.Column("value", sa.Float),
    sa.Column("peak", sa.Float),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("samples", sa.JSON, nullable=False),
    sa.Column("question", sa.JSON, nullable=False),
    sa.Index("incidents_closed", "closed_at"),
    sa.Index("incidents_opened", "opened_at", "id"),
)
_put = sa.insert(incidents)
_of_id = incidents.c.id == sa.bindparam("of_id")
_update = sa.update(incidents).where(_of_id)
_get = sa.select(incidents).where(_of_id)
_open = (
    sa.select(incidents)
    .where(incidents.c.closed_at.is_(None), incidents.c.kind == sa.bindparam("of_kind"))
    .order_by(incidents.c.opened_at, incidents.c.id)
)
_since = (
    sa.select(incidents)
    .where(sa.or_(incidents.c.closed_at.is_(None), incidents.c.closed_at >= sa.bindparam("since", type_=Moment)))
    .order_by(incidents.c.opened_at.desc(), incidents.c.service, incidents.c.resource, incidents.c.id)
    .limit(MOST_LISTED)
)
# what nobody may see is left out before the newest are taken: else others' incidents would be all there is
_is_seen = sa.or_(
    incidents.c.resource.in_(sa.bindparam("seen", expanding=True)),
    sa.and_(incidents.c.resource == "", incidents.c.kind == OUTAGE),
)
_seen_since = _since.where(_is_seen)
_outages = _seen_since.where(incidents.c.kind == OUTAGE)
_between = _since.where(incidents.c.began_at <= sa.bindparam("until", type_=Moment))
_seen_between = _between.where(_is_seen)
_old = (
    sa.select(incidents.c.id)
    .where(incidents.c.closed_at < sa.bindparam("before", type_=Moment))
    .order_by(incidents.c.closed_at)
    .limit(sa.bindparam("most"))
)
_drop = sa.delete(incidents).where(_of_id)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was wrong, from `began_at` until it was closed.

    An outage is of a `service`, on the whole server (`resource` "") or for one resource; then `value` is the share of
    requests that failed beyond retrying in the last minute that was looked at, `peak` the highest of a minute, and
    `requests` and `failures` are counted since it began. An alert is of a `rule`, and `value` is what was measured
    (None: nothing at all). `within` is the incident of the whole service that covers one of a resource. `question` is
    the body with which `POST /api/v1/ask` shows the figures again.
    """

    id: str
    kind: Kind
    rule: str = ""
    service: str = ""
    resource: str = ""
    within: str = ""
    title: str
    level: Literal["critical", "warning"] = "critical"
    began_at: datetime
    opened_at: datetime
    last_at: datetime
    updated_at: datetime
    told_at: datetime
    closed_at: datetime | None = None
    value: float | None = None
    peak: float | None = None
    threshold: float
    requests: int = 0
    failures: int = 0
    samples: list[dict[str, Any]] = []
    question: dict[str, Any] = {}

    @property
    def share(self) -> float | None:
        """The share of failures since it began; None where no requests are counted."""
        return self.failures / self.requests if self.requests else None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What an incident has become, and what is told of it ("" is nothing)."""

    incident: Incident
    what: What = ""


def open_ones(reader: Reader | Transaction, kind: Kind) -> list[Incident]:
    """Read the incidents of a kind that are not over, the oldest first."""
    return [_read(row) for row in reader.all(_open, of_kind=kind)]


def keep(transaction: Transaction, changes: Iterable[Change], known: Iterable[str]) -> None:
    """Hand over what incidents have become; `known` are the ids of those that are kept already."""
    old = set(known)
    latest = {change.incident.id: change.incident for change in changes}
    for one in latest.values():
        row = {name: getattr(one, name) for name in one.__struct_fields__}
        if one.id in old:
            transaction.hand(_update, of_id=row.pop("id"), **row)
        else:
            transaction.hand(_put, **row)


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """Remove some incidents that were closed before a moment; returns how many."""
    rows = transaction.all(_old, before=before, most=most)
    for row in rows:
        transaction.hand(_drop, of_id=row.id)
    return len(rows)


class Incidents:
    """The incidents of this server, read from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, moment: datetime, seen: Sequence[str] | None = None) -> list[Incident]:
        """List the incidents that are not over or were not at a moment, the newest first.

        With `seen`, only those of these resources and of the whole server, without the latter's samples: these are
        other accounts' requests.
        """
        given: dict[str, Any] = {"since": moment}
        return await self._listed(_since if seen is None else _seen_since, given, seen)

    async def outages(self, moment: datetime, seen: Sequence[str] = ()) -> list[Incident]:
        """List of what `since` would give with `seen` the outages alone, however many alerts there are."""
        return await self._listed(_outages, {"since": moment}, seen)

    async def between(self, since: datetime, until: datetime, seen: Sequence[str] | None = None) -> list[Incident]:
        """List the incidents that began by a moment and were not over at an earlier one, the newest first.

        With `seen`, those that `since` would give.
        """
        given: dict[str, Any] = {"since": since, "until": until}
        return await self._listed(_between if seen is None else _seen_between, given, seen)

    async def _listed(
        self, question: sa.Select[Any], given: dict[str, Any], seen: Sequence[str] | None
    ) -> list[Incident]:
        if seen is not None:
            given["seen"] = list(seen)
        rows = await self._database.read(lambda reader: reader.all(question, **given))
        return [shown for row in rows if (shown := _seen(_read(row), seen)) is not None]

    async def get(self, incident_id: str, seen: Sequence[str] | None = None) -> Incident:
        """Return an incident by its id, in any case; raises NotFoundError, also when it is nobody's of `seen`."""
        wanted = incident_id.upper()
        row = await self._database.read(lambda reader: reader.one(_get, of_id=wanted))
        shown = _seen(_read(row), seen) if row is not None else None
        if shown is None:
            raise NotFoundError(f"There is no incident {incident_id[:40]!r}.", target="id")
        return shown


def _read(row: sa.Row[Any]) -> Incident:
    return Incident(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _seen(one: Incident, seen: Sequence[str] | None) -> Incident | None:
    if seen is None or one.resource in seen:
        return one
    if one.resource or one.kind == ALERT:
        return None
    return msgspec.structs.replace(one, samples=[], requests=0, failures=0)
