"""The planner: one question, one statement, and the same answer as counting by hand."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.stores import empty, on_every_store
from tests.telemetry.batched import append
from trunkline.catalogue.columns import kind_of, tables
from trunkline.catalogue.facts import Call, Request, Sample
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Measure
from trunkline.errors import InvalidError
from trunkline.telemetry.calendar import beginning
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Rows, Series, Top
from trunkline.telemetry.rollups import rollups
from trunkline.telemetry.store import Store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SPAN_S = 3600
MEASURES = {
    **load().measures,
    "requests.slow": Measure(
        source="requests",
        agg="min",
        column="duration_ms",
        where={"served": True, "status": [200, 500]},
        unit="ms",
        brief="A measure with several conditions of several kinds.",
    ),
    "requests.total_ms": Measure(source="requests", agg="sum", column="duration_ms", unit="ms", brief="A sum."),
    "requests.per_failed": Measure(
        ratio=("requests.count", "requests.failed"), unit="share", brief="A ratio that is often over nothing."
    ),
    "requests.ms_of_failed": Measure(
        source="requests",
        agg="avg",
        column="duration_ms",
        where={"status_class": ["4xx", "5xx"]},
        unit="ms",
        brief="An average that often has no rows.",
    ),
    "requests.but_ok": Measure(
        source="requests", agg="count", unless={"status": 200, "served": [False]}, unit="count", brief="A negation."
    ),
    "requests.statuses": Measure(source="requests", agg="distinct", column="status", unit="count", brief="Of numbers."),
    "samples.mos_max": Measure(source="samples", agg="max", column="mos", unit="mos", brief="A maximum."),
}
OF_REQUESTS = sorted(name for name in MEASURES if name.startswith("requests."))
PLANNER = Planner(MEASURES)


def planner(store: Store) -> Planner:
    """Plan as a store spells it."""
    return Planner(MEASURES, store.dialect)


# words that meet each other in comparisons: cases, prefixes, quotes, wildcards of SQL, nothing
WORDS = ("", "a", "A", "ab", "Ab", "b'--", 'b"', "%", "_", "SendChatMessage", "sendchatmessage")
COLUMNS = ("operation", "status", "status_class", "served", "service", "caller", "extra.country", "extra.none")


def requests() -> st.SearchStrategy[Request]:
    """Make requests around the span that is asked for, a microsecond before and after included."""
    word = st.sampled_from(WORDS)
    offset = st.one_of(
        st.sampled_from([-1, 0, 1, 59_999_999, 60_000_000, SPAN_S * 1_000_000 - 1, SPAN_S * 1_000_000]),
        st.integers(-10_000_000, (SPAN_S + 10) * 1_000_000),
    )
    return st.builds(
        Request,
        happened_at=offset.map(lambda us: NOW + timedelta(microseconds=us)),
        resource=st.just("r"),
        service=word,
        operation=word,
        status=st.sampled_from([200, 201, 404, 500]),
        status_class=st.sampled_from(["2xx", "4xx", "5xx"]),
        served=st.booleans(),
        caller=word,
        duration_ms=st.integers(0, 4000).map(lambda quarter: quarter / 4),
        extra=st.dictionaries(st.just("country"), word, max_size=1),
    )


def samples() -> st.SearchStrategy[Sample]:
    """Make readings in which much was not measured."""
    return st.builds(
        Sample,
        happened_at=st.integers(0, SPAN_S - 1).map(lambda s: NOW + timedelta(seconds=s)),
        resource=st.just("r"),
        call_id=st.sampled_from(["", "a", "b"]),
        edge=st.sampled_from(["sdk", "carrier"]),
        mos=st.none() | st.integers(4, 20).map(lambda quarter: quarter / 4),
        rtt_ms=st.none() | st.integers(0, 400).map(float),
        jitter_ms=st.none() | st.integers(0, 40).map(float),
        loss_percent=st.none() | st.sampled_from([0.0, 0.5, 100.0]),
        packets_lost=st.none() | st.integers(0, 2**62),
        packets_received=st.none() | st.integers(0, 100),
    )


def questions_of_samples() -> st.SearchStrategy[Series]:
    """Make questions in which columns hold nothing now and then."""
    condition = st.builds(
        Condition,
        column=st.sampled_from(["mos", "rtt_ms", "packets_lost"]),
        values=st.sampled_from(["0", "1.5", "4", "100.0"]).map(lambda value: (value,)),
        op=st.sampled_from(["at least", "less than"]),
    )
    return st.builds(
        Series,
        measures=st.lists(
            st.sampled_from(sorted(n for n in MEASURES if n.startswith("samples."))), min_size=1, max_size=4
        ).map(tuple),
        start=st.just(NOW),
        end=st.just(NOW + timedelta(seconds=SPAN_S)),
        step_s=st.sampled_from([None, 900]),
        by=st.lists(st.sampled_from(["edge", "call_id", "packets_received"]), max_size=2, unique=True).map(tuple),
        where=st.lists(condition, max_size=1).map(tuple),
    )


def conditions() -> st.SearchStrategy[Condition]:
    """Make conditions of every kind over every kind of column."""
    value = st.sampled_from([*WORDS, "200", "20", "404", "4xx", "4XX", "true", "TRUE", "false"])
    return st.builds(
        Condition,
        column=st.sampled_from(COLUMNS),
        values=st.lists(value, max_size=3).map(tuple),
        op=st.sampled_from(["is", "is not", "starts"]),
        fold=st.booleans(),
    )


def questions() -> st.SearchStrategy[Series]:
    """Make questions over the span, in steps or not, split by up to two columns."""
    return st.builds(
        Series,
        measures=st.lists(st.sampled_from(OF_REQUESTS), min_size=1, max_size=4).map(tuple),
        start=st.sampled_from([0, 0, 1, 59_999_999, 60_000_000]).map(lambda us: NOW + timedelta(microseconds=us)),
        end=st.sampled_from([0, 0, -1, -60_000_001]).map(lambda us: NOW + timedelta(seconds=SPAN_S, microseconds=us)),
        step_s=st.sampled_from([None, 1, 60, 61, 900, SPAN_S, 10 * SPAN_S]),
        by=st.lists(st.sampled_from([*rollups()["requests"].by, *COLUMNS]), max_size=2, unique=True).map(tuple),
        where=st.lists(conditions(), max_size=2).map(tuple),
    )


# --- the same by hand ---


def text(fact: Any, column: str) -> str:
    """Return a column as the text that splits and conditions compare."""
    name, _, key = column.partition(".")
    value = getattr(fact, name)
    if key:
        return str(value.get(key, ""))
    if value is None:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def holds(fact: Any, condition: Condition) -> bool:
    """Tell whether a fact meets a condition."""
    if condition.op in {"at least", "less than"}:
        number, bound = getattr(fact, condition.column), float(condition.values[0])
        return number is not None and (number >= bound) is (condition.op == "at least")
    found = text(fact, condition.column)
    values = list(condition.values)
    if condition.fold:
        found, values = found.lower(), [value.lower() for value in values]
    if condition.op == "starts":
        return any(found.startswith(value) for value in values)
    return (found in values) is (condition.op == "is")


def measured(facts: list[Any], name: str) -> float | None:
    """Compute a measure over facts."""
    measure = MEASURES[name]
    if measure.ratio:
        over, under = (measured(facts, part) for part in measure.ratio)
        return over / under if under and over is not None else None
    listed = {key: value if isinstance(value, list) else [value] for key, value in measure.where.items()}
    barred = {key: value if isinstance(value, list) else [value] for key, value in measure.unless.items()}
    facts = [fact for fact in facts if all(getattr(fact, key) in values for key, values in listed.items())]
    facts = [fact for fact in facts if all(getattr(fact, key) not in values for key, values in barred.items())]
    if measure.agg == "count":
        return len(facts)
    values = [value for fact in facts if (value := getattr(fact, measure.column)) is not None]
    if measure.agg == "distinct":
        return len(set(values) - {""})
    if not values:
        return None
    if measure.share is not None:
        return percentile(sorted(values), measure.share)
    return {"sum": sum(values), "avg": sum(values) / len(values), "min": min(values), "max": max(values)}[measure.agg]


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies; between two of them, the part of the way."""
    place = share * (len(values) - 1)
    low, high = math.floor(place), math.ceil(place)
    return float(values[low] + (values[high] - values[low]) * (place - low))


