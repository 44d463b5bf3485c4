"""`trunkline alert` against a running server."""

from __future__ import annotations

import json
from typing import Any


def test_a_rule_is_made_listed_and_removed(shared: Any) -> None:
    """On any measure, with conditions and a share."""
    done = shared.run("alert", "add", "bad", "--measure", "requests.failed", "--of", "requests.count", "--above", "0.1")
    assert (done.returncode, done.stdout) == (
        0,
        "bad of trunkline: requests.failed of requests.count above 0.1 over 5 min.\n",
    )
    words = ("--measure", "calls.count", "--absent", "--window", "1h", "--every", "5m", "--severity", "1")
    assert shared.run("alert", "add", "no calls", *words, "--where", "direction=inbound").returncode == 0
    rows = shared.run("alert", "list").stdout.splitlines()[1:]
    assert rows[1] == "no calls\ttrunkline\tcalls.count is absent over 60 min\t5 min\t1\tTrue"
    found = json.loads(shared.run("alert", "list", "--json").stdout)
    assert found[1]["criteria"][0]["where"][0]["values"] == ["inbound"]
    for name in ("bad", "no calls"):
        assert shared.run("alert", "remove", name).stdout == f"{name} is gone.\n"
    assert json.loads(shared.run("alert", "list", "--json").stdout) == []


def test_what_cannot_be_is_refused_in_a_sentence(shared: Any) -> None:
    """Two thresholds or none, a measure that is none, a length that is none."""
    count = ("--measure", "requests.count")
    for words, sentence in (
        (count, "--above"),
        ((*count, "--above", "1", "--absent"), "--above"),
        (("--measure", "requests.cuont", "--above", "1"), "requests.count"),
        ((*count, "--above", "1", "--window", "soon"), "length of time"),
        ((*count, "--above", "1", "--where", "chat"), "COLUMN=VALUE"),
    ):
        done = shared.run("alert", "add", "x", *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
