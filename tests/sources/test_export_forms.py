"""The forms in which log tables are exported: which rows a file has, and what is wrong with those that are none."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exported import Row, lines, record_of, row_of
from trunkline.catalogue import log_tables
from trunkline.catalogue.columns import shown_columns
from trunkline.catalogue.exports import kinds, read
from trunkline.catalogue.facts import KINDS
from trunkline.errors import InvalidError
from trunkline.insight.logs.records import line
from trunkline.sources import exports
from trunkline.sources.exported import WrongError, exported
from trunkline.sources.exports import Export, opened
from trunkline.sources.packing import CutOffError
from trunkline.sources.rules import typed
from trunkline.sources.translation import made

T = TypeVar("T")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHAT, CALLS = "ACSChatIncomingOperations", "ACSCallSummary"
ROWS = [row_of(CHAT, NOON, CorrelationId=f"r{number}") for number in range(3)]


def written(folder: Path, text: str | bytes, name: str = "export", table: str = "") -> Export | None:
    """Write a file and open it."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return opened(folder / name, table)


def taken(export: Export | None, fact: str = "log_lines") -> list[Row]:
    """Return the facts of a kind that travel."""
    assert export is not None
    (part,) = [part for part in export.parts() if part.kind.table == fact]
    return [row for chunk in part.chunks() for row in chunk.rows()]


def refused(export: Export | None, fact: str = "log_lines") -> list[tuple[int, str, str]]:
    """Return where the rows stand that do not travel, what of them is wrong, and why."""
    assert export is not None
    (part,) = [part for part in export.parts() if part.kind.table == fact]
    found = []
    for chunk in part.chunks():
        chunk.body()
        found += [(one.line, one.path, one.why) for one in chunk.refused]
    return found


def sheet(*rows: Row, zone: str = " [UTC]") -> str:
    """Write rows as the portal does: what is not text as text, moments with their zone in the header."""
    moments = {name for name, of in read().tables[rows[0]["Type"]].columns.items() if of == "datetime"}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([name + zone * (name in moments) for name in rows[0]])
    for row in rows:
        writer.writerow([json.dumps(value) if isinstance(value, dict) else value for value in row.values()])
    return text.getvalue()