def by_hand(facts: list[Any], question: Series) -> dict[tuple[Any, ...], list[float | None]]:
    """Answer a question by going through the facts one by one."""
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for fact in facts:
        if not question.start <= fact.happened_at < question.end:
            continue
        if not all(holds(fact, condition) for condition in question.where):
            continue
        step = 0
        if question.step_s is not None:
            step = (fact.happened_at - question.start) // timedelta(seconds=question.step_s)
        groups[(step, *(text(fact, column) for column in question.by))].append(fact)
    return {key: [measured(those, name) for name in question.measures] for key, those in groups.items()}


def same(found: float | None, expected: float | None) -> bool:
    """Compare two values; no value is not zero."""
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-12)


@on_every_store(150, facts=st.lists(requests(), max_size=25), question=questions())
def test_a_planned_answer_is_what_counting_by_hand_gives(store: Store, facts: list[Request], question: Series) -> None:
    """Whatever the facts, the measures, splits, steps and conditions."""
    empty(store, "requests")
    if facts:
        append(store, {"requests": facts}, "p", 1)
    rows = store.answer(planner(store).plan(question))
    splits = 1 + len(question.by)
    found = {row[:splits]: list(row[splits:]) for row in rows}
    expected = by_hand(facts, question)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert all(map(same, found[key], values)), (key, found[key], values)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


