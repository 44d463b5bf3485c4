"""Measures questions over a year of calls, their samples and ten days of requests, and checks every answer.

The facts come in by our own import, a tenth of the calls late or in pieces. A day of requests by minute, operation and
status is asked beside bare DuckDB over a copy of the same rollup; eight measures of calls by hour, country and network
beside the best SQL over a plain table of one row a call: from the question to Arrow, in this process, and over HTTP.
Then ids of the last second, hour and year. Once with a tenth of `--rows`, for the growth, and once with all.
"""

import statistics
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from benchmarks import ours, report
from benchmarks.options import Options
from benchmarks.ours import Ours
from benchmarks.processes import disk_mb
from benchmarks.query import questions
from benchmarks.query.filled import Filled, filled
from benchmarks.query.inside import Inside, inside
from benchmarks.query.plain import Plain
from benchmarks.query.questions import Probe
from trunkline.telemetry.questions import Series

_PROBES = 150
_REPEATS = {"minutes": 15, "measures": 5}
_LOOKED = ("call_samples_ms", "search_ms")
_HTTP_DAYS = 30
"""Over HTTP an answer has a limit: so many days of measures are asked."""


def measure(options: Options) -> None:
    """Measure with a tenth of the rows and with all, and print the report; the ratios are those of all.

    What is measured by itself (`minutes`, `measures`, `call_samples`, `search`, `http`) is so with all of them only.
    """
    figures: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for rows in (options.rows,) if options.only else (options.rows // 10, options.rows):
        found = filled(rows, fresh=options.fresh)
        figures[str(rows)], ratios = _measured(found, options)
    largest = figures[str(options.rows)]
    report.end("query", {name: largest[name] for name in _LOOKED if name in largest} | figures, ratios)


def _measured(found: Filled, options: Options) -> tuple[dict[str, Any], dict[str, float]]:
    figures: dict[str, Any] = {"was_there": found.was_there, "loaded": found.told.loaded}
    with Plain(found.plain) as plain:
        if options.wants("http"):
            with ours.serving("filled", data=found.data) as server:
                figures["http"] = _over_http(server, plain, found)
                figures["memory_mb"] = round(server.process.memory_mb())
        figures["disk_mb"] = round(disk_mb(found.data))
        figures["rollup_rows"] = plain.copy_rollup(found.data / "facts.duckdb")
        with inside(found.data) as house:
            beside, ratios = _beside(house, plain, found, options)
            figures |= beside
            for name, probes in _probes(found).items():
                if options.wants(name):
                    figures[f"{name}_ms"] = _searched(probes, lambda probe: _look(house, probe, found))
    _show(found.year.rows, figures, ratios)
    return figures, ratios


def _beside(house: Inside, plain: Plain, found: Filled, options: Options) -> tuple[dict[str, Any], dict[str, float]]:
    """Ask ours and the bare engine in turn; each ratio is the median of the rounds' ratios."""
    year = found.year
    pairs: dict[str, tuple[Series, Callable[[], Any], Callable[..., int], str]] = {
        "minutes": (questions.minutes(year), lambda: plain.minutes(year), questions.check_minutes, "minutes_over_bare"),
        "measures": (
            questions.measures(year),
            lambda: plain.measures(year),
            questions.check_measures,
            "measures_over_sql",
        ),
    }
    figures: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for name, (question, bare, check, ratio) in pairs.items():
        if not options.wants(name):
            continue
        rows = check(year, house.table(question), bare())
        medians = [
            _turn(_REPEATS[name], lambda: house.table(question), bare)  # noqa: B023 - called at once
            for _ in range(options.rounds)
        ]
        ratios[ratio] = round(statistics.median(own / other for own, other in medians), 3)
        figures[name] = {
            "rows": rows,
            "ms": round(statistics.median(own for own, _ in medians), 2),
            "bare_ms": round(statistics.median(other for _, other in medians), 2),
        }
    return figures, ratios


def _turn(repeats: int, one: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """Do both so often, one after the other; returns the median of each in ms."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for work, taken in zip((one, other), times, strict=True):
            taken.append(_timed_ms(work))
    return statistics.median(times[0]), statistics.median(times[1])


def _timed_ms(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _probes(found: Filled) -> dict[str, list[Probe]]:
    return {
        "call_samples": list(questions.samples_of_calls(found.year, _PROBES)),
        "search": list(questions.ids(found.year, _PROBES)),
    }


def _look(house: Inside, probe: Probe, found: Filled) -> float:
    question = probe.question(found.year)
    began = time.perf_counter()
    rows = house.rows(question)
    taken = (time.perf_counter() - began) * 1000
    probe.check([row["happened_at"] for row in rows])
    return taken


def _searched(probes: Iterable[Probe], look: Callable[[Probe], float]) -> dict[str, float]:
    """Look for each; returns p50 and p99 in ms, of all and of each age."""
    taken: dict[str, list[float]] = {"": []}
    for probe in probes:
        ms = look(probe)
        taken[""].append(ms)
        taken.setdefault(f"{probe.age}_", []).append(ms)
    return {
        f"{age}p{share}": round(sorted(those)[int(len(those) * share / 100)], 2)
        for age, those in taken.items()
        for share in (50, 99)
    }


# --- over HTTP ---


def _over_http(server: Ours, plain: Plain, found: Filled) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    year = found.year
    asked = {
        "minutes": (questions.minutes(year), questions.requests_of(year)),
        f"measures_{_HTTP_DAYS}_days": (questions.measures(year, _HTTP_DAYS), plain.attempted(year, _HTTP_DAYS)),
    }
    for name, (question, total) in asked.items():
        for form in ("json", "arrow"):
            body = msgspec.json.encode(questions.posted(question) | {"format": form})
            answer = server.fetch("/api/v1/ask", body)
            if form == "json":
                points = msgspec.json.decode(answer)["points"]
                questions.check_total(total, [point["values"][0] for point in points])
            times = [_timed_ms(lambda: server.fetch("/api/v1/ask", body)) for _ in range(5)]  # noqa: B023 - at once
            figures[f"{name}_{form}_ms"] = round(statistics.median(times), 2)
    for name, probes in _probes(found).items():
        figures[f"{name}_ms"] = _searched(probes, lambda probe: _look_over_http(server, probe, found))
    return figures


def _look_over_http(server: Ours, probe: Probe, found: Filled) -> float:
    """Look for an id; one of the last second is posted just before, and looked for at once."""
    if probe.age == "second":
        probe = _posted_now(server, probe)
    question = probe.question(found.year)
    body = msgspec.json.encode(
        {"fact": question.fact, "id": question.id, "start": question.start, "end": datetime.now(UTC), "limit": 1000}
    )
    began = time.perf_counter()
    answer = server.fetch("/api/v1/facts", body)
    taken = (time.perf_counter() - began) * 1000
    rows = msgspec.json.decode(answer)["rows"]
    probe.check([datetime.fromisoformat(row["happened_at"]) for row in rows])
    return taken


def _posted_now(server: Ours, probe: Probe) -> Probe:
    """Post facts like those that are looked for, under an id that is new."""
    name = uuid.uuid4().hex
    now = datetime.now(UTC).timestamp() - 1
    moments = tuple(int(now * 1e6) + number for number in range(len(probe.moments)))
    shapes: dict[str, dict[str, Any]] = {
        "samples": {"call_id": name, "mos": 4.1},
        "calls": {"leg_id": name},
        "requests": {"service": "chat", "operation": "SendChatMessage", "status": 201, "request_id": name},
    }
    row = shapes[probe.fact]
    lines = [msgspec.json.encode(row | {"happened_at": _rfc3339(moment)}) for moment in moments]
    server.fetch(f"/api/v1/{probe.fact}", b"\n".join(lines))
    return Probe(probe.age, probe.fact, name, moments)


def _rfc3339(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).strftime(
        f"%Y-%m-%dT%H:%M:%S.{moment_us % 1_000_000:06}Z"
    )


def _show(rows: int, figures: dict[str, Any], ratios: dict[str, float]) -> None:
    """Print a table for people."""
    http = figures.get("http", {})
    memory = f", {figures['memory_mb']:,} MB in memory" if http else ""
    print(f"\n{rows:,} facts of each kind: {figures['disk_mb']:,} MB on the disk{memory}")
    for ratio, value in ratios.items():
        name = ratio.partition("_")[0]
        one = figures[name]
        print(f"{name:14} {one['rows']:9,} rows {one['ms']:9.2f} ms, bare {one['bare_ms']:9.2f} ms: {value:.2f}")
    for where, those in (("inside", figures), ("over HTTP", http)):
        for name in _LOOKED:
            if name in those:
                print(f"{name:16} {where:10}", *(f"{key} {value:.2f} " for key, value in those[name].items()))
    print(*(f"{key} {value} " for key, value in http.items() if key not in _LOOKED), flush=True)
