"""Reads posted facts row by row or by columns; tells of each that is wrong where and why."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.apis.trunkline.body import LONGEST_LINE, SLICE, Body, Item, Part
from trunkline.apis.trunkline.columnar import Columns, NotPlainError
from trunkline.apis.trunkline.shapes import decoder, defaults, moments, posted
from trunkline.catalogue.columns import Column, columns, shown_columns
from trunkline.catalogue.facts import Fact, Request, status_class
from trunkline.catalogue.load import load
from trunkline.errors import InvalidError, TrunklineError
from trunkline.telemetry.batches import batch, schema

MOST_LISTED = 100
AHEAD = timedelta(minutes=5)
BEHIND = timedelta(days=3660)
_SYNTAX = "This is not JSON: {}."
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
EXAMPLES = {
    "PostRequests": '{"service": "chat", "operation": "SendChatMessage", "status": 201, "duration_ms": 12.5}',
    "PostCalls": '{"leg_id": "a1", "direction": "outbound", "recipient": "+385911234567", "sip_code": 486}',
    "PostSamples": '{"call_id": "a1", "edge": "sdk", "mos": 4.39, "rtt_ms": 81, "jitter_ms": 9, "packets_lost": 0}',
    "PostCallEvents": '{"call_id": "a1", "name": "ringing", "level": "info"}',
    "PostMessages": '{"message_id": "m1", "channel": "email", "direction": "outbound", "status": "delivered"}',
    "PostLogs": '{"level": "warning", "logger": "azure:ACS:warning", "call_id": "c1", "text": "ICE failed"}',
    "PostFeedback": '{"call_id": "c1", "overall_score": 2, "audio_issues": "NoLocalAudio", "text": "Silence."}',
}
"""A line to paste, for each operation."""
Account = Callable[[str], str]
"""Returns the account that a name means to the caller; raises a TrunklineError."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that was not taken: the line, the field's path, and why."""

    line: int
    path: str
    why: str


class Reading:
    """Reads one body; `accepted` and `rejected_total` count, at most 100 of the rejected are told one by one."""

    def __init__(self, kind: type[Fact], account: Account, now: datetime) -> None:
        self._kind = kind
        self._account = account
        self._now = now
        self.accepted = 0
        self.rejected: list[Rejected] = []
        self.rejected_total = 0

    def facts(self, items: Iterator[Item]) -> Iterator[list[Fact]]:
        """Yield the facts, some at a time."""
        some: list[Fact] = []
        for line, item in items:
            fact = self._fact(line, item)
            if fact is not None:
                some.append(fact)
                if len(some) == SLICE:
                    self.accepted += len(some)
                    yield some
                    some = []
        self.accepted += len(some)
        if some:
            yield some

    def batch(self, body: Body) -> Any:
        """Return the facts as one table, which may be empty: read by columns where that can be."""
        reader = Columns(self._kind, self._account, _operation, (self._now - BEHIND, self._now + AHEAD), self._now)
        found = [table for part in body.parts for table in self._part(reader, part)]
        return pa.concat_tables(found) if found else schema(self._kind).empty_table()

    def _part(self, reader: Columns, part: Part) -> Iterator[Any]:
        try:
            table = part.columns(reader)
        except NotPlainError:
            facts = [fact for line, item in part.items() if (fact := self._fact(line, item)) is not None]
            table = batch(self._kind, facts)
        self.accepted += len(table)
        if len(table):
            yield table

    def check(self) -> None:
        """Raise InvalidError when there was not one fact that could be taken."""
        if self.accepted:
            return
        if not self.rejected:
            raise InvalidError("There are no facts in the body.", target="body")
        first = self.rejected[0]
        others = f", and {self.rejected_total - 1} more" if self.rejected_total > 1 else ""
        raise InvalidError(f"No fact can be taken: line {first.line}{others}: {first.why}", target=first.path or "body")

    def _fact(self, line: int, item: Any) -> Fact | None:
        try:
            if isinstance(item, dict):
                given = msgspec.convert(item, posted(self._kind))
            elif len(item) > LONGEST_LINE:
                raise InvalidError(f"A line has at most {LONGEST_LINE} bytes.")
            else:
                given = decoder(self._kind).decode(item)
            self._finish(given)
            return msgspec.convert(given, self._kind, from_attributes=True)
        except msgspec.ValidationError as error:
            self._reject(line, *_explained(self._kind, str(error)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._reject(line, "", _SYNTAX.format(error))
        except TrunklineError as error:
            self._reject(line, error.target, error.message)
        return None

    def _reject(self, line: int, path: str, why: str) -> None:
        self.rejected_total += 1
        if len(self.rejected) < MOST_LISTED:
            self.rejected.append(Rejected(line=line, path=path, why=why))

    def _finish(self, given: Any) -> None:
        """Fill in what a posted fact may leave out; raises InvalidError, and what `account` does."""
        for name, default in defaults(self._kind):
            if getattr(given, name) is None:
                setattr(given, name, default)
        try:
            given.resource = self._account(given.resource)
        except TrunklineError as error:
            raise InvalidError(error.message, target="resource") from error
        for name in moments(self._kind):
            if (moment := getattr(given, name)) is not None:
                setattr(given, name, self._checked(name, moment))
        if "revised_at" in moments(self._kind) and given.revised_at is None:
            given.revised_at = self._now
        if given.happened_at is None:
            guesses = [moment for name in self._kind.guesses if (moment := getattr(given, name)) is not None]
            given.happened_at = min(guesses, default=self._now)
        if self._kind is Request:
            given.status_class = given.status_class or status_class(given.status)
            given.operation = _operation(given.service, given.operation)

    def _checked(self, name: str, moment: datetime) -> datetime:
        try:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:
            moment = datetime.max.replace(tzinfo=UTC)
        if moment > self._now + AHEAD:
            raise InvalidError("The moment lies ahead: is the sender's clock wrong?", target=name)
        if moment < self._now - BEHIND:
            raise InvalidError("The moment is more than ten years ago.", target=name)
        return moment


def _operation(service: str, name: str) -> str:
    """Return the operation under which a request is counted: one that the service has not is a bad route."""
    known = load().services.get(service)
    if known is None or name in known.operations:
        return name
    return known.metric.unknown if known.metric else "unknown"


def _explained(kind: type[Fact], text: str) -> tuple[str, str]:
    """Return the path and the sentence for what msgspec found."""
    what, _, where = text.partition(" - at `")
    path = where.removesuffix("`").removeprefix("$").removeprefix(".")
    column: Column | None = columns(kind).get(path)
    if found := _UNKNOWN.fullmatch(what):
        name = found.group(1)
        near = difflib.get_close_matches(name[:100], shown_columns(kind.table), n=3, cutoff=0.4)
        return name[:100], "There is no such field" + (f"; the nearest are {', '.join(near)}." if near else ".")
    if column is not None and column.values and what.startswith("Invalid enum"):
        return path, f"It is one of: {', '.join(column.values)}."
    return path, f"{what[:300]}."
