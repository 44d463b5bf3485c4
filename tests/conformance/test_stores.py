"""One suite for every fact store: the data tells its own totals, and every store must find them."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from tests.support.clickhouse import Served
from tests.support.stores import STORES, Place, empty
from tests.support.world import World
from tests.telemetry.batched import append
from trunkline.catalogue.columns import columns, kind_of
from trunkline.catalogue.facts import KINDS, Call, LogLine, Message, Request, Sample
from trunkline.catalogue.load import load
from trunkline.errors import UnavailableError
from trunkline.telemetry.batches import batch, facts_of, schema
from trunkline.telemetry.finding import found
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Condition, Rows, Series, Top
from trunkline.telemetry.records import whole
from trunkline.telemetry.store import Store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ENDS = {"start": NOW - 40 * DAY, "end": NOW + DAY}
OUTCOMES = ("answered", "busy", "no answer", "rejected")
COUNTRIES = ("DE", "FR", "HR", "")


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path, clickhouse: Callable[[], Served]) -> Place:
    """Name a place for each store, which is the test's own."""
    return Place(request.param, tmp_path, clickhouse)


def put(store: Store, table: str, facts: list[Any], number: int = 1) -> None:
    """Bring facts in as the loader does: pieces of records become whole."""
    rows, known = whole(store, table, batch(kind_of(table), facts))
    store.append({table: rows}, {"p": number}, {table: known} if known is not None else {})


def asked(store: Store, *measures: str, **given: Any) -> dict[tuple[Any, ...], list[Any]]:
    """Ask a question; the answer by its splits."""
    question = Series(measures=measures, **{**ENDS, **given})
    rows = store.answer(Planner(load().measures, store.dialect).plan(question))
    splits = len(question.by)
    return {row[1 : 1 + splits]: list(row[1 + splits :]) for row in rows}


def calls_and_totals(count: int) -> tuple[list[Call], dict[str, dict[str, float]]]:
    """Make calls, a third of them in three pieces, and what they come to by country."""
    chance = random.Random(20261121)
    pieces: list[Call] = []
    totals: dict[str, dict[str, float]] = {}
    for number in range(count):
        at = NOW - timedelta(seconds=chance.randrange(30 * 86_400))
        outcome, country = chance.choice(OUTCOMES), chance.choice(COUNTRIES)
        talk_ms = float(chance.randrange(1000, 100_000)) if outcome == "answered" else None
        mine = totals.setdefault(country, {"count": 0, "answered": 0, "talk_ms": 0.0})
        mine["count"] += 1
        mine["answered"] += outcome == "answered"
        mine["talk_ms"] += talk_ms or 0.0
        first = Call(
            happened_at=at,
            resource="r",
            leg_id=f"leg-{number}",
            direction="outbound",
            country=country,
            sender="user-1",
            revised_at=at,
        )
        told: dict[str, Any] = {"outcome": outcome, "answered": outcome == "answered", "talk_ms": talk_ms}
        if number % 3:
            pieces.append(msgspec.structs.replace(first, **told))
            continue
        late = msgspec.structs.replace(first, happened_at=at + timedelta(seconds=9), revised_at=at + timedelta(hours=1))
        pieces += [first, msgspec.structs.replace(late, **told), first]  # the first one twice
    chance.shuffle(pieces)
    return pieces, totals


def test_a_store_finds_the_totals_that_its_calls_were_made_with(store: Any) -> None:
    """Pieces in any order, late and twice; by country, and the answer is the same as rows and as a table."""
    empty(store, "calls")
    pieces, totals = calls_and_totals(300)
    for number, start in enumerate(range(0, len(pieces), 60), 1):
        put(store, "calls", pieces[start : start + 60], number)
    measures = ("calls.count", "calls.answered", "calls.duration_total", "calls.duration_avg")
    answer = asked(store, *measures, by=("country",))
    assert answer.keys() == {(country,) for country in totals}
    for (country,), (count, answered, talk_ms, average) in answer.items():
        expected = totals[country]
        assert (count, answered) == (expected["count"], expected["answered"])
        assert math.isclose(talk_ms, expected["talk_ms"])
        assert math.isclose(average, expected["talk_ms"] / expected["answered"])
    assert store.answer(Plan("SELECT count(*) FROM calls")) == [(300,)]
    question = Series(measures=measures, by=("country",), **ENDS)
    table = store.table(Planner(load().measures, store.dialect).plan(question))
    assert [str(kind) for kind in table.schema.types[2:]] == ["int64", "int64", "double", "double"]
    assert table.column(1).type == pa.string()
    assert dict(zip(table.column(1).to_pylist(), table.column(2).to_pylist(), strict=True)) == {
        country: expected["count"] for country, expected in totals.items()
    }


