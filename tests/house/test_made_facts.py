"""The facts that benchmarks are made of: what is counted, what comes late, and what makes an answer a wrong one."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from benchmarks import peers
from benchmarks.errors import CannotMeasureError
from benchmarks.facts import A_CALL, Year
from benchmarks.ingest import bodies
from benchmarks.ingest.rivals import Rival
from benchmarks.ingest.takers import Taker
from benchmarks.load import Load, Taken
from benchmarks.query import questions
from benchmarks.rounds import Contender, Figures
from trunkline.apis.trunkline.body import Body
from trunkline.apis.trunkline.posted import Reading
from trunkline.catalogue.columns import columns, kind_of
from trunkline.catalogue.facts import Call
from trunkline.telemetry.batches import facts_of
from trunkline.telemetry.pieces import gathered

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
YEAR = Year(4000, datetime(2026, 3, 2, tzinfo=UTC))


def read(fact: str, body: bytes, kind: str = "") -> pa.Table:
    """Read a body as the API does, every row of it."""
    reading = Reading(kind_of(fact), lambda name: name or "default", NOW)
    table = reading.batch(Body(body, kind, ""))
    assert reading.rejected_total == 0
    return table


def stream(table: pa.Table) -> bytes:
    """Return a table as a stream of Arrow."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("fact", ["requests", "samples", "calls"])
def test_made_facts_are_the_same_each_time_and_all_are_taken(fact: str) -> None:
    """What the seed makes is what the API takes, row by row."""
    tables = list(YEAR.tables(fact))
    assert pa.concat_tables(tables).equals(pa.concat_tables(list(YEAR.tables(fact))))
    assert sum(len(read(fact, stream(table))) for table in tables) == sum(map(len, tables))


def test_a_tenth_of_the_calls_come_late_or_in_pieces_and_all_become_whole() -> None:
    """Put together, the pieces are the calls of the plain table."""
    came = pa.concat_tables(list(YEAR.tables("calls")))
    whole = pa.concat_tables(list(YEAR.plain_calls()))
    pieces = Counter(came.column("leg_id").to_pylist())
    assert len(pieces) == len(whole) == YEAR.rows
    late = sum(
        (known - ended).total_seconds() > 60
        for known, ended in zip(came.column("revised_at").to_pylist(), came.column("ended_at").to_pylist(), strict=True)
        if ended is not None
    )
    assert 0.08 < late / YEAR.rows < 0.12
    assert 0.03 < sum(many > 1 for many in pieces.values()) / YEAR.rows < 0.07
    found = {
        fact.leg_id: fact
        for fact in gathered(facts_of(Call, read("calls", stream(came))), ())
        if isinstance(fact, Call)
    }
    for row in whole.to_pylist():
        call = found[row["leg_id"]]
        for name in set(row) - {"ring_ms", "talk_ms", "seized", "answered", "outcome"}:
            assert getattr(call, name) == row[name], name


def test_the_samples_of_a_call_are_where_they_are_looked_for() -> None:
    """The moments of a probe are those of the table."""
    table = pa.concat_tables(list(YEAR.samples()))
    for probe in questions.samples_of_calls(YEAR, 6):
        those = table.filter(pa.compute.equal(table.column("call_id"), probe.id))
        assert tuple(those.column("happened_at").cast(pa.int64()).to_pylist()) == probe.moments
        assert len(probe.moments) == A_CALL
        with pytest.raises(CannotMeasureError, match="49 came, not 50"):
            probe.check(those.column("happened_at").to_pylist()[1:])


def test_an_id_that_is_looked_for_is_of_one_fact() -> None:
    """Requests, legs and calls, of each age."""
    tables = {fact: pa.concat_tables(list(YEAR.tables(fact))) for fact in ("requests", "calls")}
    probes = list(questions.ids(YEAR, 18))
    assert {(probe.age, probe.fact) for probe in probes} == {
        (age, fact) for age in ("second", "hour", "year") for fact in tables
    }
    for probe in probes:
        ids = [name for name in ("request_id", "leg_id", "call_id") if name in tables[probe.fact].column_names]
        rows = [row for row in tables[probe.fact].to_pylist() if probe.id in {row[name] for name in ids}]
        assert {row["happened_at"] for row in rows} == {datetime.fromtimestamp(probe.moments[0] / 1e6, UTC)}