ROLLED = Series(
    measures=("requests.count", "requests.failure_rate", "requests.duration_avg", "requests.duration_max"),
    start=NOW + timedelta(seconds=1),
    end=NOW + timedelta(seconds=SPAN_S - 1),
    by=("operation", "status"),
)


@on_every_store(
    80,
    batches=st.lists(st.lists(requests(), min_size=1, max_size=8), max_size=4),
    step=st.sampled_from(["", "minute", "hour", "day"]),
    is_gathered=st.booleans(),
)
def test_a_rollup_gives_what_the_facts_give(
    store: Store, batches: list[list[Request]], step: Any, is_gathered: bool
) -> None:
    """However they came in, its rows brought together or not, and whatever stands beside whole minutes."""
    empty(store, "requests")
    for facts in batches:
        append(store, {"requests": facts})
    if is_gathered:
        store._gather("requests")
    question = msgspec.structs.replace(ROLLED, step=step)
    plan = planner(store).plan(question)
    of_facts = planner(store).plan(
        msgspec.structs.replace(question, measures=(*question.measures, "requests.duration_p95"))
    )
    assert ("requests_by_minute" in plan.sql, "requests_by_minute" in of_facts.sql) == (True, False)
    found = store.answer(plan)
    expected = [row[:-1] for row in store.answer(of_facts)]
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert all(map(same, ours[3:], theirs[3:])), (ours, theirs)


@on_every_store(100, facts=st.lists(samples(), max_size=25), question=questions_of_samples())
def test_what_was_not_measured_is_neither_zero_nor_a_value(store: Store, facts: list[Sample], question: Series) -> None:
    """Averages, percentiles, distinct counts and comparisons pass over it."""
    empty(store, "samples")
    if facts:
        append(store, {"samples": facts}, "p", 1)
    splits = 1 + len(question.by)
    found = {row[:splits]: list(row[splits:]) for row in store.answer(planner(store).plan(question))}
    expected = by_hand(facts, question)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert all(map(same, found[key], values)), (key, found[key], values)


@on_every_store(
    80, facts=st.lists(requests(), max_size=25), question=questions(), most=st.integers(1, 3), others=st.booleans()
)
def test_the_top_stands_alone_and_the_rest_together(
    store: Store, facts: list[Request], question: Series, most: int, others: bool
) -> None:
    """By the first measure over the whole span; what is in no split has none, and percentiles stay right."""
    empty(store, "requests")
    if facts:
        append(store, {"requests": facts}, "p", 1)
    by = question.by or ("operation",)
    question = msgspec.structs.replace(question, by=by, top=Top(most=most, others=others))
    whole = by_hand(facts, msgspec.structs.replace(question, step_s=None))
    ranked = sorted(whole, key=lambda key: (whole[key][0] is None, -(whole[key][0] or 0), key))
    best = {key[1:] for key in ranked[:most]}
    rows = store.answer(planner(store).plan(question))
    found = {row[: 1 + len(by)]: list(row[1 + len(by) :]) for row in rows}
    expected = by_hand([fact for fact in facts if splits_of(fact, by) in best], question)
    rest = by_hand(
        [fact for fact in facts if splits_of(fact, by) not in best], msgspec.structs.replace(question, by=())
    )
    if others:
        expected |= {(key[0], *(None for _ in by)): values for key, values in rest.items()}
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert all(map(same, found[key], values)), (key, found[key], values)


