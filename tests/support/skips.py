"""Says at the very end how many tests were skipped and for want of what; under CI a skip fails."""

from __future__ import annotations

import os
import shutil
from collections import Counter

import pytest

_missing: Counter[str] = Counter()


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip a test where a system program is missing; `package` is what to install for it."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"package {package}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count a skipped test under its reason."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _missing[reason.removeprefix("Skipped: ")] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when something was skipped where everything has been installed."""
    if _missing and os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure() -> None:
    """Write the last line."""
    if _missing:
        told = ", ".join(f"{count} for {reason}" for reason, count in _missing.items())
        print(f"skipped: {_missing.total()} ({told})")  # noqa: T201 - the last line of the run
    else:
        print("skipped: 0")  # noqa: T201 - the last line of the run
