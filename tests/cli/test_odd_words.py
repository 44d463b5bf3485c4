"""Words that no command can use, and output that goes nowhere, end in a sentence, never in a traceback."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PATIENCE_S, environment

NOBODY = ("--url", "http://127.0.0.1:1", "--api-key")
NO_TEXT = os.fsdecode(b"a\xff")


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:abc", "http://a..example", f"http://{'a' * 70}.com"],
)
def test_what_is_no_address_is_refused(trunkline: Any, url: str) -> None:
    """Whatever is wrong with it."""
    done = trunkline("health", "--url", url, "--api-key", "k")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"trunkline: {url!r} is no address of a server: give --url https://host:port.\n"


@pytest.mark.parametrize("end", ["\n", "\r", "ö", "…", os.fsdecode(b"\xff")])
def test_what_can_be_no_key_is_refused_and_not_shown(trunkline: Any, end: str) -> None:
    """A line's end comes with it easily, from a file of settings."""
    done = trunkline("health", *NOBODY[:-1], env={"TRUNKLINE_API_KEY": f"tl_secret{end}"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "line break" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("search", NO_TEXT),
        ("health", "incident", NO_TEXT),
        ("health", "notice", "add", NO_TEXT),
        ("support-files", "add", __file__, "--call-id", NO_TEXT),
    ],
)
def test_a_word_that_is_no_text_is_refused(trunkline: Any, words: tuple[str, ...]) -> None:
    """It cannot be sent."""
    done = trunkline(*words, *NOBODY, "k")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "trunkline: '\\udcff' cannot be written as utf-8: it is no text there.\n"


@pytest.mark.parametrize(
    ("to", "status", "said"),
    [
        (">/dev/full", 1, "trunkline: No space left on device: it went no further.\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
@pytest.mark.parametrize("words", ["catalogue", "events types", "logs --json"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_that_can_go_nowhere_is_said_in_a_sentence(words: str, to: str, status: int, said: str) -> None:
    """A disk that is full; and who closed it wants none."""
    line = f"{shlex.quote(sys.executable)} -m trunkline {words} {to}"
    done = subprocess.run(  # noqa: S602 - our own program, as a shell starts it
        line, shell=True, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment()
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)
