"""Answers as tables: CSV for spreadsheets, Arrow for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from starlette.responses import Response

from trunkline.clock import rfc3339

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
CUT = "X-Trunkline-Cut"
"""The header that says that the limit has cut an answer."""


def form_of(wanted: str, accept: str) -> str:
    """Return the form of an answer: the one wanted, else what the client accepts first."""
    if wanted:
        return wanted
    for part in accept.lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in {CSV, ARROW}:
            return "csv" if kind == CSV else "arrow"
        if kind in {"application/json", "*/*"}:
            break
    return "json"


def response(
    form: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, texts: set[str], is_cut: bool
) -> Response:
    """Render rows; columns among `texts` hold text even where there are no rows."""
    headers = {CUT: "true"} if is_cut else {}
    if form == "csv":
        return Response(_csv(columns, rows), 200, headers, media_type=f"{CSV}; charset=utf-8")
    return Response(_arrow(columns, rows, texts), 200, headers, media_type=ARROW)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return sheet.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value, 6)
    if isinstance(value, dict):
        return " ".join(f"{name}={entry}" for name, entry in value.items())
    if isinstance(value, str) and value[:1] in {"=", "@", "\t", "\r"}:
        return f"'{value}"  # a spreadsheet would run it
    return value


def _arrow(columns: Sequence[str], rows: Sequence[Sequence[Any]], texts: set[str]) -> bytes:
    arrays = []
    for place, name in enumerate(columns):
        values = [row[place] for row in rows]
        kind: Any = pa.string() if name in texts else None
        if any(isinstance(value, datetime) for value in values):
            kind = pa.timestamp("us", tz="UTC")
        elif any(isinstance(value, dict) for value in values):
            kind, values = pa.map_(pa.string(), pa.string()), [list(value.items()) for value in values]
        elif any(isinstance(value, float) for value in values):
            kind = pa.float64()
        arrays.append(pa.array(values, type=kind))
    table = pa.Table.from_arrays(arrays, names=list(columns))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