def test_a_rollup_and_its_facts_tell_the_same_totals(store: Any) -> None:
    """Whether they were brought together or not."""
    empty(store, "requests")
    chance = random.Random(7)
    expected: dict[tuple[str, ...], int] = {}
    for number in range(1, 6):
        facts = []
        for _ in range(200):
            operation, status = chance.choice("abc"), chance.choice([200, 404])
            at = NOW - timedelta(seconds=chance.randrange(7200))
            key = (operation, str(status))
            expected[key] = expected.get(key, 0) + 1
            facts.append(
                Request(
                    happened_at=at,
                    resource="r",
                    service="s",
                    operation=operation,
                    status=status,
                    status_class=f"{status // 100}xx",
                    duration_ms=1.5,
                )
            )
        put(store, "requests", facts, number)
        if number == 3:
            store._gather("requests")
    for measures in (("requests.count",), ("requests.count", "requests.duration_p50")):
        answer = asked(store, *measures, by=("operation", "status"))
        assert {key: values[0] for key, values in answer.items()} == expected
    best = asked(store, "requests.count", by=("operation",), top=Top(most=1))
    assert sum(values[0] for values in best.values()) == 1000
    assert len(best) == 2


def test_every_column_of_every_fact_comes_back_as_it_went_in(store: Any) -> None:
    """Moments to the microsecond, maps, nothing where there is nothing, texts of all kinds."""
    nasty = "Ä'\"\\\t\n?{p1:String}\0%_\U0001f642"
    facts: dict[str, list[Any]] = {
        "calls": [
            Call(
                happened_at=NOW + timedelta(microseconds=1),
                resource=nasty,
                leg_id="l",
                foreign_ids={"x": nasty, "": ""},
                talk_ms=0.1,
                seized=False,
                ended_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
                older={"a": "b"},
            )
        ],
        "samples": [Sample(happened_at=NOW, resource="r", call_id="c", packets_lost=2**62, mos=None)],
        "messages": [Message(happened_at=NOW, resource="r", message_id="m", recipient=nasty, segments=3)],
    }
    for table in facts:
        empty(store, table)
    append(store, facts)
    for table, those in facts.items():
        kind = kind_of(table)
        names = ", ".join(schema(kind).names)
        rows = store.table(Plan(f"SELECT {names} FROM {table}"))  # noqa: S608 - names only
        assert facts_of(kind, rows.cast(schema(kind))) == those
    where = (Condition(column="resource", values=(nasty,)),)
    assert asked(store, "calls.count", where=where) == {(): [1]}
    where = (Condition(column="talk_ms", values=("0.1",)), Condition(column="foreign_ids.x", values=(nasty,)))
    assert asked(store, "calls.count", where=where) == {(): [1]}


def test_nothing_is_neither_zero_nor_an_error(store: Any) -> None:
    """Of no rows there is no sum, no average, no least; and many or none are counted."""
    empty(store, "calls")
    assert asked(store, "calls.count") == {}
    append(store, {"calls": [Call(happened_at=NOW, resource="r", leg_id="l")]})
    measures = ("calls.count", "calls.answered", "calls.duration_total", "calls.duration_avg", "calls.ring_p95")
    assert asked(store, *measures, "calls.answer_rate") == {(): [1, 0, None, None, None, None]}


def test_large_whole_numbers_are_summed_as_they_are(store: Any) -> None:
    """Beyond what 64 bits hold."""
    empty(store, "samples")
    samples = [Sample(happened_at=NOW, resource="r", call_id="c", packets_lost=2**62) for _ in range(5)]
    append(store, {"samples": samples})
    ((total,),) = asked(store, "samples.packets_lost").values()
    assert total == 5.0 * 2**62


