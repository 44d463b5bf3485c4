"""The verdicts in words, and as one line of JSON for programs."""

import json
from collections.abc import Iterator
from pathlib import Path

from tools.conformance.results import Verdict
from tools.conformance.suites import Suite

MOST_OF_A_REASON = 300


def lines(name: str, suite: Suite, verdict: Verdict, duration_s: float, log: Path) -> Iterator[str]:
    """Tell one suite: its figures, then what failed and what cannot run, each with its reason."""
    mark = "ok  " if verdict.is_good else "FAIL"
    yield (
        f"{mark} {name:<12} {verdict.passed}/{verdict.total} passed "
        f"({suite.package} {suite.version}, {duration_s:.1f} s)"
    )
    for problem in verdict.problems:
        yield f"       problem: {problem}"
    for test, why in verdict.failed:
        yield f"       failed: {test}: {_shortened(why)}"
    for reason, tests in verdict.excluded.items():
        yield f"       {len(tests)} not counted, {reason}: {', '.join(_functions(tests))}"
    if verdict.quiet:
        yield (
            f"       {len(verdict.quiet)} passed inside the SDK, without asking the server: "
            f"{', '.join(_functions(verdict.quiet))}"
        )
    if not verdict.is_good:
        yield f"       details: {log}"


def as_json(verdicts: dict[str, Verdict]) -> str:
    """Give `{"conformance": {suite: {"passed", "total", "excluded"}}}` in one line."""
    figures = {
        name: {"passed": verdict.passed, "total": verdict.total, "excluded": verdict.excluded_count}
        for name, verdict in verdicts.items()
    }
    return json.dumps({"conformance": figures})


def _functions(tests: list[str]) -> list[str]:
    """Strip classes, and tell the parametrized tests of one function as `name x3`."""
    counts: dict[str, int] = {}
    for test in tests:
        function = test.rsplit("::", 1)[-1].split("[", 1)[0]
        counts[function] = counts.get(function, 0) + 1
    return [function if count == 1 else f"{function} x{count}" for function, count in counts.items()]


def _shortened(why: str) -> str:
    one_line = " ".join(why.split())
    return one_line if len(one_line) <= MOST_OF_A_REASON else one_line[:MOST_OF_A_REASON] + " …"
