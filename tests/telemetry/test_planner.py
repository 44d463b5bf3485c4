"""The planner: one question, one statement, and the same answer as counting by hand."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.catalogue.facts import Attempt, Request
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Measure
from trunkline.errors import InvalidError
from trunkline.telemetry.planner import Plan, Planner
from trunkline.telemetry.questions import Condition, Series
from trunkline.telemetry.stores.duckdb import DuckDBStore

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
}
OF_REQUESTS = sorted(name for name in MEASURES if name.startswith("requests."))
PLANNER = Planner(MEASURES)
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
        start=st.just(NOW),
        end=st.just(NOW + timedelta(seconds=SPAN_S)),
        step_s=st.sampled_from([None, 1, 60, 61, 900, SPAN_S, 10 * SPAN_S]),
        by=st.lists(st.sampled_from(COLUMNS), max_size=2, unique=True).map(tuple),
        where=st.lists(conditions(), max_size=2).map(tuple),
    )


# --- the same by hand ---


def text(fact: Any, column: str) -> str:
    """Return a column as the text that splits and conditions compare."""
    name, _, key = column.partition(".")
    value = getattr(fact, name)
    if key:
        return str(value.get(key, ""))
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def holds(fact: Any, condition: Condition) -> bool:
    """Tell whether a fact meets a condition."""
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
    wanted = {key: value if isinstance(value, list) else [value] for key, value in measure.where.items()}
    facts = [fact for fact in facts if all(getattr(fact, key) in values for key, values in wanted.items())]
    if measure.agg == "count":
        return len(facts)
    values = [getattr(fact, measure.column) for fact in facts]
    if not values:
        return None
    return {"sum": sum(values), "avg": sum(values) / len(values), "min": min(values), "max": max(values)}[measure.agg]


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


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBStore]:
    """Open a store that the examples of a property share."""
    opened = DuckDBStore(tmp_path_factory.mktemp("facts") / "facts.duckdb")
    yield opened
    opened.close()


@settings(max_examples=150, deadline=None)
@given(facts=st.lists(requests(), max_size=25), question=questions())
def test_a_planned_answer_is_what_counting_by_hand_gives(
    store: DuckDBStore, facts: list[Request], question: Series
) -> None:
    """Whatever the facts, the measures, splits, steps and conditions."""
    store._writer.execute("DELETE FROM requests")
    if facts:
        store.append({"requests": facts}, "p", 1)
    rows = store.answer(PLANNER.plan(question))
    splits = 1 + len(question.by)
    found = {row[:splits]: list(row[splits:]) for row in rows}
    expected = by_hand(facts, question)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert all(map(same, found[key], values)), (key, found[key], values)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


@pytest.mark.parametrize("op", ["is", "starts"])
@pytest.mark.parametrize("word", ["SendChatMessage", "SENDCHATMESSAGE", "sendchatmessage"])
def test_a_folded_condition_takes_a_word_in_any_case(store: DuckDBStore, op: Any, word: str) -> None:
    """Whether the fact or the question has the capitals."""
    store._writer.execute("DELETE FROM requests")
    fact = Request(
        happened_at=NOW, resource="r", service="s", operation="sendChatMESSAGE", status=200, status_class="2xx"
    )
    store.append({"requests": [fact]}, "p", 1)
    for fold, found in ((True, [(0, 1)]), (False, [])):
        where = (Condition(column="operation", values=(word,), op=op, fold=fold),)
        question = Series(measures=("requests.count",), start=NOW, end=NOW + timedelta(days=1), where=where)
        assert store.answer(PLANNER.plan(question)) == found


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


def test_steps_are_counted_from_the_start_of_the_question(store: DuckDBStore) -> None:
    """Not from the full minute or hour: a question that starts at 12:00:30 has steps that do."""
    store._writer.execute("DELETE FROM requests")
    moments = [NOW + timedelta(seconds=seconds) for seconds in (29, 30, 89, 90)]
    facts = [
        Request(happened_at=at, resource="r", service="s", operation="o", status=200, status_class="2xx")
        for at in moments
    ]
    store.append({"requests": facts}, "p", 1)
    start = NOW + timedelta(seconds=30)
    question = Series(measures=("requests.count",), start=start, end=start + timedelta(seconds=61), step_s=60)
    assert store.answer(PLANNER.plan(question)) == [(0, 2), (1, 1)]


@pytest.mark.parametrize(
    "start", [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
)
def test_a_question_may_start_before_all_clocks(store: DuckDBStore, start: datetime) -> None:
    """Years before 1970 count as exactly as those after."""
    store._writer.execute("DELETE FROM requests")
    fact = Request(happened_at=NOW, resource="r", service="s", operation="o", status=200, status_class="2xx")
    store.append({"requests": [fact]}, "p", 1)
    question = Series(measures=("requests.count",), start=start, end=NOW + timedelta(days=1), step_s=7)
    assert store.answer(PLANNER.plan(question)) == [((NOW - start) // timedelta(seconds=7), 1)]


def test_every_measure_of_the_catalogue_can_be_asked(tmp_path: Path) -> None:
    """Split by every column that its fact has."""
    store = DuckDBStore(tmp_path / "facts.duckdb")
    kinds = {kind.table: kind for kind in (Request, Attempt)}
    for name, measure in load().measures.items():
        table = load().measures[measure.ratio[0]].source if measure.ratio else measure.source
        columns = [column for column in kinds[table].__struct_fields__ if column not in {"happened_at", "extra"}]
        plan = PLANNER.plan(
            Series(measures=(name,), start=NOW, end=NOW + timedelta(days=1), step_s=60, by=tuple(columns))
        )
        assert isinstance(plan, Plan)
        assert store.answer(plan) == []
    store.close()