def test_the_last_value_is_the_latest_that_is_known(store: Any) -> None:
    """Whatever the order in which readings came, and what they leave out."""
    empty(store, "samples")
    values = ((3, 30.0), (1, 10.0), (4, None), (2, 20.0))
    samples = [
        Sample(happened_at=NOW + timedelta(seconds=second), resource="r", call_id="c", total_jitter_avg_ms=value)
        for second, value in values
    ]
    put(store, "samples", [*samples, Sample(happened_at=NOW, resource="r", call_id="d", jitter_ms=1.0)])
    answer = asked(store, "samples.total_jitter_avg", by=("call_id",))
    assert answer == {("c",): [30.0], ("d",): [None]}


def test_calls_are_found_by_their_tags(store: Any) -> None:
    """An empty text stands by what no longer is, so it counts as none."""
    empty(store, "calls")
    tags: list[dict[str, str]] = [{}, {"silence": ""}, {"silence": "yes"}, {"high jitter": "{}", "silence": "no"}]
    calls = [Call(happened_at=NOW, resource="r", leg_id=str(number), tags=those) for number, those in enumerate(tags)]
    put(store, "calls", calls)

    def found_by(op: Any, *values: str, column: str = "tags.silence") -> list[Any]:
        return asked(store, "calls.count", where=(Condition(column=column, op=op, values=values),)).get((), [0])

    assert found_by("is not", "") == [2]
    assert found_by("is", "") == [2]
    assert found_by("is", "yes", "no", "neither") == [2]
    assert found_by("is not", "yes", "no") == [2]
    assert found_by("is not", "", column="tags.high jitter") == [1]
    answer = asked(store, "calls.count", by=("tags.silence",))
    assert answer == {("",): [2], ("yes",): [1], ("no",): [1]}


def test_a_number_as_text_reads_the_same_everywhere(store: Any) -> None:
    """Whether it is whole, a fraction or nothing."""
    empty(store, "samples")
    given = [None, 0.0, 3.0, 1.5, 0.25, 120000.0]
    append(store, {"samples": [Sample(happened_at=NOW, resource="r", call_id="c", rtt_ms=value) for value in given]})
    answer = asked(store, "samples.count", by=("rtt_ms",))
    assert sorted(key for (key,) in answer) == ["", "0.0", "0.25", "1.5", "120000.0", "3.0"]


def test_a_line_of_a_log_is_found_by_every_id_in_it(store: Any) -> None:
    """Also by those of other systems."""
    empty(store, "log_lines")
    names = [name for name, column in columns(LogLine).items() if column.is_id]
    line = LogLine(
        happened_at=NOW,
        resource="r",
        foreign_ids={"leg": "leg-7"},
        text="x",
        **{name: f"line {name}" for name in names},
    )
    put(store, "log_lines", [line, LogLine(happened_at=NOW, resource="r", text="x", call_id="line other")])
    planner = Planner(load().measures, store.dialect)
    assert len(names) > 8
    for wanted in (*(f"line {name}" for name in names), "leg-7"):
        rows = found(store, planner, Rows(fact="log_lines", id=wanted, limit=9, **ENDS))
        assert len(rows) == 1, wanted


def test_a_batch_is_there_whole_with_its_numbers_or_not_at_all(place: Place) -> None:
    """And it is there still after closing and opening."""
    with place.opened() as store:
        append(store, {"calls": [Call(happened_at=NOW, resource="r", leg_id="a")]}, "p", 7)
        with pytest.raises(KeyError):
            store.append(
                {"calls": batch(Call, [Call(happened_at=NOW, resource="r", leg_id="b")]), "nonsense": pa.table({})},
                {"p": 8},
            )
        store.append({}, {"q": 3, "r": 4})
        assert [store.loaded(source) for source in ("p", "q", "r", "s")] == [7, 3, 4, 0]
    with place.opened() as store:
        assert [store.loaded(source) for source in ("p", "q", "r", "s")] == [7, 3, 4, 0]
        assert store.answer(Plan("SELECT leg_id FROM calls")) == [("a",)]
        for kind in KINDS:
            assert store.answer(Plan(f"SELECT count(*) FROM {kind.table}")) == [(int(kind is Call),)]  # noqa: S608
    with pytest.raises(UnavailableError):
        store.answer(Plan("SELECT 1"))


