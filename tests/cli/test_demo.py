"""The demo's calls, on a server as a user starts it."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from tests.support.skips import needs

QUESTION = ("ask", "--account", "demo-calls", "--since", "30d", "--json")
SOON_S = 10.0


def asked(server: Any, *words: str) -> dict[str, list[float]]:
    """Return the values of each split."""
    done = server.run(*QUESTION, *words)
    assert done.returncode == 0, done.stderr
    return {" ".join(point["split"]): point["values"] for point in json.loads(done.stdout)["points"]}


def test_calls_of_thirty_days_are_there_in_seconds(shared: Any) -> None:
    """In an account of their own, whose question the printout gives; others see none of them."""
    deadline = time.monotonic() + SOON_S
    while sum(values[0] for values in asked(shared, "calls.count", "--by", "direction").values()) < 5000:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    networks = asked(shared, "calls.count", "calls.answer_rate", "calls.mos_avg", "--by", "network_name")
    assert len(networks) == 9
    assert all(0 < rate <= 1 and 3 < mos < 4.5 for _, rate, mos in networks.values())
    assert len(asked(shared, "samples.count", "--by", "edge")) == 4
    assert len(asked(shared, "calls.count", "--by", "outcome")) == 9
    assert "--account demo-calls --since 30d calls.count" in shared.out.read_text()
    other = shared.run("ask", "calls.count", "--since", "30d", "--account", "demo", "--json")
    assert json.loads(other.stdout)["points"] == []


@needs("curl", "curl")
def test_the_lines_of_the_printout_answer_with_data(shared: Any) -> None:
    """The media of a call as one vendor shows them, and calls by day as another does: pasted into a shell."""
    deadline = time.monotonic() + SOON_S
    page, query = [line for line in shared.out.read_text().splitlines() if line.startswith("curl ")][-2:]
    found: list[dict[str, Any]] = []
    while not (found and all(found)):
        assert time.monotonic() < deadline
        told = [json.loads(subprocess.check_output(["sh", "-c", line])) for line in (page, query)]  # noqa: S603, S607
        found = [told[0].get("metrics"), told[1].get("response", {}).get("rows")]
    assert len(found[0]) == 2
    assert {row[1] for row in found[1]} == {"INBOUND", "OUTBOUND"}
    assert sum(row[-2] for row in found[1]) > 500
