"""`trunkline ask` against a running server."""

from __future__ import annotations

import json
from typing import Any


def test_a_question_is_answered_as_a_table_json_and_csv(shared: Any) -> None:
    """Split, filtered, over time; one row a line with tabs between."""
    assert shared.run("numbers", "list").returncode == 0  # one request at least
    words = ("ask", "requests.count", "--by", "operation", "--where", "operation=ListNumbers", "--since", "1d")
    done = shared.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    name, count = done.stdout.splitlines()[1].split("\t")
    assert (name, int(count) >= 1) == ("ListNumbers", True)
    assert json.loads(shared.run(*words, "--json").stdout)["points"][0]["split"] == ["ListNumbers"]
    sheet = shared.run(*words, "--csv", "--step", "year").stdout.splitlines()
    assert sheet[0] == "at,operation,requests.count"
    assert "FROM requests" in shared.run(*words, "--explain").stdout


def test_a_question_that_cannot_be_answered_says_why(shared: Any) -> None:
    """In a sentence that names what comes nearest."""
    done = shared.run("ask", "request.count")
    assert (done.returncode, done.stdout) == (1, "")
    assert "requests.count" in done.stderr
    done = shared.run("ask", "requests.count", "--where", "operation")
    assert (done.returncode, "column=value" in done.stderr) == (1, True)
