"""Synthetic exports of log tables: values invented, names as the tables have them; and bringing a file into a world."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World
from trunkline.catalogue.exports import read
from trunkline.clock import rfc3339
from trunkline.sources import exports
from trunkline.sources.chunks import ARROW
from trunkline.sources.rules import Refused

Row = dict[str, Any]
_ABOUT = {"_BilledSize", "_IsBillable", "_ResourceId", "_SubscriptionId", "SourceSystem", "TenantId"}
_OF_TYPES: Row = {"int": 3, "long": 7, "real": 0.25, "bool": True, "dynamic": {"a": ["b", 1]}}


def row_of(table: str, at: datetime, **given: Any) -> Row:
    """Make a row with a value in every column of a table, as a query's answer has it."""
    known = read().tables[table]
    found: Row = {}
    for name, of in known.columns.items():
        if of == "datetime":
            found[name] = rfc3339(at, 6)
        elif of == "string":
            found[name] = f"{table}-{name}-1"
        else:
            found[name] = _OF_TYPES[of]
    usual = {"Type": table, "Category": known.category, "ResultSignature": 200, "Level": "Informational"}
    usual |= {"SourceSystem": "Azure", "_IsBillable": "true", "ParticipantEndReason": "0", "Country": "US"}
    return {**found, **{name: value for name, value in usual.items() if name in found}, **given}


def record_of(row: Row) -> Row:
    """Return a row as a diagnostic setting writes it: camel case, its own columns among the properties."""
    outer = {"OperationName", "Category", "CorrelationId", "ResultType", "ResultSignature", "DurationMs", "Level"}
    outer |= {"OperationVersion", "CallerIpAddress"}
    record = {"time": row["TimeGenerated"], "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/P/A"}
    category = read().tables[row["Type"]].category
    record["category"] = category
    properties = {}
    for name, value in row.items():
        if name in _ABOUT or name in {"Type", "TimeGenerated", "Category"}:
            continue
        where = record if name in outer else properties
        text = str(value).lower() if isinstance(value, bool | int | float) else value
        where[name[0].lower() + name[1:] if name != "URI" else "uri"] = text
    return {**record, "properties": properties}


def lines(*rows: Row) -> str:
    """Write rows one a line."""
    return "".join(json.dumps(row) + "\n" for row in rows)


class Brought:
    """What became of a file: how many facts of each kind were taken, and what was refused."""

    def __init__(self) -> None:
        self.accepted: dict[str, int] = {}
        self.refused: list[Refused] = []


def bring(world: World, path: Path, token: str, table: str = "") -> Brought:
    """Import an export as the command does, over the API."""
    export = exports.opened(path, table)
    assert export is not None, "no export"
    found = Brought()
    for part in export.parts():
        mark, fact = part.mark(), part.kind.table
        found.accepted.setdefault(fact, 0)
        where = "logs" if fact == "log_lines" else fact.replace("_", "-")
        for chunk in part.chunks():
            body = chunk.body()
            found.refused += chunk.refused
            headers = {"Trunkline-Chunk": f"{mark}/{chunk.number}", "Content-Type": ARROW, "Content-Encoding": "zstd"}
            if not body:
                body, headers = b"{}", {"Trunkline-Chunk": headers["Trunkline-Chunk"]}
            answer = world.call("POST", f"/api/v1/{where}", body=body, headers=headers, token=token)
            assert answer.status == 200, answer.body
            if chunk.rows():
                found.accepted[fact] += answer.json["accepted"]
                found.refused += [
                    Refused(line=chunk.lines[one["line"] - 1], path=one["path"], why=one["why"])
                    for one in answer.json["rejected"]
                ]
    return found


def ask(world: World, token: str, measure: str, **given: Any) -> dict[Any, float]:
    """Ask for a measure over everything, by what is said in `by`."""
    end = world.clock.now() + timedelta(days=1)
    question = {"measures": [measure], "start": rfc3339(end - timedelta(days=400)), "end": rfc3339(end), **given}
    answer = world.call("POST", "/api/v1/ask", json=question, token=token)
    assert answer.status == 200, answer.body
    return {tuple(point["split"]): point["values"][0] for point in answer.json["points"]}


def only(found: dict[Any, float]) -> float:
    """Return the one value there is."""
    if len(found) != 1:
        pytest.fail(f"not one value: {found}")
    return next(iter(found.values()))
