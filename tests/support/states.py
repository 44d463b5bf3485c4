"""Where the state of a test is kept: SQLite in its folder, or a database of its own on PostgreSQL.

`STATE=postgresql make test` runs every test on PostgreSQL that does not say what it wants; without it the modules of
`ON_BOTH` run on either, the rest on SQLite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import folders
from tests.support.postgres import Postgres, postgres
from trunkline.state.database import Database
from trunkline.state.engine import open_engine
from trunkline.state.migrations import upgrade

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
USUAL = os.environ.get("STATE", SQLITE)
ON_BOTH: dict[str, tuple[str, ...]] = {
    "tests/state": ("test_database", "test_memory"),
    "tests/services": (
        "test_access",
        "test_annotations",
        "test_repeatability",
        "test_resources",
        "test_ticks",
        "test_numbers",
        "test_teams",
        "test_sent",
    ),
    "tests/services/sms": ("test_carriage", "test_sending"),
    "tests/events": ("test_outbox", "test_dispatcher", "test_subscriptions", "test_retention", "test_dead_letters"),
    "tests/delivery": ("test_courier",),
    "tests/insight": ("test_reports", "test_health", "test_alerts"),
}


class _Choice:
    """What the running test wants, and the databases that were made for folders."""

    kind = USUAL
    server: Postgres | None = None
    template = ""
    stack = ExitStack()
    urls: dict[Path, str] = {}  # noqa: RUF012 - one for the run


def runs_on_both(file: Path) -> bool:
    """Tell whether the tests of a module run on either kind."""
    folder = file.parent.as_posix()
    return any(folder.endswith(place) and file.stem in names for place, names in ON_BOTH.items())


@contextmanager
def kept_on(kind: str) -> Iterator[None]:
    """Keep state on one kind of database while the block lasts."""
    before, _Choice.kind = _Choice.kind, kind
    try:
        yield
    finally:
        _Choice.kind = before


def url_for(folder: Path) -> str:
    """Return what the setting `database` is for a folder: the same one whenever it is opened again."""
    if "STATE_URL" in os.environ:  # of a process that a test started and means to kill
        return os.environ["STATE_URL"]
    if _Choice.kind == SQLITE:
        return ""
    if folder not in _Choice.urls:
        _Choice.urls[folder] = server().fresh(like=_migrated())
    return _Choice.urls[folder]


def database_at(folder: Path, *, backlog: int = 20_000) -> Database:
    """Open the database of a folder; an empty one gets its tables."""
    if _Choice.kind == SQLITE:
        folders.furnish(folder, folders.STATE)
    return Database.at(url_for(folder), folder, backlog=backlog)


def server() -> Postgres:
    """Return the server that the run shares."""
    if _Choice.server is None:
        _Choice.server = _Choice.stack.enter_context(postgres())
    return _Choice.server


def _migrated() -> str:
    """Name a database that has its tables: to copy it is much faster than to make them each time."""
    if not _Choice.template:
        url = server().fresh()
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        _Choice.template = url.rpartition("/")[2]
    return _Choice.template


def close() -> None:
    """Stop the server, if one runs."""
    _Choice.server, _Choice.template = None, ""
    _Choice.stack.close()
