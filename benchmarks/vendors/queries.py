"""A query of Infobip's Metrics API over all calls: from the post to the fetched result."""

import statistics
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from benchmarks.errors import CannotMeasureError
from benchmarks.facts import Year
from benchmarks.ours import Ours

_AT_ONCE = 2
_ASKED = 12
_DIMENSIONS = ("DAY", "COUNTRY_NAME", "DIRECTION")
_METRICS = ("TOTAL_CALL_COUNT", "TOTAL_ANSWERED_CALL_COUNT", "BUSY_CALL_COUNT", "ANSWER_RATE", "TOTAL_CALL_DURATION")
_PATIENCE_S = 60.0


def measured(server: Ours, year: Year) -> dict[str, Any]:
    """Ask over two connections, one query after the other, each of another span; returns times in ms."""
    total = sum(row[-len(_METRICS)] for row in _result(server, year, 366))
    if total != year.rows:
        raise CannotMeasureError(f"the query counts {total:,} calls, not {year.rows:,}")
    taken: list[float] = []
    began = time.perf_counter()
    askers = [
        threading.Thread(target=_ask, args=(server.twin(), year, number, taken.append)) for number in range(_AT_ONCE)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    span_s = time.perf_counter() - began
    if len(taken) != _ASKED * _AT_ONCE:
        raise CannotMeasureError(f"{_ASKED * _AT_ONCE} queries were asked, and {len(taken)} answered")
    taken.sort()
    return {
        "per_s": round(len(taken) / span_s, 2),
        "p50_ms": round(statistics.median(taken), 1),
        "p99_ms": round(taken[int(len(taken) * 0.99)], 1),
    }


def _ask(server: Ours, year: Year, number: int, note: Callable[[float], None]) -> None:
    for place in range(_ASKED):
        began = time.perf_counter()
        _result(server, year, 366 - _AT_ONCE * place - number)
        note((time.perf_counter() - began) * 1000)


def _result(server: Ours, year: Year, days: int) -> list[list[Any]]:
    """Ask for the last days, and return the rows of the result once it is there."""
    end = (year.end + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    query = {
        "request": {
            "filterBy": {
                "channelCodes": ["VOICE_VIDEO"],
                "sentSince": _moment(end - timedelta(days=days)),
                "sentUntil": _moment(end),
            },
            "aggregateBy": list(_DIMENSIONS),
            "metrics": list(_METRICS),
        }
    }
    asked = msgspec.json.decode(server.post("/metrics/1/query-aggregate-data", msgspec.json.encode(query), 201))
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_S:
        answer = msgspec.json.decode(server.get(f"/metrics/1/requests/{asked['requestId']}/result", app=True))
        if answer.get("status") == "SUCCESS":
            rows: list[list[Any]] = answer["response"]["rows"]
            return rows
        if answer.get("status") == "FAILED":
            raise CannotMeasureError(f"the query failed: {answer.get('failureMessage')}")
        time.sleep(0.002)
    raise CannotMeasureError("the query is not answered")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
