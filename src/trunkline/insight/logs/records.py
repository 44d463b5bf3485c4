"""Rows as they are written to a storage: one record a line, in files by category, account and hour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from trunkline.catalogue.log_tables import LogTable
from trunkline.clock import EPOCH, parse_rfc3339

# the top level of a record is the same for every service; what else a table knows are its properties
_TOP = {
    "time": "TimeGenerated",
    "resourceId": "_ResourceId",
    "operationName": "OperationName",
    "operationVersion": "OperationVersion",
    "category": "Category",
    "resultType": "ResultType",
    "resultSignature": "ResultSignature",
    "resultDescription": "ResultDescription",
    "durationMs": "DurationMs",
    "callerIpAddress": "CallerIpAddress",
    "correlationId": "CorrelationId",
    "level": "Level",
    "location": "Location",
    "uri": "URI",
}
_LEFT_OUT = {"Type", "SourceSystem", "TenantId", "_SubscriptionId", "_BilledSize", "_IsBillable"}
_NO_PROPERTIES = {*_TOP.values(), *_LEFT_OUT}
_RESOURCE = re.compile(r"(?:/(?!\.+(?:/|\Z))[^/\\\x00-\x1f\x7f]{1,200}){1,20}")
"""An id of a resource whose parts are names of folders, and none a way out of them."""


def record(table: LogTable, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as a record; what is not known is left out of it."""
    top: dict[str, Any] = {}
    for name, column in _TOP.items():
        if (value := row.get(column)) is not None:
            top[name] = value.upper() if name == "resourceId" and isinstance(value, str) else value
    rest = {name: value for name, value in row.items() if value is not None and name not in _NO_PROPERTIES}
    return {**top, "category": table.category, "properties": rest}


def line(table: LogTable, row: Mapping[str, Any]) -> bytes:
    """Return a row as a line of JSON."""
    return msgspec.json.encode(record(table, row)) + b"\n"


def file(resource: str, hour: datetime) -> str:
    """Return the name under which the rows of an hour stand; `resource` is the id of the account's resource."""
    return f"resourceId={resource.upper()}/{hour:y=%Y/m=%m/d=%d/h=%H}/m=00/PT1H.json"


def file_of(row: Mapping[str, Any]) -> str:
    """Return the name under which a row stands; one that came from elsewhere may name as its resource what is none."""
    named = row["_ResourceId"]
    is_one = isinstance(named, str) and _RESOURCE.fullmatch(named) is not None
    return file(named if is_one else "", hour_of(row))


def folder(table: LogTable) -> str:
    """Return the name of what holds a table's files: a folder, or a container of blobs."""
    return f"insights-logs-{table.category.lower()}"


def hour_of(row: Mapping[str, Any]) -> datetime:
    """Return the hour in which a row stands; of one that came from elsewhere without a moment, the first of 1970."""
    try:
        moment = parse_rfc3339(str(row["TimeGenerated"]))
    except ValueError:
        moment = EPOCH
    return moment.replace(minute=0, second=0, microsecond=0)
