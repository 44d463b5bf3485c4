"""What belongs to a story and is no fact: support files of its calls, and incidents that hold a request of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trunkline.errors import NotFoundError
from trunkline.insight.incidents import OUTAGE, Incident, Incidents
from trunkline.insight.sentences import Entry
from trunkline.insight.story import Attacher, Knower, Meaning
from trunkline.services.support_files import SupportFile, SupportFiles

_MARKS = ("ms_cv", "request_id", "client_request_id")
"""By which of its ids a request that made an incident is known."""


class Attached:
    """Finds both by the ids of a story."""

    def __init__(self, files: SupportFiles, incidents: Incidents) -> None:
        self._files = files
        self._incidents = incidents

    @property
    def knowers(self) -> tuple[Knower, ...]:
        """Those who know what an id is."""
        return self._file, self._incident

    @property
    def attachers(self) -> tuple[Attacher, ...]:
        """Those who add to a story."""
        return self._files_of, self._incidents_of

    async def _file(self, wanted: str) -> list[tuple[Meaning, Entry | None]]:
        return [
            (Meaning(kind="support file", text=_role(one, wanted), account=one.resource), None)
            for one in await self._files.bearing([wanted])
        ]

    async def _incident(self, wanted: str) -> list[tuple[Meaning, Entry | None]]:
        try:
            one = await self._incidents.get(wanted)
        except NotFoundError:
            return []
        return [(Meaning(kind="incident", text="an incident", account=one.resource), _told(one))]

    async def _files_of(
        self, ids: Sequence[str], family: Sequence[str], _since: datetime, _until: datetime
    ) -> list[Entry]:
        found = await self._files.bearing(ids)
        return [
            Entry(
                at=one.kept_at,
                text=f"The support file {one.name} ({one.size} bytes) of the call {one.call_id} was kept as {one.id}.",
                account=one.resource,
            )
            for one in found
            if not family or one.resource in family
        ]

    async def _incidents_of(
        self, ids: Sequence[str], family: Sequence[str], since: datetime, until: datetime
    ) -> list[Entry]:
        """Return the incidents whose requests bear one of the ids: one's own, and outages of the whole server."""
        known = set(ids)
        found = []
        for one in await self._incidents.between(since, until):
            held = [row for row in one.samples if known & {row.get(name, "") for name in _MARKS} - {""}]
            if not held:
                continue
            is_own = one.resource in family or (
                not one.resource and one.kind == OUTAGE and any(row.get("resource") in family for row in held)
            )
            if not family or is_own:
                found.append(_told(one))
        return found


def _role(one: SupportFile, wanted: str) -> str:
    if wanted == one.id:
        return f"a support file of the call {one.call_id}"
    return "the call of a support file" if wanted == one.call_id else "the user of a support file"


def _told(one: Incident) -> Entry:
    until = f"until {one.last_at:%H:%M:%S}" if one.closed_at else "and still open"
    return Entry(
        at=one.began_at,
        text=f"The incident {one.id} began: {one.title} ({until}).",
        account=one.resource,
        level="error" if one.level == "critical" else "warning",
    )
