"""What is asked, and what the answers have to be: counted from the generator, not from a store."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import facts
from benchmarks.errors import CannotMeasureError
from benchmarks.facts import Year
from trunkline.telemetry.questions import Condition, Rows, Series

_DAY = 5
_MEASURES = (
    *("calls.attempted", "calls.seized", "calls.answered_outbound", "calls.busy", "calls.not_answered"),
    *("calls.answer_seizure_ratio", "calls.busy_rate", "calls.duration_avg"),
)
_WHERE = (
    Condition(column="direction", values=("outbound",)),
    Condition(column="capability", values=("phone", "sip trunk")),
    Condition(column="application_id", values=("support",), op="is not"),
    Condition(column="sender_type", values=("long code", "toll free")),
)
_CLOSE = 1e-9


def day(year: Year) -> tuple[datetime, datetime]:
    """Return the day of which the minutes are asked."""
    first = year.end - timedelta(days=10 - _DAY)
    return first, first + timedelta(days=1)


def span(year: Year) -> tuple[datetime, datetime]:
    """Return the year of which the measures are asked."""
    return year.end - timedelta(days=365), year.end


def minutes(year: Year) -> Series:
    """Ask for a day by minute, by operation and status."""
    first, last = day(year)
    return Series(measures=("requests.count",), start=first, end=last, step_s=60, by=("operation", "status"))


def measures(year: Year, days: int = 365) -> Series:
    """Ask for eight measures of the calls of the last days, by hour, country and network, under four conditions."""
    return Series(
        measures=_MEASURES,
        start=year.end - timedelta(days=days),
        end=year.end,
        step_s=3600,
        by=("country", "network_id"),
        where=_WHERE,
    )


def posted(question: Series) -> dict[str, Any]:
    """Return a question as the API takes it."""
    return {
        "measures": question.measures,
        "start": question.start,
        "end": question.end,
        "step_s": question.step_s,
        "by": question.by,
        "where": question.where,
    }


# --- what the answers have to be ---


def requests_of(year: Year) -> int:
    """Count the requests of the day whose minutes are asked, as they were made."""
    return sum(_counted(year).values())


def check_minutes(year: Year, answer: Any, bare: Any) -> int:
    """Compare an answer with the bare one and with the generator; returns its rows. Raises CannotMeasureError."""
    first, _ = day(year)
    wanted = _counted(year)
    found, bared = (
        [_steps(table, first, 60).to_pylist(), *(table.column(place).to_pylist() for place in (1, 2, 3))]
        for table in (answer, bare)
    )
    found[2] = [int(status) for status in found[2]]
    if found != bared:
        raise CannotMeasureError(f"the minutes are not those of the bare engine ({len(answer)} and {len(bare)} rows)")
    if dict(zip(zip(*found[:3], strict=True), found[3], strict=True)) != wanted:
        raise CannotMeasureError(f"the minutes are not those of the generator ({len(answer)} and {len(wanted)} rows)")
    return len(answer)


def _counted(year: Year) -> dict[tuple[int, str, int], int]:
    """Count the day's requests by minute, operation and status, as they were made."""
    first, last = day(year)
    table = pa.concat_tables(year.requests_of_day(_DAY))
    moments = table.column("happened_at")
    table = table.filter(pc.and_(pc.greater_equal(moments, pa.scalar(first)), pc.less(moments, pa.scalar(last))))
    those = pa.table(
        {"s": _steps(table, first, 60), "o": table.column("operation").cast(pa.string()), "t": table.column("status")}
    )
    found = those.group_by(["s", "o", "t"]).aggregate([([], "count_all")])
    keys = zip(*(found.column(name).to_pylist() for name in ("s", "o", "t")), strict=True)
    return dict(zip(keys, found.column("count_all").to_pylist(), strict=True))