def test_an_answer_that_is_not_the_generators_is_no_figure() -> None:
    """A count that is off by one, in ours or in both, is noticed."""
    counted = questions._counted(YEAR)
    first, _ = questions.day(YEAR)
    begun = int(first.timestamp())
    rows = [
        (begun * 1_000_000 + step * 60_000_000, operation, status, many)
        for (step, operation, status), many in sorted(counted.items())
    ]
    bare = pa.table(
        [pa.array(column) for column in zip(*rows, strict=True)], names=["at", "operation", "status", "count"]
    )
    answer = bare.set_column(2, "status", bare.column("status").cast(pa.string()))
    assert questions.check_minutes(YEAR, answer, bare) == len(rows)
    with pytest.raises(CannotMeasureError, match="not those of the bare engine"):
        questions.check_minutes(YEAR, answer.slice(1), bare)
    with pytest.raises(CannotMeasureError, match="not those of the generator"):
        questions.check_minutes(YEAR, answer.slice(1), bare.slice(1))


# --- what is posted ---


@pytest.mark.parametrize("fact", ["requests", "samples"])
def test_no_two_posts_are_the_same_and_every_row_is_taken(fact: str) -> None:
    """Ids and moments move on with each sending; a metric store is sent the same values."""
    rows = bodies.MAKERS[fact](1, 0, 20)
    marks = bodies.marks()
    seen = []
    for sending in (0, 100):
        body = bodies.json_lines(rows)
        for mark in marks:
            assert len(mark.shown(sending)) == len(mark.text)
            body = body.replace(mark.text, mark.shown(sending))
        now = datetime.now(UTC)
        reading = Reading(kind_of(fact), lambda name: name or "default", now)
        table = reading.batch(Body(body, "", ""))
        assert (len(table), reading.rejected_total) == (20, 0)
        seen.append(table)
    key = "call_id" if fact == "samples" else "request_id"
    for name in (key, "happened_at"):
        assert not set(seen[0].column(name).to_pylist()) & set(seen[1].column(name).to_pylist())
    values = {name for name in rows[0] if columns(kind_of(fact))[name].is_number and name != "status"}
    assert len(values) == bodies.values_a_row(fact)
    for form in bodies.FORMS.values():
        text = form(fact, rows)[1].decode()
        assert all(str(row[name]) in text for row in rows for name in values)


def test_what_a_server_lost_of_a_turn_is_no_figure() -> None:
    """The count that it gives is compared with what it acknowledged, ours and the rival's."""
    load = Load(host="", port=0, requests=(), status=200, warm_s=0, measured_s=1)
    taken = Taken(measured_s=1, measured=3, acknowledged=3, p50_ms=1, p99_ms=1, others={}, lost=0, cpu_s=0)

    class Forgetful(Taker):
        """Counts one fact less than it acknowledged."""

        def __init__(self) -> None:
            self.contender = Contender("forgetful", [], load, rows=1000)
            self._before, self._fact = 5, "samples"

        def count(self) -> int:
            """Count what is left."""
            return 3004

    with pytest.raises(CannotMeasureError, match="acknowledged 3000 samples and counts 2999"):
        Forgetful().check(Figures([taken], [0.1], rows=1000))


def test_a_rival_that_took_less_than_it_answered_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own counter is read."""
    load = Load(host="", port=0, requests=(), status=204, warm_s=0, measured_s=1)
    taken = Taken(measured_s=1, measured=2, acknowledged=2, p50_ms=1, p99_ms=1, others={}, lost=0, cpu_s=0)
    rival = Rival.__new__(Rival)
    rival.__dict__ |= {"_port": 0, "_fact": "samples", "contender": Contender("rival", [], load, rows=1000)}
    monkeypatch.setattr("benchmarks.ingest.rivals._taken", lambda _port: 29_999)
    with pytest.raises(CannotMeasureError, match="answered 30000 values and counts 29999"):
        rival.check(Figures([taken], [0.1], rows=1000))


def test_a_machine_without_debians_tools_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that cannot be set up is no figure of zero."""
    monkeypatch.setattr(peers, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    pins = Path(bodies.__file__).with_name("peers.toml")
    assert msgspec.convert(tomllib.loads(pins.read_text(encoding="utf-8")), peers.Pins).debian
    with pytest.raises(CannotMeasureError, match="apt-get download victoria-metrics"):
        peers.set_up(pins)
