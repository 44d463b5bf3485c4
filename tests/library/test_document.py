"""docs/python.md is true: every example runs as it stands, and prints what stands below it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"
FENCE = re.compile(r"```(python|text)\n(.*?)```\n", re.DOTALL)


def test_every_example_of_the_document_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are run one after the other, as a reader would."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    printed: list[str] = []
    for kind, text in FENCE.findall(DOCUMENT.read_text(encoding="utf-8")):
        if kind == "python":
            exec(compile(text, str(DOCUMENT), "exec"), names)  # noqa: S102 - the examples are ours
            printed.append(capsys.readouterr().out)
        else:
            assert printed.pop() == text
    assert set(printed) <= {""}, "what an example prints stands below it"
    assert len(names) > 3
