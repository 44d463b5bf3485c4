"""Results as they leave: JSON as it is posted to a callback, and CSV or Arrow for whoever fetches them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from trunkline.apis.infobip.answers import Found, stamp
from trunkline.apis.infobip.query import NOT_AVAILABLE

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
_FORMS = {CSV: CSV, ARROW: ARROW, JSON: JSON, "application/vnd.apache.arrow": ARROW}
_TYPES = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "NUMBER": pa.float64(),
    "DATE_TIME": pa.timestamp("ms", tz="UTC"),
}
_STATUSES = {"running": "IN_PROGRESS", "done": "SUCCESS", "failed": "FAILED"}
_RUN = ("=", "@", "\t", "\r", "+", "-")
_encode = msgspec.json.Encoder().encode


class _Column(msgspec.Struct, frozen=True):
    columnName: str  # noqa: N815 - the vendor's name
    columnDataType: str  # noqa: N815 - the vendor's name


class _Result(msgspec.Struct, frozen=True):
    columns: list[_Column]
    rows: list[list[Any]]


def result(found: Found) -> bytes:
    """Return an answer as the result says it: the period, the columns, the rows."""
    return _encode(
        {
            "requestedPeriod": {"sentSince": stamp(found.since), "sentUntil": stamp(found.until)},
            "totalRows": len(found.rows),
            "columns": [{"columnName": name, "columnDataType": kind} for name, kind in found.columns],
            "rows": found.rows,
        }
    )


def status(report_id: str, state: str, failure: str) -> dict[str, Any]:
    """Return how far a query is."""
    told = {"requestId": report_id, "status": _STATUSES[state]}
    return told | ({"failureMessage": failure} if failure else {})


def whole(report_id: str, state: str, failure: str, answer: bytes) -> bytes:
    """Return what became of a query, with its result if there is one, which is not read for that."""
    told = status(report_id, state, failure)
    return _encode(told | ({"response": msgspec.Raw(answer)} if answer else {}))


def form_of(accept: str) -> str:
    """Return the media type that a client wants most of those there are; JSON if it says nothing."""
    wanted = []
    for place, part in enumerate(accept.lower().split(",")[:20]):
        kind, _, more = part.partition(";")
        quality = next((one.strip()[2:] for one in more.split(";") if one.strip().startswith("q=")), "1")
        wanted.append((-_quality(quality), place, kind.strip()))
    return next(
        (_FORMS.get(kind, JSON) for q, _, kind in sorted(wanted) if q and (kind in _FORMS or "*/*" in kind)), JSON
    )


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def sheet(answer: bytes) -> bytes:
    """Return a kept result as CSV, with the names of the columns first."""
    read = msgspec.json.decode(answer, type=_Result)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.columnName for column in read.columns])
    writer.writerows([_tame(value) for value in row] for row in read.rows)
    return text.getvalue().encode()


def _tame(value: Any) -> Any:
    """Return a cell that no spreadsheet runs; numbers of phones stay as they are."""
    if isinstance(value, str) and value[:1] in _RUN and not value[1:].isdigit():
        return f"'{value}"
    return value


def stream(answer: bytes) -> bytes:
    """Return a kept result as a stream of Arrow; what is not available is null."""
    read = msgspec.json.decode(answer, type=_Result)
    turned: Iterable[Any] = zip(*read.rows, strict=True) if read.rows else [()] * len(read.columns)
    arrays = [_array(column.columnDataType, values) for column, values in zip(read.columns, turned, strict=True)]
    table = pa.Table.from_arrays(arrays, names=[column.columnName for column in read.columns])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _array(kind: str, values: Iterable[Any]) -> Any:
    cells = [None if value == NOT_AVAILABLE else value for value in values]
    if kind == "DATE_TIME":
        cells = [datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") if text else None for text in cells]
    elif kind == "INTEGER":
        cells = [value if isinstance(value, int) else None for value in cells]
    return pa.array(cells, _TYPES[kind])
