"""`trunkline ask` against a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def test_a_question_is_answered_as_a_table_json_and_csv(shared: Any) -> None:
    """Split, filtered, over time; one row a line with tabs between."""
    assert shared.run("numbers", "list").returncode == 0  # one request at least
    words = ("ask", "requests.count", "--by", "operation", "--where", "operation=ListNumbers", "--since", "1d")
    done = shared.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    name, count = done.stdout.splitlines()[1].split("\t")
    assert (name, int(count) >= 1) == ("ListNumbers", True)
    assert json.loads(shared.run(*words, "--json").stdout)["points"][0]["split"] == ["ListNumbers"]
    sheet = shared.run(*words, "--format", "csv", "--step", "year").stdout.splitlines()
    assert sheet[0] == "at,operation,requests.count"
    assert "FROM requests" in shared.run(*words, "--explain").stdout


def test_a_question_that_cannot_be_answered_says_why(shared: Any) -> None:
    """In a sentence that names what comes nearest."""
    done = shared.run("ask", "request.count")
    assert (done.returncode, done.stdout) == (1, "")
    assert "requests.count" in done.stderr
    done = shared.run("ask", "requests.count", "--where", "operation")
    assert (done.returncode, "column=value" in done.stderr) == (1, True)


def test_an_answer_is_written_to_a_file(shared: Any, tmp_path: Path) -> None:
    """In the form that its name says, or the option."""
    assert shared.run("numbers", "list").returncode == 0
    words = ("ask", "requests.count", "--by", "operation", "--where", "operation=ListNumbers")
    for name in ("a.parquet", "a.arrow", "a.csv", "a.json"):
        done = shared.run(*words, "-o", str(tmp_path / name))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert pq.read_table(tmp_path / "a.parquet").column("operation").to_pylist() == ["ListNumbers"]
    assert pa.ipc.open_stream((tmp_path / "a.arrow").read_bytes()).read_all().num_rows == 1
    assert (tmp_path / "a.csv").read_text().startswith("at,operation,requests.count")
    assert json.loads((tmp_path / "a.json").read_text())["by"] == ["operation"]
    for wrong, said in ((tmp_path / "a.txt", "--format"), (tmp_path / "nowhere" / "a.csv", "cannot be written")):
        done = shared.run(*words, "-o", str(wrong))
        assert (done.returncode != 0, said in done.stderr) == (True, True)


def test_an_answer_is_drawn(shared: Any) -> None:
    """As bars, or over time."""
    assert shared.run("numbers", "list").returncode == 0
    words = ("ask", "requests.count", "--by", "operation", "--where", "operation=ListNumbers", "--plot")
    title, measure, bar = shared.run(*words).stdout.splitlines()
    assert (" to " in title, measure) == (True, "requests.count")
    assert bar.startswith("ListNumbers  ██████████")
    spark = shared.run(*words, "--step", "hour", "--since", "1d").stdout.splitlines()[2]
    assert "█" in spark
