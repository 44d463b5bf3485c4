"""The status page at `/status`: for whoever cannot sign in; it names no account, holds no script and nothing secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from importlib.resources import files

from trunkline.clock import Clock
from trunkline.insight.incidents import Incident, Incidents
from trunkline.insight.standing import Report, Standings
from trunkline.services.notices import Notice, Notices

HISTORY = timedelta(days=90)
KEPT_FOR = timedelta(seconds=10)
"""The page is made anew no more often than this, however many ask for it."""

MOST_SHOWN = 500
_WORDS = {"available": "available", "unavailable": "out of order", "maintenance": "planned maintenance"}


class StatusPage:
    """Draws the page, and keeps it for some seconds."""

    def __init__(self, standings: Standings, incidents: Incidents, notices: Notices, clock: Clock) -> None:
        self._standings = standings
        self._incidents = incidents
        self._notices = notices
        self._clock = clock
        self._drawing = asyncio.Lock()
        self._made_at: datetime | None = None
        self._page = ""
        self.template = (files("trunkline.web") / "status.html").read_text(encoding="utf-8")

    async def page(self) -> str:
        """Return the page; raises UnavailableError when nothing can be found out."""
        async with self._drawing:
            now = self._clock.now()
            if self._made_at is None or not timedelta() <= now - self._made_at < KEPT_FOR:
                self._page = await self._draw(now)
                self._made_at = now
        return self._page

    async def _draw(self, now: datetime) -> str:
        report = await self._standings.now(())
        past = await self._incidents.outages(now - HISTORY)
        notices = await self._notices.since(now - HISTORY)
        over = [one for one in notices if one.state(now) == "over"]
        return self.template.format_map(
            {
                "summary": _summary(report),
                "services": "\n".join(_services(report)),
                "announced": "\n".join(_announced(report, now)),
                "history": "\n".join(_history(past, over)),
                "at": _time(now),
            }
        )


def _summary(report: Report) -> str:
    out = [one.title for one in report.services if one.state == "unavailable"]
    if out:
        return f"Out of order: {escape(', '.join(out))}."
    if any(one.state == "maintenance" for one in report.services):
        return "Planned maintenance is going on."
    return "All services are available."


def _services(report: Report) -> Iterator[str]:
    for one in report.services:
        since = next((_time(known.began_at) for known in report.incidents if known.service == one.service), "")
        state = _WORDS[one.state] + (f" since {since}" if since and one.state == "unavailable" else "")
        yield f'<tr><td>{escape(one.title)}</td><td class="{one.state}">{escape(state)}</td></tr>'


def _announced(report: Report, now: datetime) -> Iterator[str]:
    titles = {one.service: one.title for one in report.services}
    for one in sorted(report.notices, key=lambda notice: notice.begins_at):
        about = escape(titles.get(one.service, "") or "all services")
        until = f" until {_time(one.ends_at)}" if one.ends_at else ""
        yield (
            f"<li><strong>{escape(one.kind.capitalize())}, {about}</strong> ({one.state(now)}, from "
            f"{_time(one.begins_at)}{until}): {escape(one.text)}</li>"
        )
    if not report.notices:
        yield "<li>Nothing is announced.</li>"


def _history(past: Iterable[Incident], over: Iterable[Notice]) -> Iterator[str]:
    lines = [(one.began_at, _incident(one)) for one in past]
    lines += [(one.begins_at, _notice(one)) for one in over]
    lines.sort(reverse=True)
    for _, line in lines[:MOST_SHOWN]:
        yield f"<li>{line}</li>"
    if not lines:
        yield "<li>Nothing was wrong.</li>"


def _incident(one: Incident) -> str:
    until = f"until {_time(one.last_at)}" if one.closed_at else "and still"
    peak = f", at most {100 * one.peak:.1f} % of a minute's requests" if one.peak is not None else ""
    return f"<strong>{escape(one.title)}</strong>: from {_time(one.began_at)} {until}{peak} (incident {escape(one.id)})"


def _notice(one: Notice) -> str:
    return (
        f"<strong>{escape(one.kind.capitalize())}</strong>: from {_time(one.begins_at)} until {_time(one.over_at())}: "
        f"{escape(one.text)}"
    )


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else ""
