"""Resource Health: outages, maintenance and advisories as events, and how each resource is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.azure import health_answers
from trunkline.apis.azure.auth import Callers
from trunkline.apis.azure.event_filter import read_filter, read_moment
from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.rows import Catalogue
from trunkline.clock import parse_rfc3339
from trunkline.errors import NotFoundError
from trunkline.insight.incidents import Incident, Incidents
from trunkline.insight.standing import Report, Standings
from trunkline.services.notices import Notices
from trunkline.services.resources import Resource

HISTORY = timedelta(days=90)
PAGE = 100


class ResourceHealthHandlers:
    """The operations of Resource Health."""

    def __init__(
        self,
        catalogue: Catalogue,
        standings: Standings,
        incidents: Incidents,
        notices: Notices,
        callers: Callers,
    ) -> None:
        self._titles = {one.name: one.title for one in catalogue.services.values()}
        self._data_plane = {one.name for one in catalogue.of_vendor("acs")}
        self._standings = standings
        self._incidents = incidents
        self._notices = notices
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "AvailabilityStatuses_ListBySubscriptionId": self.list_statuses,
            "AvailabilityStatuses_ListByResourceGroup": self.list_statuses,
            "AvailabilityStatuses_List": self.list_history,
            "AvailabilityStatuses_GetByResource": self.get_status,
            "Events_ListBySubscriptionId": self.list_events,
            "Event_GetBySubscriptionIdAndTrackingId": self.get_event,
            "Events_ListByTenantId": self.list_events,
            "Event_GetByTenantIdAndTrackingId": self.get_event,
            "Events_ListBySingleResource": self.list_events,
        }

    # --- events ---

    async def list_events(self, exchange: Exchange) -> Response:
        """List the events that pass the filter, those that were updated last first."""
        holds = read_filter(exchange.query.get("$filter", ""))
        given = exchange.query.get("querystarttime", "")
        since = read_moment(given, "queryStartTime") if given else exchange.at - HISTORY
        found = [one for one in await self._events(exchange) if holds(one)]
        found = [one for one in found if parse_rfc3339(one["properties"]["lastUpdateTime"]) >= since]
        found.sort(key=lambda one: one["properties"]["lastUpdateTime"], reverse=True)
        return _page(exchange, found)

    async def get_event(self, exchange: Exchange) -> Response:
        """Return one event."""
        wanted = exchange.params["tracking_id"].upper()
        for one in await self._events(exchange):
            if one["name"] == wanted:
                return json_response(one)
        raise NotFoundError(f"There is no event {exchange.params['tracking_id'][:40]!r}.", target="eventTrackingId")

    async def _events(self, exchange: Exchange) -> list[dict[str, Any]]:
        """Return every event of the last 90 days that the caller sees, or that concerns the path's resource."""
        subscription = exchange.params.get("subscription_id", "")
        if exchange.resource is not None and "scope" in exchange.params:
            names, subscription = {exchange.resource.name}, exchange.resource.subscription_id
        else:
            seen = self._callers.seen(exchange)
            names = {one.name for one in seen}
            subscription = subscription or (seen[0].subscription_id if len(seen) == 1 else "")
        since = exchange.at - HISTORY
        found = [
            health_answers.incident_event(one, self._titles.get(one.service, one.service), subscription)
            for one in await self._concerning(since, names)
        ]
        for notice in await self._notices.since(since):
            title = self._titles.get(notice.service, "All services")
            found.append(health_answers.notice_event(notice, title, subscription, exchange.at))
        return found

    async def _concerning(self, since: Any, names: set[str]) -> list[Incident]:
        """Return the outages of some resources, and of the whole server."""
        return await self._incidents.outages(since, sorted(names))

    # --- availability ---

    async def list_statuses(self, exchange: Exchange) -> Response:
        """Tell how each resource of the subscription or group is that the caller sees."""
        seen = self._callers.seen(exchange)
        report = await self._standings.now([one.name for one in seen])
        incidents = await self._concerning(exchange.at - HISTORY, {one.name for one in seen})
        return _page(exchange, [self._current(exchange, one, report, incidents) for one in seen])

    async def get_status(self, exchange: Exchange) -> Response:
        """Tell how the path's resource is."""
        resource = exchange.owner
        report = await self._standings.now([resource.name])
        incidents = await self._concerning(exchange.at - HISTORY, {resource.name})
        return json_response(self._current(exchange, resource, report, incidents))

    async def list_history(self, exchange: Exchange) -> Response:
        """Tell how the path's resource is, and how it was before."""
        resource = exchange.owner
        report = await self._standings.now([resource.name])
        incidents = await self._concerning(exchange.at - HISTORY, {resource.name})
        past = health_answers.past_statuses(_scope(resource), _without_covered(incidents))
        return _page(exchange, [self._current(exchange, resource, report, incidents), *past])

    def _current(
        self, exchange: Exchange, resource: Resource, report: Report, incidents: list[Incident]
    ) -> dict[str, Any]:
        own = [one for one in incidents if one.resource in {"", resource.name}]
        used = {one.service for one in report.resources if one.resource == resource.name and one.requests}
        announced = [one for one in report.notices if one.kind == "maintenance" and one.state(exchange.at) == "active"]
        return health_answers.current_status(
            _scope(resource),
            exchange.at,
            own,
            used & self._data_plane,
            announced,
            since=max(resource.created_at, exchange.at - HISTORY),
        )


def _without_covered(incidents: list[Incident]) -> list[Incident]:
    """Leave out incidents of a resource that one of the whole service covers."""
    whole = {one.id for one in incidents if not one.resource}
    return [one for one in incidents if one.within not in whole]


def _scope(resource: Resource) -> str:
    return resource_id(resource.subscription_id, resource.resource_group, resource.name)


def _page(exchange: Exchange, found: list[dict[str, Any]]) -> Response:
    """Return a page of a list, with where the next one is."""
    skipped = exchange.number("$skiptoken", default=0, least=0, most=len(found))
    answer: dict[str, Any] = {"value": found[skipped : skipped + PAGE]}
    if skipped + PAGE < len(found):
        query = {name: value for name, value in exchange.query.items() if name != "$skiptoken"}
        query["$skiptoken"] = str(skipped + PAGE)
        pairs = "&".join(f"{quote(name, safe='$-')}={quote(value, safe='')}" for name, value in query.items())
        answer["nextLink"] = f"{exchange.base_url}{exchange.raw_path}?{pairs}"
    return json_response(answer)
