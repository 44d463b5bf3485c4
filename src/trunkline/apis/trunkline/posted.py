"""Reads posted facts: lines of JSON, an array, or Arrow, plain or packed; tells of each that is wrong where and why."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.apis.trunkline import arrow
from trunkline.apis.trunkline.columnar import Columns, NotPlainError
from trunkline.apis.trunkline.shapes import decoder, defaults, moments, posted
from trunkline.catalogue.columns import Column, columns, shown_columns
from trunkline.catalogue.facts import Fact, Request, status_class
from trunkline.catalogue.load import load
from trunkline.errors import InvalidError, TooLargeError, TrunklineError
from trunkline.telemetry.batches import batch, schema

LONGEST_LINE = 64 * 1024
MOST_UNPACKED = 32 * 1024 * 1024
MOST_FACTS = 100_000
MOST_LISTED = 100
SLICE = 5000
AHEAD = timedelta(minutes=5)
BEHIND = timedelta(days=3660)
_CHUNK = 256 * 1024
_SYNTAX = "This is not JSON: {}."
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_WORD_OF_CODEC = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
EXAMPLES = {
    "PostRequests": '{"service": "chat", "operation": "SendChatMessage", "status": 201, "duration_ms": 12.5}',
    "PostCalls": '{"leg_id": "a1", "direction": "outbound", "recipient": "+385911234567", "sip_code": 486}',
    "PostSamples": '{"call_id": "a1", "edge": "sdk", "mos": 4.39, "rtt_ms": 81, "jitter_ms": 9, "packets_lost": 0}',
    "PostCallEvents": '{"call_id": "a1", "name": "ringing", "level": "info"}',
    "PostMessages": '{"message_id": "m1", "channel": "email", "direction": "outbound", "status": "delivered"}',
}
"""A line to paste, for each operation."""
Account = Callable[[str], str]
"""Returns the account that a name means to the caller; raises a TrunklineError."""
Item = tuple[int, Any]
"""The number of a line (or of an array's part, or of a row), and what stands there."""


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
        found = [table for part in body.parts() for table in self._part(reader, part)]
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


# --- bodies ---


class Part:
    """Some rows of a body, one after the other: as items, or as columns."""

    def __init__(self, first: int, rows: Any) -> None:
        self._first = first
        self._rows = rows

    def items(self) -> Iterator[Item]:
        """Yield each row with its number."""
        if isinstance(self._rows, list):
            return ((number, line) for number, line in enumerate(self._rows, self._first) if line.strip())
        return arrow.rows(self._rows, self._first)

    def columns(self, reader: Columns) -> Any:
        """Return the rows as a batch; raises NotPlainError."""
        if not isinstance(self._rows, list):
            return reader.table(self._rows)
        if max(map(len, self._rows), default=0) > LONGEST_LINE:
            raise NotPlainError
        return reader.lines(b"\n".join(self._rows), sum(1 for line in self._rows if line.strip()))


class Body:
    """A body, unpacked: lines of JSON, an array, or Arrow. Raises InvalidError when it is none, TooLargeError."""

    def __init__(self, body: bytes, media_type: str, encoding: str) -> None:
        codecs = [word for part in encoding.lower().split(",") if (word := part.strip()) not in {"", "identity"}]
        if len(codecs) > 1:
            raise InvalidError("A body is packed once.", target="Content-Encoding")
        for codec in codecs:
            body = _unpacked(body, codec)
        self.size = len(body)
        self._table: Any = None
        self._lines: list[bytes] = []
        if arrow.is_arrow(body) or "arrow" in media_type:
            self._table = arrow.table(body, MOST_FACTS)
            return
        head = body[:1000].lstrip()[:1]
        if not head and not body.strip():
            raise InvalidError("The body is empty: send one JSON object a line, or an array.", target="body")
        self._lines = _elements(body) if head == b"[" else _lines(body)

    def parts(self) -> Iterator[Part]:
        """Yield the rows, some at a time."""
        if self._table is not None:
            return (Part(start + 1, self._table.slice(start, SLICE)) for start in range(0, self._table.num_rows, SLICE))
        return (Part(start + 1, self._lines[start : start + SLICE]) for start in range(0, len(self._lines), SLICE))

    def items(self) -> Iterator[Item]:
        """Yield each row with its number."""
        return (item for part in self.parts() for item in part.items())


def _lines(body: bytes) -> list[bytes]:
    lines = body.split(b"\n", MOST_FACTS)
    if len(lines) > MOST_FACTS:
        raise TooLargeError(f"At most {MOST_FACTS} facts are taken at once.")
    if lines[0].strip() == b"{":  # one object, written over several lines for people
        return [body]
    return lines


def _elements(body: bytes) -> list[bytes]:
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"The body is not a JSON array: {error}.", target="body") from error
    if len(parts) > MOST_FACTS:
        raise TooLargeError(f"At most {MOST_FACTS} facts are taken at once.")
    return [bytes(part) for part in parts]


def _unpacked(body: bytes, codec: str) -> bytes:
    """Unpack a body, up to a bound."""
    name = _WORD_OF_CODEC.get(codec)
    if name is None:
        raise InvalidError("A body is sent plain, or packed by gzip or zstd.", target="Content-Encoding")
    chunks: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), name) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MOST_UNPACKED:
                    raise TooLargeError(f"The unpacked body is larger than {MOST_UNPACKED} bytes.")
                chunks.append(chunk)
    except (OSError, pa.ArrowException) as error:
        raise InvalidError(f"The body is not {name}.", target="Content-Encoding") from error
    return b"".join(chunks)