def answer(*rows: Row) -> str:
    """Write rows as the answer to a query."""
    columns = [{"name": name, "type": "string"} for name in rows[0]]
    return json.dumps(
        {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": [[*r.values()] for r in rows]}]}
    )


@pytest.mark.parametrize(
    "text",
    [
        lines(*ROWS),
        lines(*map(record_of, ROWS)),
        json.dumps({"records": [*map(record_of, ROWS)]}),
        lines({"records": [record_of(ROWS[0])]}, {"records": [*map(record_of, ROWS[1:])]}),
        json.dumps({"records": [*map(record_of, ROWS)]}, indent=2),
        '{"records": [\n' + lines(*map(record_of, ROWS)).replace("}\n{", "},\n{") + "]}\n",
        json.dumps(ROWS, indent=2),
        json.dumps([{**row, "TableName": "PrimaryResult"} for row in ROWS]),
        answer(*ROWS),
        "\ufeff" + sheet(*ROWS),
        gzip.compress(lines(*map(record_of, ROWS)).encode(), mtime=0),
        gzip.compress(sheet(*ROWS).encode(), mtime=0),
    ],
    ids=[
        *(
            "lines",
            "records",
            "wrapped",
            "wrapped lines",
            "pretty",
            "a line each",
            "array",
            "command line",
            "answer",
            "sheet",
        ),
        *("packed", "packed sheet"),
    ],
)
def test_every_form_gives_the_same_rows(tmp_path: Path, text: str | bytes) -> None:
    """Columns by their names, numbers as numbers; what only the workspace adds may be lacking."""
    export = written(tmp_path, text)
    assert export is not None
    assert export.counts == {CHAT: 3}
    found = [json.loads(row["body"]) for row in taken(export)]
    wanted = [name for name in ROWS[0] if not name.startswith("_") and name not in {"SourceSystem", "TenantId", "Type"}]
    for row, body in zip(ROWS, found, strict=True):
        assert {name: str(body[name]) for name in wanted} == {name: str(row[name]) for name in wanted}
        assert body["DurationMs"] == row["DurationMs"]
    assert [row["correlation_id"] for row in taken(export, "requests")] == ["r0", "r1", "r2"]


@pytest.mark.parametrize("name", sorted(read().tables))
def test_what_is_exported_here_comes_in_as_it_was(name: str) -> None:
    """Column for column, but for those that the form of records has no place for."""
    row = row_of(name, NOON, _ResourceId="/SUBSCRIPTIONS/S")
    table = log_tables.read().tables[name]
    found = exported(json.loads(line(table, {column: row.get(column) for column in table.columns})))
    assert found.table.name == name
    lost = {column for column in table.columns if found.values.get(column) != row[column]}
    assert lost <= {"_BilledSize", "_IsBillable", "_SubscriptionId", "SourceSystem", "TenantId", "Type", "Category"}


def test_rows_that_are_none_are_told_one_by_one(tmp_path: Path) -> None:
    """With their lines; once, though the file travels for each kind of fact."""
    text = (
        lines(ROWS[0])
        + "{nonsense\n\n[1]\n"
        + lines(
            {**ROWS[1], "TimeGenerated": "11/21/2026, 10:12:13.000 AM"},
            {name: value for name, value in ROWS[1].items() if name != "TimeGenerated"},
            {**ROWS[1], "Type": "AzureActivity", "Category": "Administrative"},
            {**ROWS[1], "DurationMs": "long"},
            {**ROWS[1], "ResultSignature": "", "ResultType": "Cancelled"},
            ROWS[2],
        )
    )
    export = written(tmp_path, text)
    assert [(line, path) for line, path, _ in refused(export)] == [
        (2, ""),
        (4, ""),
        (5, "TimeGenerated"),
        (6, "TimeGenerated"),
        (7, "Type"),
    ]
    whys = [why for _, _, why in refused(export)]
    assert "ISO 8601" in whys[2]
    assert whys[4] == "'AzureActivity' is none of the log tables that are known."
    assert refused(export, "requests") == [
        (8, "DurationMs", "'long' is no number."),
        (9, "ResultSignature or ResultType", "The row does not tell the status of requests."),
    ]
    assert [row["correlation_id"] for row in taken(export, "requests")] == ["r0", "r2"]
    assert len(taken(export)) == 4


def test_a_first_line_that_is_none_hides_no_other(tmp_path: Path) -> None:
    """A file whose beginning was lost is still one of lines."""
    export = written(tmp_path, '{"time": "2026-\n' + lines(*ROWS))
    assert export is not None
    assert export.counts == {CHAT: 3}
    assert [line for line, _, _ in refused(export)] == [1]


def test_moments_of_another_zone_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """The portal writes them when it is told to; nobody can know which zone that was."""
    with pytest.raises(InvalidError, match=r"Local Time.*UTC"):
        written(tmp_path, sheet(*ROWS, zone=" [Local Time]"))


def test_a_table_is_known_by_its_columns_or_by_what_it_is_said_to_be(tmp_path: Path) -> None:
    """A query may leave out the column that tells it; a table that there is not is told with those next to it."""
    call = row_of(CALLS, NOON)
    kept = ("TimeGenerated", "CorrelationId", "ParticipantId", "ParticipantDuration", "CallType", "ResultCategory")
    text = json.dumps([{name: call[name] for name in kept}])
    assert written(tmp_path, text) is None, "two tables have these columns"
    for name in (CALLS, CALLS.lower(), "CallSummary"):
        export = written(tmp_path, text, table=name)
        assert export is not None
        assert export.counts == {CALLS: 1}
    survey = row_of("ACSCallSurvey", NOON)
    export = written(tmp_path, lines({name: survey[name] for name in ("TimeGenerated", "SurveyId", "VideoIssues")}))
    assert export is not None
    assert export.counts == {"ACSCallSurvey": 1}
    with pytest.raises(InvalidError, match=CALLS):
        written(tmp_path, text, table="ACSCallSumary")


@pytest.mark.parametrize(
    "text",
    [
        '{"leg_id": "a", "sip_code": 200}\n',
        "leg_id,sip_code\na,200\n",
        '[{"leg_id": "a"}]',
        "",
        b"PAR1\0\0\0\0",
        b"\x1f\x8b\x08nonsense",
        b"\0\0\0\0\0",
        "TimeGenerated,Nonsense\n2026-01-01,1\n",
    ],
)
def test_what_is_no_export_is_left_to_others(tmp_path: Path, text: str | bytes) -> None:
    """Files of facts, tables and nonsense."""
    assert written(tmp_path, text) is None


def test_a_file_that_ends_early_gives_what_could_be_read(tmp_path: Path) -> None:
    """And says so after it."""
    many = lines(*(row_of(CHAT, NOON, CorrelationId=f"{number:064x}") for number in range(2000)))
    packed = gzip.compress(many.encode(), mtime=0)
    export = written(tmp_path, packed[: len(packed) // 2])
    assert export is not None
    found: list[int] = []
    with pytest.raises(CutOffError, match="ends early"):
        found.extend(len(chunk.rows()) for chunk in export.parts()[0].chunks())
    assert sum(found) > 100


def test_whoever_resumes_gets_the_chunks_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They depend on the file alone, for each kind of fact."""
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    export = written(tmp_path, lines(*(row_of(CHAT, NOON, CorrelationId=f"r{number}") for number in range(7))))
    assert export is not None
    for part in export.parts():
        whole = {chunk.number: chunk.body() for chunk in part.chunks()}
        assert list(whole) == [1, 2, 3, 4]
        assert {chunk.number: chunk.body() for chunk in part.chunks(2)} == {number: whole[number] for number in (3, 4)}
        assert part.mark() == export.parts()[0].mark()


def test_a_short_file_that_ends_early_gives_its_first_rows(tmp_path: Path) -> None:
    """As many as could be unpacked."""
    head, stored = gzip.compress(b"", mtime=0)[:10], zlib.compressobj(0, zlib.DEFLATED, -15)
    body = stored.compress(lines(*ROWS).encode()) + stored.flush(zlib.Z_FULL_FLUSH)
    export = written(tmp_path, head + body)
    assert export is not None
    assert export.counts == {CHAT: 3}
    with pytest.raises(CutOffError, match="ends early"):
        taken(export)


def test_a_row_that_is_too_long_keeps_its_short_values(tmp_path: Path) -> None:
    """The longest are cut, and the row is still one."""
    row = row_of("ACSCallClientOperations", NOON, OperationPayload={"text": "x" * 100_000})
    (line,) = taken(written(tmp_path, lines(row)))
    body = json.loads(line["body"])
    assert len(line["body"]) <= 32_000
    assert {**body, "OperationPayload": row["OperationPayload"]} == row
    assert body["OperationPayload"].endswith("…")


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
MEMBERS = st.sampled_from(sorted({"time", "properties", *(name for t in read().tables.values() for name in t.columns)}))
VALUES = JSON | st.sampled_from(["2026-11-21T12:00:00Z", "12", "-1e400", "Succeeded", "487", *read().tables])
FIELDS = {"time": st.just("2026-11-21T12:00:00Z"), "Type": st.sampled_from(sorted(read().tables))}


@settings(max_examples=150, deadline=None)
@given(row=JSON | st.dictionaries(MEMBERS, VALUES, max_size=12), known=st.fixed_dictionaries({}, optional=FIELDS))
def test_any_row_is_read_or_refused(row: Any, known: Row) -> None:
    """With a sentence; whatever it becomes has the columns of its fact."""
    found, why = tried(lambda: exported(row | known if isinstance(row, dict) else row))
    if found is None:
        assert why
        return
    names = {kind.table: set(kind.__struct_fields__) for kind in KINDS}
    for fact in kinds():
        facts, why = tried(lambda fact=fact: list(made(found, fact)))
        assert facts is not None or why
        assert all(set(one) <= names[fact] for one in facts or ())
        for one in facts or ():
            assert all(len(typed([value], shown_columns(fact)[name])) == 1 for name, value in one.items())


@settings(max_examples=60, deadline=None)
@given(text=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_an_export_or_is_none(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    """Or it is refused with a sentence; none breaks the import."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(text)
    for table in ("", CHAT):
        export, why = tried(lambda table=table: opened(path, table))
        assert export is not None or why or not table
        for part in export.parts() if export is not None else ():
            bodies, why = tried(lambda part=part: [chunk.body() for chunk in part.chunks()])
            assert bodies is not None or why


def tried(work: Callable[[], T]) -> tuple[T | None, str]:
    """Return what comes of it, or why it is refused."""
    try:
        return work(), ""
    except (WrongError, InvalidError) as error:
        return None, str(error)
