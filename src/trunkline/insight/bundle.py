"""A support bundle: everything that whoever helps would ask for about one id, in one archive, without secrets."""

from __future__ import annotations

import dataclasses
import platform
import sqlite3
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import metadata
from typing import Any

import msgspec

from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.columns import tables
from trunkline.clock import Clock, rfc3339
from trunkline.config import Settings
from trunkline.errors import NotFoundError, UnavailableError
from trunkline.insight.archive import Member, archive
from trunkline.insight.handed_over import left_out, members
from trunkline.insight.incidents import Incidents
from trunkline.insight.redaction import GONE, Redactor
from trunkline.insight.story import Stories, Story
from trunkline.services.notices import Notices
from trunkline.services.numbers import Numbers
from trunkline.services.resources import Resources
from trunkline.services.sent import Sentbox, Wanted
from trunkline.services.support_files import SupportFile, SupportFiles, safe_name
from trunkline.telemetry.questions import EVER, Row, Rows, Series, among
from trunkline.telemetry.recorder import Recorder

MOST_BYTES = 256 * 1024 * 1024
MOST_ROWS = 5000
"""So many facts of a kind; of what more there are, the newest."""
LONGEST_USE_CASE = 2000
_MOST_MESSAGES = 200
_AROUND = timedelta(minutes=15)
_LIBRARIES = ("duckdb", "sqlalchemy", "starlette", "uvicorn", "msgspec", "pyarrow", "cryptography")
_PEOPLE = ("sender", "recipient")
_ASKED: Mapping[str, Sequence[str]] = {
    "ms_cv": ("requests.ms_cv", "messages.correlation_id", "log_lines.ms_cv"),
    "call_id": ("calls.call_id", "call_events.call_id", "samples.call_id", "log_lines.call_id", "feedback.call_id"),
    "leg_id": ("calls.leg_id",),
    "correlation_id": ("requests.correlation_id", "log_lines.correlation_id", "feedback.correlation_id"),
    "message_id": ("messages.message_id", "log_lines.message_id"),
    "client_request_id": ("requests.client_request_id", "log_lines.client_request_id"),
    "request_id": ("requests.request_id", "log_lines.request_id"),
    "thread_id": ("messages.thread_id", "log_lines.thread_id"),
    "participant_id": ("log_lines.participant_id", "feedback.participant_id"),
    "user_id": ("log_lines.user_id", "feedback.user_id"),
    "application_id": ("calls.application_id", "messages.application_id"),
}
"""The ids that support asks for, and the columns in which they stand."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which bundle: about an id, among some accounts (none named: all), with or without texts, numbers, settings."""

    id: str
    family: tuple[str, ...] = ()
    use_case: str = ""
    with_settings: bool = False
    without_texts: bool = False
    without_numbers: bool = False


