"""Reads posted facts: lines of JSON, an array, or Arrow, plain or packed; tells of each that is wrong where and why."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.apis.trunkline import arrow
from trunkline.catalogue.columns import MOMENT, Column, columns, constrained
from trunkline.catalogue.facts import Fact, Request, status_class
from trunkline.catalogue.load import load
from trunkline.errors import InvalidError, TooLargeError, TrunklineError

LONGEST_LINE = 64 * 1024
MOST_UNPACKED = 32 * 1024 * 1024
MOST_FACTS = 100_000
MOST_LISTED = 100
SLICE = 1000
AHEAD = timedelta(minutes=5)
BEHIND = timedelta(days=3660)
_CHUNK = 256 * 1024
_SYNTAX = "This is not JSON: {}."
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_WORD_OF_CODEC = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
LEFT_OUT = frozenset({MOMENT, "resource", "status_class"})
"""What every fact has, and whoever posts one may leave out."""
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
        self._decoder = msgspec.json.Decoder(posted(kind))
        self._moments = [name for name, column in columns(kind).items() if column.of is datetime]
        self.accepted = 0
        self.rejected: list[Rejected] = []
        self.rejected_total = 0

    def facts(self, items: Iterator[Item]) -> Iterator[list[Fact]]:
        """Yield the facts, some at a time. Raises InvalidError when there is not one."""
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
        if not self.accepted:
            raise self._nothing()
        if some:
            yield some

    def _nothing(self) -> InvalidError:
        """Say why there is not one fact in the body."""
        if not self.rejected:
            return InvalidError("There are no facts in the body.", target="body")
        first = self.rejected[0]
        others = f", and {self.rejected_total - 1} more" if self.rejected_total > 1 else ""
        return InvalidError(
            f"No fact can be taken: line {first.line}{others}: {first.why}", target=first.path or "body"
        )

    def _fact(self, line: int, item: Any) -> Fact | None:
        try:
            if isinstance(item, dict):
                given = msgspec.convert(item, posted(self._kind))
            elif len(item) > LONGEST_LINE:
                raise InvalidError(f"A line has at most {LONGEST_LINE} bytes.")
            else:
                given = self._decoder.decode(item)
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
        try:
            given.resource = self._account(given.resource)
        except TrunklineError as error:
            raise InvalidError(error.message, target="resource") from error
        for name in self._moments:
            if (moment := getattr(given, name)) is not None:
                setattr(given, name, self._checked(name, moment))
        if "revised_at" in self._moments and given.revised_at is None:
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


@cache
def posted(kind: type[Fact]) -> Any:
    """Return the shape in which facts of a kind are posted: an object that has the columns as members."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
    for name, column in columns(kind).items():
        hint = constrained(hints[name])
        if column.is_inner:
            continue
        if name == MOMENT:
            fields.append((name, datetime | None, None))
        elif column.is_map:
            fields.append((name, hint, msgspec.field(default_factory=dict)))
        elif column.is_required and name not in LEFT_OUT:
            fields.append((name, hint))
        else:
            fields.append((name, hint, "" if column.is_required else column.default))
    return msgspec.defstruct(f"Posted{kind.__name__}", fields, kw_only=True, forbid_unknown_fields=True)


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
        shown = [each for each, column in columns(kind).items() if not column.is_inner]
        near = difflib.get_close_matches(name[:100], shown, n=3, cutoff=0.4)
        return name[:100], "There is no such field" + (f"; the nearest are {', '.join(near)}." if near else ".")
    if column is not None and column.values and what.startswith("Invalid enum"):
        return path, f"It is one of: {', '.join(column.values)}."
    return path, f"{what[:300]}."


# --- bodies ---


def items(body: bytes, media_type: str, encoding: str) -> Iterator[Item]:
    """Take a body apart. Raises InvalidError when it cannot be read as a whole, TooLargeError."""
    codecs = [word for part in encoding.lower().split(",") if (word := part.strip()) not in {"", "identity"}]
    if len(codecs) > 1:
        raise InvalidError("A body is packed once.", target="Content-Encoding")
    for codec in codecs:
        body = _unpacked(body, codec)
    if arrow.is_arrow(body) or "arrow" in media_type:
        return arrow.rows(body, MOST_FACTS)
    head = body[:1000].lstrip()[:1]
    if head == b"[":
        return _parts(body)
    if not head and not body.strip():
        raise InvalidError("The body is empty: send one JSON object a line, or an array.", target="body")
    return _lines(body)


def _lines(body: bytes) -> Iterator[Item]:
    lines = body.split(b"\n", MOST_FACTS)
    if len(lines) > MOST_FACTS:
        raise TooLargeError(f"At most {MOST_FACTS} facts are taken at once.")
    if lines[0].strip() == b"{":  # one object, written over several lines for people
        return iter([(1, body)])
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _parts(body: bytes) -> Iterator[Item]:
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"The body is not a JSON array: {error}.", target="body") from error
    if len(parts) > MOST_FACTS:
        raise TooLargeError(f"At most {MOST_FACTS} facts are taken at once.")
    return enumerate((bytes(part) for part in parts), 1)


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


def packed(reading: Reading, those: Iterator[Item], pack: Callable[[Sequence[Fact]], bytes]) -> list[bytes]:
    """Read everything and return it packed, some facts a block; for a thread."""
    return [pack(facts) for facts in reading.facts(those)]
