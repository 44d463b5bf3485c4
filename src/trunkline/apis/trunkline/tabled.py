"""Answers as tables: CSV for spreadsheets, Arrow and Parquet for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.responses import Response

from trunkline.apis.trunkline.asked import Asked
from trunkline.catalogue.columns import shown_columns
from trunkline.clock import rfc3339
from trunkline.telemetry.questions import Rows
from trunkline.telemetry.recorder import Recorder

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MEDIA_TYPES = {"csv": CSV, "arrow": ARROW, "parquet": PARQUET}
CUT = "X-Trunkline-Cut"
"""The header that says that the limit has cut an answer."""
ABOUT = b"trunkline"
"""Where a table's schema says what it is about; see `About`."""
_TYPES: dict[Any, Any] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
    dict[str, str]: pa.map_(pa.string(), pa.string()),
}


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is about: its span, its steps, and whether the limit has cut it.

    `at` is the column of the beginnings of its steps, "" where it has none; `step` the step of the calendar.
    """

    start: datetime
    end: datetime
    cut: bool = False
    at: str = ""
    step: str = ""


async def points(recorder: Recorder, asked: Asked) -> pa.Table:
    """Answer a question as a table: the step, the splits, the measures; one point beyond the limit is cut.

    Splits and measures of a point that has none are null. Raises as `Recorder.table` does.
    """
    question = asked.question
    found = await recorder.table(question)
    limit = len(found) if question.limit is None else question.limit - 1
    about = About(
        start=question.start,
        end=question.end,
        cut=len(found) > limit,
        at=asked.at if asked.is_stepped else "",
        step=question.step,
    )
    return _telling(found.slice(0, limit).rename_columns([asked.at, *asked.by, *asked.measures]), about)


async def facts(recorder: Recorder, question: Rows) -> pa.Table:
    """Return facts as a table with every column that is shown; one fact beyond the limit is cut."""
    found = await recorder.rows(question)
    limit = question.limit - 1
    shown = shown_columns(question.fact)
    columns = _turned([tuple(row.values()) for row in found[:limit]], len(shown))
    schema = pa.schema([(name, _TYPES[column.of]) for name, column in shown.items()])
    arrays = [
        pa.array([[*value.items()] for value in values] if column.is_map else values, type=_TYPES[column.of])
        for column, values in zip(shown.values(), columns, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=schema)
    return _telling(table, About(start=question.start, end=question.end, cut=len(found) > limit))


def about(table: pa.Table) -> About:
    """Return what a table is about."""
    return msgspec.json.decode(table.schema.metadata[ABOUT], type=About)


def _telling(table: pa.Table, what: About) -> pa.Table:
    return table.replace_schema_metadata({ABOUT: msgspec.json.encode(what)})


def _turned(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


# --- forms ---


def form_of(wanted: str, accept: str) -> str:
    """Return the form of an answer: the one wanted, else what the client accepts first."""
    if wanted:
        return wanted
    forms = {kind: form for form, kind in MEDIA_TYPES.items()}
    for part in accept.lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in forms:
            return forms[kind]
        if kind in {"application/json", "*/*"}:
            break
    return "json"


def response(form: str, table: pa.Table) -> Response:
    """Render a table; a header says when the limit has cut it."""
    headers = {CUT: "true"} if about(table).cut else {}
    kind = MEDIA_TYPES[form] + ("; charset=utf-8" if form == "csv" else "")
    return Response(encoded(form, table), 200, headers, media_type=kind)


def encoded(form: str, table: pa.Table) -> bytes:
    """Return a table as csv, arrow (a stream) or parquet."""
    if form == "csv":
        return _csv(table)
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _csv(table: pa.Table) -> bytes:
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(table.column_names)
    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in table.columns]
    writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
    return sheet.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value, 6)
    if isinstance(value, dict):
        return " ".join(f"{name}={entry}" for name, entry in value.items())
    if isinstance(value, str) and value[:1] in {"=", "@", "\t", "\r"}:
        return f"'{value}"  # a spreadsheet would run it
    return value
