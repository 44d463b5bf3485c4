"""Data folders as a first start leaves them: to copy one takes a hundredth of what making its tables takes."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from trunkline.state.database import Database
from trunkline.state.migrations import upgrade
from trunkline.telemetry.stores.duckdb import DuckDBStore

STATE, FACTS = "state.sqlite", "facts.duckdb"


def furnish(folder: Path, *names: str) -> None:
    """Put empty databases that have their tables into a folder, unless something is in it already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        return
    for name in names:
        shutil.copy(_made() / name, folder)


@cache
def _made() -> Path:
    """Make them once, by the code that a first start runs."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    engine = Database.in_folder(folder).engine
    upgrade(engine)
    engine.dispose()
    DuckDBStore(folder / FACTS).close()
    return folder
