"""The line to a Trunkline: record facts, ask for measures, list facts; the same in process and over HTTP."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypedDict, Unpack

import msgspec
import pyarrow as pa

from trunkline.apis.trunkline import tabled
from trunkline.apis.trunkline.asked import MOST_POINTS, AskRequest, RowsRequest, dictionary
from trunkline.apis.trunkline.body import MOST_FACTS
from trunkline.apis.trunkline.posted import Rejected
from trunkline.catalogue.columns import Column, shown_columns, tables
from trunkline.catalogue.facts import KINDS, Fact
from trunkline.catalogue.rows import Measure
from trunkline.errors import InvalidError
from trunkline.library.answer import Answer
from trunkline.telemetry.questions import Condition, Top

Value = str | int | float | bool
Where = Mapping[str, Value | Iterable[Value]] | Iterable[Condition | str]
"""Conditions that must all hold: columns with a value or several, or texts such as "country!=DE" and "mos<3.5"."""
Moment = str | datetime | timedelta
"""A moment: aware or in UTC, RFC 3339, an age ("2h", or a timedelta), "now", "today", "yesterday"."""
Item = Fact | Mapping[str, Any]
LARGEST = 2 * 1024 * 1024
"""So many bytes of facts are taken at once, for each of which there is one answer whether they are sound."""
_CONDITION = re.compile(r"([^=!<>]+)(!=|>=|<|=)(.*)", re.DOTALL)
_OPS: dict[str, Any] = {"=": "is", "!=": "is not", ">=": "at least", "<": "less than"}


class Asking(TypedDict, total=False):
    """What `ask` takes beside the measures."""

    by: str | Iterable[str]
    where: Where
    since: Moment
    until: Moment
    step: str | int | timedelta
    zone: str
    top: int | Top
    limit: int


class RejectedError(InvalidError):
    """Some facts were not taken: `rejected` tells of each (at most 100) its `line`, the `path` within it, and `why`.

    A line is a fact's place among those of its kind that were recorded, from 1. `accepted` others were taken.
    """

    def __init__(self, accepted: int, rejected: Sequence[Rejected], total: int) -> None:
        first = rejected[0]
        others = f", and {total - 1} more" if total > 1 else ""
        super().__init__(f"Not taken: fact {first.line}{others}: {first.why}", target=first.path)
        self.accepted = accepted
        self.rejected = rejected


class Taken(msgspec.Struct, frozen=True):
    """What became of one body of facts."""

    accepted: int
    rejected: list[Rejected]
    rejected_total: int


class Known:
    """What there is to ask and to record: measures, facts with their columns."""

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The measures by name, each with its unit and a brief; vendors' words for them, too."""
        return dictionary().measures

    @property
    def facts(self) -> Mapping[str, Mapping[str, Column]]:
        """The columns of each fact by name, each with its type, unit, values and a brief."""
        return {table: shown_columns(table) for table in tables()}