def check_measures(year: Year, answer: Any, plain: Any) -> int:
    """Compare an answer with that over the plain table, which the generator filled; returns its rows."""
    first, _ = span(year)
    same = len(answer) == len(plain) and _steps(answer, first, 3600).equals(_steps(plain, first, 3600))
    same = same and all(answer.column(place).to_pylist() == plain.column(place).to_pylist() for place in (1, 2))
    for place in range(3, 3 + len(_MEASURES)):
        if not same:
            break
        ours, theirs = (
            pc.fill_null(table.column(place).cast(pa.float64()), -1.0).to_numpy() for table in (answer, plain)
        )
        same = bool(np.allclose(ours, theirs, rtol=_CLOSE))
    if not same:
        raise CannotMeasureError(f"the measures are not those of the plain table ({len(answer)} and {len(plain)} rows)")
    return len(answer)


def check_total(plain: int, counts: list[float]) -> None:
    """Compare the first measure of all points with how many there are; raises CannotMeasureError."""
    if sum(counts) != plain:
        raise CannotMeasureError(f"over HTTP {sum(counts):,.0f} are counted, not {plain:,}")


# --- ids ---


@dataclass(frozen=True)
class Probe:
    """An id that is looked for: of what age, and which moments the facts have that bear it, in order."""

    age: str
    fact: str
    id: str
    moments: tuple[int, ...]

    def question(self, year: Year) -> Rows:
        """Return the question for its facts, whenever they were."""
        first, last = span(year)
        return Rows(fact=self.fact, start=first, end=last + timedelta(days=7), id=self.id, limit=1000)

    def check(self, moments: list[datetime]) -> None:
        """Raise CannotMeasureError unless these are the facts."""
        found = tuple(_micros(moment) for moment in moments)
        if found != self.moments:
            raise CannotMeasureError(f"of {self.fact} with {self.id} {len(found)} came, not {len(self.moments)}")


def samples_of_calls(year: Year, many: int) -> Iterator[Probe]:
    """Yield calls whose samples are looked for: of the last seconds, the last hour and the year in turn."""
    chance = random.Random(f"{facts.SEED} samples")
    days = year.sampled_days()
    newest = year.sampled_calls(days[-1])
    an_hour = max(1, year.rows // (365 * 24))
    for number in range(many):
        age = ("second", "hour", "year")[number % 3]
        those = {"second": newest[-1:], "hour": newest[-an_hour:]}.get(age)
        if those is None:
            those = year.sampled_calls(chance.choice(days))
        call = int(chance.choice(those))
        moments = tuple(int(one) for one in year.samples_of(call))
        yield Probe(age, "samples", facts.call_ids(np.array([call]))[0].as_py(), moments)


def ids(year: Year, many: int) -> Iterator[Probe]:
    """Yield ids of requests, legs and calls in turn: of the last seconds, the last hour and the year."""
    chance = random.Random(f"{facts.SEED} ids")
    for number in range(many):
        age = ("second", "hour", "year")[number % 3]
        fact, named, days = (
            ("requests", facts.request_ids, 10),
            ("calls", facts.leg_ids, 365),
            ("calls", facts.call_ids, 365),
        )[number // 3 % 3]
        newest = {"second": days * 86400, "hour": days * 24}.get(age, 1)
        place = year.rows - 1 - chance.randrange(max(1, year.rows // newest))
        moment = year.request_moment(place) if fact == "requests" else year.call_moment(place)
        yield Probe(age, fact, named(np.array([place]))[0].as_py(), (moment,))


def naive(table: Any) -> Any:
    """Return a table whose moments are UTC without saying so, and whose words are texts."""
    fields = [
        pa.field(field.name, pa.timestamp("us"))
        if pa.types.is_timestamp(field.type)
        else pa.field(field.name, pa.string())
        if pa.types.is_dictionary(field.type)
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _steps(table: Any, first: datetime, step_s: int) -> Any:
    """Return in which step of so many seconds each row is, by the moment in its first column."""
    moments = table.column(0).combine_chunks().cast(pa.int64())
    return pc.divide(pc.subtract(moments, _micros(first)), step_s * 1_000_000)


def _micros(moment: datetime) -> int:
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