class Bundles:
    """Makes bundles. `secrets` tells what the server knows that nobody may see."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        stories: Stories,
        files: SupportFiles,
        incidents: Incidents,
        notices: Notices,
        resources: Resources,
        numbers: Numbers,
        sentbox: Sentbox,
        settings: Settings,
        clock: Clock,
        secrets: Callable[[], Iterable[str]],
        version: str,
    ) -> None:
        self._recorder = recorder
        self._stories = stories
        self._files = files
        self._incidents = incidents
        self._notices = notices
        self._resources = resources
        self._numbers = numbers
        self._sentbox = sentbox
        self._settings = settings
        self._clock = clock
        self._secrets = secrets
        self._version = version

    async def make(self, wish: Wish) -> Iterator[bytes]:
        """Gather everything and return the archive, a piece at a time; raises NotFoundError when nothing bears the id.

        The pieces are made in a thread: files are read, searched and packed as they are asked for.
        """
        story = await self._stories.of(wish.id, wish.family)
        if not story.meanings and not story.entries:
            raise NotFoundError(f"Nothing here bears {wish.id[:80]!r}.", target="q")
        ids = [wish.id, *story.ids]
        facts = await self._facts(ids, wish.family)
        files = [one for one in await self._files.bearing(ids) if not wish.family or one.resource in wish.family]
        redactor = await self._redactor(wish, facts)
        first, last = _span(story, facts)
        documents: dict[str, Any] = {
            "ids.json": self._ids(wish, facts, {one.resource for one in files}),
            "use-case.json": _use_case(wish, facts, first, last),
            "story.json": msgspec.to_builtins(story),
            "health.json": await self._health(wish.family, first, last),
            "versions.json": self._versions(),
            "settings.json": self._shown_settings() if wish.with_settings else {},
        }
        return archive(
            _members(wish, redactor, story, documents, facts, self._handed_over(files, redactor)), MOST_BYTES
        )

    def _handed_over(self, files: Iterable[SupportFile], redactor: Redactor) -> Iterator[Member]:
        """Yield the support files, each opened when it is its turn."""
        for one in files:
            place = f"support-files/{one.id}-{safe_name(redactor.text(one.name))}"
            try:
                file = self._files.opened(one)
            except UnavailableError as error:
                yield Member(place, left_out(error.message))
            else:
                yield from members(place, file, redactor)

    # --- what goes in ---

    async def _facts(self, ids: Sequence[str], family: Sequence[str]) -> dict[str, list[Row]]:
        """Return what bears any of the ids, by its kind and in order of time."""
        start, end = EVER
        where = among(family)
        places = await self._recorder.places(ids)
        found: dict[str, list[Row]] = {}
        for table in tables():
            if any(span.table == table for spans in places.values() for span in spans):
                question = Rows(fact=table, start=start, end=end, where=where, newest_first=True, limit=MOST_ROWS)
                rows = await self._recorder.rows_of(places, question)
                rows.sort(key=lambda row: (row["happened_at"], row.get("sequence", 0)))
                found[table] = rows
        return {table: rows for table, rows in found.items() if rows}

    async def _redactor(self, wish: Wish, facts: Mapping[str, Sequence[Row]]) -> Redactor:
        texts: list[str] | None = None
        numbers: list[str] | None = None
        if wish.without_texts:
            texts = [row["text"] for row in facts.get("feedback", ())]
            told = [row for table in ("messages", "log_lines") for row in facts.get(table, ()) if row["message_id"]]
            for row in told[-_MOST_MESSAGES:]:
                texts += [one.text for one in (await self._sentbox.look(_sent(row))).found]
        if wish.without_numbers:
            rows = [row for those in facts.values() for row in those]
            numbers = [one.number for name in self._accounts(facts) for one in self._numbers.list(name)]
            numbers += [row[name] for row in rows for name in _PEOPLE if row.get(name)]
        return Redactor(self._secrets(), texts, numbers)

    def _accounts(self, facts: Mapping[str, Sequence[Row]]) -> list[str]:
        named = {row["resource"] for rows in facts.values() for row in rows}
        return sorted(name for name in named if self._resources.find(name) is not None)

    def _ids(self, wish: Wish, facts: Mapping[str, Sequence[Row]], others: set[str]) -> dict[str, Any]:
        found: dict[str, Any] = {"asked_for": wish.id}
        for name, places in _ASKED.items():
            parts = [place.split(".") for place in places]
            ids = dict.fromkeys(row[column] for table, column in parts for row in facts.get(table, ()) if row[column])
            if ids:
                found[name] = [*ids]
        by_channel: dict[str, dict[str, None]] = {}
        for row in facts.get("messages", ()):
            by_channel.setdefault(f"{row['channel'] or 'other'}_message_id", {})[row["message_id"]] = None
        found |= {name: [*ids] for name, ids in by_channel.items()}
        found["accounts"] = [
            {
                "name": one.name,
                "immutable_resource_id": one.immutable_id,
                "resource_id": resource_id(one.subscription_id, one.resource_group, one.name),
                "subscription_id": one.subscription_id,
                "directory_id": one.tenant_id,
                "brief_ids": {each.number: each.brief_id for each in self._numbers.list(one.name) if each.brief_id},
            }
            for name in sorted({*self._accounts(facts), *others})
            if (one := self._resources.find(name)) is not None
        ]
        return found

    async def _health(self, family: Sequence[str], first: datetime, last: datetime) -> dict[str, Any]:
        """Return how things stood around a span: incidents, notices, and each service's requests."""
        start, end = first - _AROUND, last + _AROUND
        seen = list(family) or None
        where = among(family)
        measures = ("requests.count", "requests.failure_rate", "requests.unmendable_rate")
        points = await self._recorder.ask(Series(measures=measures, start=start, end=end, by=("service",), where=where))
        return {
            "from": start,
            "to": end,
            "services": [
                {"service": point.split[0], **dict(zip(measures, point.values, strict=True))} for point in points
            ],
            "incidents": [msgspec.to_builtins(one) for one in await self._incidents.between(start, end, seen)],
            "notices": [msgspec.to_builtins(one) for one in await self._notices.since(start) if one.begins_at <= end],
        }

    def _versions(self) -> dict[str, str]:
        return {
            "trunkline": self._version,
            "python": sys.version.split()[0],
            "system": platform.platform(),
            "sqlite": sqlite3.sqlite_version,
            "openssl": ssl.OPENSSL_VERSION,
            **{name: metadata.version(name) for name in _LIBRARIES},
            "made_at": rfc3339(self._clock.now()),
        }

    def _shown_settings(self) -> dict[str, Any]:
        """Return the settings, of a secret one only whether it is set."""
        shown = {}
        for row in dataclasses.fields(self._settings):
            value = getattr(self._settings, row.name)
            shown[row.name] = (GONE if value else "") if row.metadata.get("secret") else value
        return shown