def test_a_question_sees_one_row_a_record_at_any_time(place: Place) -> None:
    """While piece after piece makes it anew, even as it moves to an earlier day."""
    done = threading.Event()
    seen: set[tuple[int, int]] = set()
    with place.opened() as store:
        put(store, "calls", [Call(happened_at=NOW, resource="r", leg_id=str(n), revised_at=NOW) for n in range(5)])

        def look() -> None:
            while not done.is_set():
                seen.update(store.answer(Plan("SELECT count(*), count(DISTINCT leg_id) FROM calls")))

        with ThreadPoolExecutor(2) as pool:
            looking = [pool.submit(look) for _ in range(2)]
            for step in range(1, 7):
                at = NOW - timedelta(hours=10 * step)
                revised = NOW + timedelta(hours=step)
                piece = [
                    Call(happened_at=at, resource="r", leg_id=str(n), mos=float(step % 5), revised_at=revised)
                    for n in range(5)
                ]
                put(store, "calls", piece, step + 1)
            done.set()
            for one in looking:
                one.result()
        assert seen == {(5, 5)}
        assert store.answer(Plan("SELECT DISTINCT mos FROM calls")) == [(1.0,)]


def test_what_is_forgotten_is_gone_with_all_that_was_made_of_it(store: Any) -> None:
    """Facts, rollup and ids, to the minute; what came after stays."""
    empty(store, "requests")
    store.forget("requests", NOW + DAY)
    moments = [NOW - 70 * DAY, NOW - DAY, NOW, NOW + timedelta(minutes=1)]
    append(
        store,
        {
            "requests": [
                Request(
                    happened_at=at,
                    resource="r",
                    service="s",
                    operation="o",
                    status=200,
                    status_class="2xx",
                    ms_cv=f"forgotten-{n}",
                )
                for n, at in enumerate(moments)
            ]
        },
    )
    store.forget("requests", NOW + timedelta(seconds=30))
    wide = {"start": NOW - 90 * DAY}
    assert asked(store, "requests.count", **wide) == {(): [2]}
    assert asked(store, "requests.count", "requests.duration_p50", **wide) == {(): [2, 0.0]}
    assert [len(spans) for spans in store.spans([f"forgotten-{n}" for n in range(4)]).values()] == [0, 0, 1, 1]
    planner = Planner(load().measures, store.dialect)
    rows = found(store, planner, Rows(fact="requests", id="forgotten-3", **ENDS))
    assert len(rows) == 1


def test_a_server_answers_alike_whichever_store_its_setting_names(
    place: Place, make_world: Callable[..., World]
) -> None:
    """The setting is all: what was served is in Azure's metrics, what was posted is found, and both stay."""
    world = make_world(facts=place.setting, api_key="k" * 40)
    world.user()
    now = world.clock.now()
    at = now.isoformat()
    lines = [{"happened_at": at, "leg_id": "l1", "outcome": "busy"}, {"happened_at": at, "leg_id": "l1", "mos": 4.5}]
    posted = world.call("POST", "/api/v1/calls", json=lines, token="k" * 40)
    assert (posted.status, posted.json["accepted"]) == (200, 2), posted.body
    span = {"start": (now - DAY).isoformat(), "end": (now + DAY).isoformat()}
    for _ in range(2):
        rows = world.call("POST", "/api/v1/facts", json={"fact": "calls", "id": "l1", **span}, token="k" * 40)
        assert [(row["outcome"], row["mos"]) for row in rows.json["rows"]] == [("busy", 4.5)], rows.body
        question = {"measures": ["requests.count"], "by": ["operation"], "where": [], **span}
        answer = world.call("POST", "/api/v1/ask", json=question, token="k" * 40)
        assert "CreateUser" in answer.body.decode() or "Identity" in answer.body.decode(), answer.body
        world.restart()
    assert (world.folder / "facts.duckdb").exists() is (place.kind == "duckdb")