def splits_of(fact: Any, by: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values by which a fact is split."""
    return tuple(text(fact, column) for column in by)


@pytest.mark.parametrize(
    ("step", "zone", "moment", "expected"),
    [
        ("hour", "UTC", "2026-11-21T12:59:59Z", "2026-11-21T12:00:00Z"),
        ("day", "UTC", "2026-11-21T23:59:59Z", "2026-11-21T00:00:00Z"),
        ("day", "Europe/Zagreb", "2026-11-21T23:30:00Z", "2026-11-21T23:00:00Z"),
        ("day", "America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z"),
        ("day", "America/New_York", "2026-11-02T12:00:00Z", "2026-11-02T05:00:00Z"),
        ("hour", "Europe/Zagreb", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z"),
        ("hour", "Europe/Zagreb", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z"),
        ("hour", "Asia/Kathmandu", "2026-11-21T12:20:00Z", "2026-11-21T12:15:00Z"),
        ("week", "UTC", "2026-11-21T12:00:00Z", "2026-11-16T00:00:00Z"),
        ("week from sunday", "UTC", "2026-11-21T12:00:00Z", "2026-11-15T00:00:00Z"),
        ("week from saturday", "UTC", "2026-11-21T12:00:00Z", "2026-11-21T00:00:00Z"),
        ("week from saturday", "Europe/Zagreb", "2026-11-20T23:30:00Z", "2026-11-20T23:00:00Z"),
        ("month", "Europe/Zagreb", "2026-10-31T23:30:00Z", "2026-10-31T23:00:00Z"),
        ("quarter", "UTC", "2026-11-21T12:00:00Z", "2026-10-01T00:00:00Z"),
        ("year", "Asia/Tokyo", "2026-12-31T15:00:00Z", "2026-12-31T15:00:00Z"),
    ],
)
def test_a_step_of_the_calendar_begins_where_it_does_on_the_wall(
    store: Store, step: Any, zone: str, moment: str, expected: str
) -> None:
    """Days of 23 and 25 hours, hours that come twice, zones of quarter hours, weeks of three kinds."""
    empty(store, "requests")
    at = datetime.fromisoformat(moment)
    fact = Request(happened_at=at, resource="r", service="s", operation="o", status=200, status_class="2xx")
    append(store, {"requests": [fact]}, "p", 1)
    question = Series(
        measures=("requests.count",),
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2027, 6, 1, tzinfo=UTC),
        step=step,
        zone=zone,
    )
    ((value, count),) = store.answer(planner(store).plan(question))
    assert (beginning(step, zone, value), count) == (datetime.fromisoformat(expected), 1)


@on_every_store(
    60,
    hours=st.lists(st.integers(0, 24 * 366), min_size=1, max_size=20),
    zone=st.sampled_from(["UTC", "Europe/Zagreb", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    step=st.sampled_from(["day", "week from sunday", "month"]),
)
def test_days_weeks_and_months_are_those_of_the_place(store: Store, hours: list[int], zone: str, step: Any) -> None:
    """As its own clock says, through a whole year with its changes."""
    empty(store, "requests")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(hours=hour, minutes=30) for hour in hours]
    append(
        store,
        {
            "requests": [
                Request(happened_at=at, resource="r", service="s", operation="o", status=200, status_class="2xx")
                for at in moments
            ]
        },
        "p",
        1,
    )
    question = Series(measures=("requests.count",), start=start, end=start + timedelta(days=367), step=step, zone=zone)
    found = {beginning(step, zone, row[0]): row[1] for row in store.answer(planner(store).plan(question))}
    place = ZoneInfo(zone)
    expected: dict[datetime, int] = defaultdict(int)
    for at in moments:
        date = at.astimezone(place).date()
        if step == "month":
            date = date.replace(day=1)
        elif step == "week from sunday":
            date -= timedelta(days=(date.weekday() + 1) % 7)
        expected[datetime(date.year, date.month, date.day, tzinfo=place).astimezone(UTC)] += 1
    assert found == expected


@pytest.mark.parametrize("zone", ["Middle/Earth", "", "../../etc/passwd", "Europe", "x" * 1000, "\0"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """With an example of one."""
    with pytest.raises(InvalidError, match="Europe/Zagreb"):
        PLANNER.plan(Series(measures=("requests.count",), start=NOW, end=NOW, step="day", zone=zone))


def test_the_samples_of_telephony_give_the_published_ratios(store: Store) -> None:
    """72 attempts, 54 that rang, 34 answered: answer rate 47.22 %, answer seizure ratio 62.96 %, and the rest."""
    empty(store, "calls")
    kinds: list[tuple[int, dict[str, Any]]] = [
        (34, {"seized": True, "answered": True, "outcome": "answered", "sip_code": 200}),
        (13, {"seized": True, "outcome": "no answer", "sip_code": 480}),
        (7, {"seized": True, "outcome": "no answer", "sip_code": 487}),
        (5, {"outcome": "rejected", "sip_code": 403}),
        (9, {"outcome": "unavailable", "sip_code": 503}),
        (4, {"outcome": "bad number", "sip_code": 404}),
    ]
    calls = [
        Call(happened_at=NOW, resource="r", leg_id=f"{place}-{number}", direction="outbound", **given)
        for place, (count, given) in enumerate(kinds)
        for number in range(count)
    ]
    calls.append(Call(happened_at=NOW, resource="r", leg_id="in", direction="inbound", seized=True, answered=True))
    append(store, {"calls": calls}, "p", 1)
    wanted = {
        "calls.count": 73,
        "calls.attempted": 72,
        "calls.received": 1,
        "calls.seized": 54,
        "calls.answered": 35,
        "calls.answer_rate": 0.4722,
        "calls.answer_seizure_ratio": 0.6296,
        "calls.session_effectiveness": 0.6528,
        "calls.ineffective_rate": 0.125,
        "calls.network_effectiveness": 0.8194,
    }
    question = Series(measures=tuple(wanted), start=NOW, end=NOW + timedelta(days=1))
    ((_, *values),) = store.answer(planner(store).plan(question))
    assert [round(value, 4) for value in values] == list(wanted.values())


def test_rows_are_the_facts_themselves_in_order(store: Store) -> None:
    """A page at a time, and without what is nobody's business."""
    empty(store, "calls")
    calls = [
        Call(happened_at=NOW + timedelta(seconds=n), resource="r", leg_id=f"l{n}", call_id="c", mos=4.0 - n)
        for n in (2, 0, 1)
    ]
    calls.append(Call(happened_at=NOW, resource="r", leg_id="x", call_id="y", foreign_ids={"before": "c"}))
    append(store, {"calls": calls}, "p", 1)
    span = {"start": NOW, "end": NOW + timedelta(days=1)}

    def legs(**given: Any) -> list[str]:
        plan = planner(store).rows(Rows(fact="calls", **span, **given))
        return [row[2] for row in store.answer(plan)]

    assert legs() == ["l0", "x", "l1", "l2"]
    assert legs(newest_first=True, limit=2) == ["l2", "l1"]
    assert legs(limit=2, skip=2) == ["l1", "l2"]
    assert legs(where=(Condition(column="mos", values=("3",), op="at least"),)) == ["l0", "l1"]
    assert "older" not in PLANNER.rows(Rows(fact="calls", **span)).sql
    with pytest.raises(InvalidError, match="nearest are calls"):
        PLANNER.rows(Rows(fact="call", **span))


@pytest.mark.parametrize("op", ["is", "starts"])
@pytest.mark.parametrize("word", ["SendChatMessage", "SENDCHATMESSAGE", "sendchatmessage"])
def test_a_folded_condition_takes_a_word_in_any_case(store: Store, op: Any, word: str) -> None:
    """Whether the fact or the question has the capitals."""
    empty(store, "requests")
    fact = Request(
        happened_at=NOW, resource="r", service="s", operation="sendChatMESSAGE", status=200, status_class="2xx"
    )
    append(store, {"requests": [fact]}, "p", 1)
    for fold, found in ((True, [(0, 1)]), (False, [])):
        where = (Condition(column="operation", values=(word,), op=op, fold=fold),)
        question = Series(measures=("requests.count",), start=NOW, end=NOW + timedelta(days=1), where=where)
        assert store.answer(planner(store).plan(question)) == found


@settings(max_examples=100, deadline=None)
@given(question=questions(), junk=st.text(min_size=1))
def test_no_value_of_a_question_stands_in_the_statement(question: Series, junk: str) -> None:
    """Values and keys are bound: the statement has as many marks as there are, and only words of the catalogue."""
    condition = Condition(column="operation", values=(junk,))
    plan = PLANNER.plan(
        Series(
            measures=question.measures,
            start=NOW,
            end=NOW,
            step_s=60,
            by=question.by,
            where=(*question.where, condition),
        )
    )
    assert plan.sql.count("?") == len(plan.bound)
    assert plan.bound[-1] == junk
    literals = set(re.findall(r"'([^']*)'", plan.sql))
    assert literals <= {""}
    assert "country" not in plan.sql


@pytest.mark.parametrize(
    "column", ["Operation", "x", "status; DROP TABLE requests", "happened_at", "extra", "extra.", "status.x", ".", ""]
)
def test_a_column_that_is_none_is_refused_wherever_it_stands(column: str) -> None:
    """As a split and in a condition, even in one without values."""
    series = {"measures": ("requests.count",), "start": NOW, "end": NOW}
    for question in (
        Series(**series, by=(column,)),  # type: ignore[arg-type]
        Series(**series, where=(Condition(column=column, values=("a",)),)),  # type: ignore[arg-type]
        Series(**series, where=(Condition(column=column, values=()),)),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidError, match="have no column"):
            PLANNER.plan(question)


def test_the_nearest_names_are_told() -> None:
    """A misspelt measure or column names what was probably meant."""
    with pytest.raises(InvalidError, match=r"no measure 'request.count'; the nearest are requests.count"):
        PLANNER.plan(Series(measures=("request.count",), start=NOW, end=NOW))
    with pytest.raises(InvalidError, match=r"requests have no column 'statusclass'; the nearest are status_class"):
        PLANNER.plan(Series(measures=("requests.count",), start=NOW, end=NOW, by=("statusclass",)))


def test_a_question_needs_measures_of_one_fact() -> None:
    """None is too few, and of two facts there is no common table."""
    for measures in ((), ("requests.count", "attempts.count")):
        with pytest.raises(InvalidError):
            PLANNER.plan(Series(measures=measures, start=NOW, end=NOW))


@pytest.mark.parametrize("step_s", [0, -1, 10**18])
def test_a_step_that_is_none_is_refused(step_s: int) -> None:
    """Rather than divided by."""
    with pytest.raises(InvalidError, match="step"):
        PLANNER.plan(Series(measures=("requests.count",), start=NOW, end=NOW, step_s=step_s))


def test_steps_are_counted_from_the_start_of_the_question(store: Store) -> None:
    """Not from the full minute or hour: a question that starts at 12:00:30 has steps that do."""
    empty(store, "requests")
    moments = [NOW + timedelta(seconds=seconds) for seconds in (29, 30, 89, 90)]
    facts = [
        Request(happened_at=at, resource="r", service="s", operation="o", status=200, status_class="2xx")
        for at in moments
    ]
    append(store, {"requests": facts}, "p", 1)
    start = NOW + timedelta(seconds=30)
    question = Series(measures=("requests.count",), start=start, end=start + timedelta(seconds=61), step_s=60)
    assert store.answer(planner(store).plan(question)) == [(0, 2), (1, 1)]


@pytest.mark.parametrize(
    "start", [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
)
def test_a_question_may_start_before_all_clocks(store: Store, start: datetime) -> None:
    """Years before 1970 count as exactly as those after."""
    empty(store, "requests")
    fact = Request(happened_at=NOW, resource="r", service="s", operation="o", status=200, status_class="2xx")
    append(store, {"requests": [fact]}, "p", 1)
    question = Series(measures=("requests.count",), start=start, end=NOW + timedelta(days=1), step_s=7)
    assert store.answer(planner(store).plan(question)) == [((NOW - start) // timedelta(seconds=7), 1)]


def test_every_measure_of_the_catalogue_can_be_asked(store: Store) -> None:
    """Split by every column that its fact has."""
    after = datetime(2100, 1, 1, tzinfo=UTC)
    for name, measure in load().measures.items():
        table = load().measures[measure.ratio[0]].source if measure.ratio else measure.source
        columns = [
            column.name
            for column in tables()[table].values()
            if not column.is_map and not column.is_inner and column.of is not datetime
        ]
        assert kind_of(table).table == table
        plan = planner(store).plan(
            Series(measures=(name,), start=after, end=after + timedelta(days=1), step_s=60, by=tuple(columns))
        )
        assert isinstance(plan, Plan)
        assert store.answer(plan) == []