def _members(
    wish: Wish,
    redactor: Redactor,
    story: Story,
    documents: Mapping[str, Any],
    facts: Mapping[str, Sequence[Row]],
    files: Iterable[Member],
) -> Iterator[Member]:
    yield Member("README.txt", [_about(wish).encode()])
    for name, document in documents.items():
        yield Member(name, _document(document, redactor))
    told = (f"{rfc3339(one.at, 6)} {one.level:7} {redactor.text(one.text)}\n".encode() for one in story.entries)
    yield Member("story.txt", told)
    for table, rows in facts.items():
        if table == "log_lines":
            yield Member("client-logs.ndjson", _lines((row for row in rows if row["source"] == "client"), redactor))
            rows = [row for row in rows if row["source"] != "client"]  # noqa: PLW2901 - the rest
        yield Member(f"facts/{table}.ndjson", _lines(rows, redactor))
    yield from files


def _document(document: Any, redactor: Redactor) -> Iterator[bytes]:
    yield msgspec.json.format(msgspec.json.encode(redactor.value(msgspec.to_builtins(document))))


def _lines(rows: Iterable[Row], redactor: Redactor) -> Iterator[bytes]:
    for row in rows:
        shown = {name: value for name, value in msgspec.to_builtins(row).items() if value not in (None, "", {})}
        yield msgspec.json.encode(redactor.value(shown)) + b"\n"


def _sent(row: Row) -> Wanted:
    """Return how a message that a fact tells of is found among those that were sent."""
    around = timedelta(minutes=1) if row.get("channel") else timedelta(days=1)
    return Wanted(
        resource=row["resource"],
        channel=row.get("channel", ""),
        id=row["message_id"],
        thread=row["thread_id"],
        since=row["happened_at"] - around,
        until=row["happened_at"] + around,
    )


def _span(story: Story, facts: Mapping[str, Sequence[Row]]) -> tuple[datetime, datetime]:
    moments = [entry.at for entry in story.entries]
    moments += [row["happened_at"] for rows in facts.values() for row in rows]
    return (min(moments), max(moments)) if moments else (EVER[0] + _AROUND, EVER[0] + _AROUND)


def _use_case(wish: Wish, facts: Mapping[str, Sequence[Row]], first: datetime, last: datetime) -> dict[str, Any]:
    """Return what failed, and when: what the caller says of it, and which operations the requests were."""
    return {
        "said": wish.use_case,
        "from": first,
        "to": last,
        "requests": [
            {name: row[name] for name in ("happened_at", "service", "operation", "status", "ms_cv", "sdk")}
            for row in facts.get("requests", ())
        ],
        "failures": [
            {"at": row["happened_at"], "what": f"{row['service']} {row['operation']}", "status": row["status"]}
            for row in facts.get("requests", ())
            if row["status"] >= 400
        ],
    }


def _about(wish: Wish) -> str:
    removed = ["Secrets that the server knows, and what looks like one, are replaced by [removed]."]
    if wish.without_texts:
        removed.append("Texts of messages and of feedback are removed where they are known, or named as such in JSON.")
    if wish.without_numbers:
        removed.append("Phone numbers and e-mail addresses have names instead: [number 1], [address 2].")
    return "\n".join(
        [
            "A support bundle of Trunkline.",
            "",
            "ids.json        the ids that support asks for",
            "use-case.json   what was done, when, and what failed",
            "story.txt       what happened, in order of time (story.json: with the facts)",
            "facts/          the facts, one JSON object a line",
            "client-logs.ndjson, support-files/   what clients handed over",
            "health.json     incidents, notices and requests at that time",
            "versions.json, settings.json         the server (settings only for its operator)",
            "manifest.json   sizes and digests; what was left out, and why",
            "",
            *removed,
            "Support files that zip or gzip packed are given unpacked; others that are packed, or within another, are",
            "left out: what is in them cannot be looked at. Files that are no text are given as they are, if nothing",
            "secret is found in their bytes; what they hold in a form of their own, such as a picture of a screen or a",
            "log in binary, nobody has looked at.",
            "",
        ]
    )