class Trunkline(ABC):
    """A line to a Trunkline. Any thread may use it; close it, or use it as a context.

    Errors are of `trunkline.errors`: InvalidError says what is wrong with a question or a fact, and UnavailableError
    that nobody answers now.
    """

    catalogue = Known()
    _page = 1000

    # --- facts in ---

    def record(self, *facts: Item | Iterable[Item], fact: str = "") -> int:
        """Record facts; they are durable, and in every later answer, when this returns. Returns how many.

        They are objects of `trunkline.Call` and its like, or mappings of which `fact` names the kind ("calls"). A
        mapping may leave out what has a default, and `happened_at`, which is now then. Raises InvalidError when none
        can be taken, RejectedError once the others are recorded when some cannot.
        """
        kinds: dict[type[Fact], list[dict[str, Any]]] = {}
        for one in _flat(facts):
            kind, item = _item(one, fact)
            kinds.setdefault(kind, []).append(item)
        return sum(self._record(kind, items) for kind, items in kinds.items())

    def _record(self, kind: type[Fact], items: list[dict[str, Any]]) -> int:
        accepted, rejected, total, before = 0, [], 0, 0
        for lines in _bodies(items):
            taken = self._take(kind, b"\n".join(lines))
            accepted += taken.accepted
            total += taken.rejected_total
            rejected += [msgspec.structs.replace(one, line=one.line + before) for one in taken.rejected]
            before += len(lines)
        if total:
            raise RejectedError(accepted, rejected, total)
        return accepted

    @abstractmethod
    def _take(self, kind: type[Fact], body: bytes) -> Taken: ...

    # --- answers out ---

    def ask(
        self,
        measures: str | Iterable[str],
        *,
        by: str | Iterable[str] = (),
        where: Where = (),
        since: Moment = "",
        until: Moment = "",
        step: str | int | timedelta = "",
        zone: str = "UTC",
        top: int | Top = 0,
        limit: int = MOST_POINTS,
    ) -> Answer:
        """Ask for measures of one fact, split by columns, where conditions hold, over [since, until): the last hour.

        `step` is a word of the calendar (minute, hour, day, week, month …), which begins where it does in `zone`, or
        a number of seconds. `top` keeps so many splits with most of the first measure, and the rest together.
        Raises InvalidError that names what comes nearest to an unknown name.
        """
        given = Asking(by=by, where=where, since=since, until=until, step=step, zone=zone, top=top, limit=limit)
        table = self._ask(ask_request(measures, given))
        return Answer(table if tabled.about(table).at else table.drop_columns(table.column_names[:1]))

    def explain(self, measures: str | Iterable[str], **given: Unpack[Asking]) -> Mapping[str, Any]:
        """Return how a question would be answered: the statement (`sql`) and what is bound to it."""
        return self._explain(ask_request(measures, given))

    def rows(
        self,
        fact: str,
        *,
        id: str = "",  # noqa: A002 - what everyone calls it
        where: Where = (),
        since: Moment = "",
        until: Moment = "",
        newest_first: bool = False,
        limit: int = 1000,
    ) -> Answer:
        """List the facts of a kind ("calls", "samples") in order of time: over [since, until), the last hour.

        `id` is any id of theirs: those of one call have one. Raises InvalidError.
        """
        span = RowsRequest(fact=fact, id=id, where=_conditions(where), newest_first=newest_first)
        span = msgspec.structs.replace(span, **_span(since, until))
        pages: list[pa.Table] = []
        is_cut, left = True, limit
        while is_cut and left > 0:
            page = self._rows(msgspec.structs.replace(span, limit=min(left, self._page), skip=limit - left))
            pages.append(page)
            left -= page.num_rows
            about = tabled.about(page)
            # a later page is of the same span, whatever "now" has become
            span = msgspec.structs.replace(span, since="", until="", start=about.start, end=about.end)
            is_cut = about.cut
        if not pages:
            raise InvalidError("limit is at least 1.", target="limit")
        return Answer(pa.concat_tables(pages).replace_schema_metadata(pages[-1].schema.metadata))

    @abstractmethod
    def _ask(self, request: AskRequest) -> pa.Table: ...

    @abstractmethod
    def _explain(self, request: AskRequest) -> Mapping[str, Any]: ...

    @abstractmethod
    def _rows(self, request: RowsRequest) -> pa.Table: ...

    # --- its end ---

    @abstractmethod
    def close(self) -> None:
        """End it; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _flat(facts: Iterable[Item | Iterable[Item]]) -> Iterator[Item]:
    for one in facts:
        if isinstance(one, Fact | Mapping):
            yield one
        else:
            yield from one


def _item(one: Item, table: str) -> tuple[type[Fact], dict[str, Any]]:
    """Return the kind of a fact, and its fields as they are posted: without what is not known."""
    if isinstance(one, Fact):
        kind = type(one)
        shown = shown_columns(kind.table)
        return kind, {name: value for name in shown if (value := getattr(one, name)) not in (None, "", {})}
    named = {kind.table: kind for kind in KINDS}
    if table not in named:
        raise InvalidError(f"Say what is recorded: fact is one of {', '.join(named)}.", target="fact")
    return named[table], dict(one)


def _bodies(items: list[dict[str, Any]]) -> Iterator[list[bytes]]:
    """Cut facts into as many bodies as it takes, one JSON object a line; raises InvalidError for what JSON has not."""
    lines: list[bytes] = []
    size = 0
    for item in items:
        try:
            line = msgspec.json.encode(item)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidError(f"This cannot be recorded: {error}.") from error
        if lines and (size + len(line) > LARGEST or len(lines) == MOST_FACTS):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        yield lines


def ask_request(measures: str | Iterable[str], given: Asking) -> AskRequest:
    """Return a question as it is asked over HTTP; raises InvalidError for what is not of its type."""
    step, top = given.get("step", ""), given.get("top", 0)
    seconds = step.total_seconds() if isinstance(step, timedelta) else step
    most = Top(most=top) if isinstance(top, int) and top else top
    request = AskRequest(
        measures=_names(measures),
        by=_names(given.get("by", ())),
        where=_conditions(given.get("where", ())),
        zone=given.get("zone", "UTC"),
        top=most if isinstance(most, Top) else None,
        limit=given.get("limit", MOST_POINTS),
        **({"step": seconds} if isinstance(seconds, str) else {"step_s": int(seconds)}),
        **_span(given.get("since", ""), given.get("until", "")),
    )
    return _checked(request)


def _checked(request: AskRequest) -> AskRequest:
    """Check what the types say, as a request over HTTP is checked; raises InvalidError."""
    try:
        return msgspec.convert(msgspec.to_builtins(request), AskRequest)
    except msgspec.ValidationError as error:
        raise InvalidError(f"{error}.") from error


def _names(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _span(since: Moment, until: Moment) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for moment, word, name in ((since, "since", "start"), (until, "until", "end")):
        if isinstance(moment, timedelta):
            found[word] = f"{int(moment.total_seconds())}s"
        elif isinstance(moment, datetime):
            found[name] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            found[word] = moment
    return found


def _conditions(where: Where) -> tuple[Condition, ...]:
    if isinstance(where, Mapping):
        return tuple(Condition(column=column, values=_values(wanted)) for column, wanted in where.items())
    given: Iterable[Condition | str] = (where,) if isinstance(where, str) else where
    return tuple(condition(one) if isinstance(one, str) else one for one in given)


def condition(text: str) -> Condition:
    """Read a condition: column=value, column!=value, column>=number, column<number; raises InvalidError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InvalidError(f"{text!r} is no condition: write column=value.", target="where")
    column, sign, value = found.groups()
    return Condition(column=column.strip(), values=(value,), op=_OPS[sign])


def _values(wanted: Value | Iterable[Value]) -> tuple[str, ...]:
    if isinstance(wanted, bool):
        return ("true" if wanted else "false",)
    if isinstance(wanted, str | int | float):
        return (str(wanted),)
    return tuple(text for one in wanted for text in _values(one))
