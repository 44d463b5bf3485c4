"""Migrations: from nothing to this version's schema, again and again, and never back from the future."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import trunkline.app
from trunkline.errors import ConfigurationError
from trunkline.state.database import Database
from trunkline.state.migrations import FOLDER, revisions, upgrade
from trunkline.state.transaction import metadata

_PART = re.compile(r",(?![^(]*\))")  # what stands in parentheses of its own is one
assert trunkline.app.House  # imported for the tables of every part


def test_the_steps_lead_to_the_tables_that_the_code_declares(tmp_path: Path) -> None:
    """Alembic finds no difference between the two."""
    engine = Database.in_folder(tmp_path).engine
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_steps_make_each_table_and_index_to_the_letter(tmp_path: Path) -> None:
    """Partial indexes and kept row numbers, which Alembic does not compare, are the same too."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "code").mkdir()
    by_steps, by_code = Database.in_folder(tmp_path / "steps").engine, Database.in_folder(tmp_path / "code").engine
    upgrade(by_steps)
    metadata.create_all(by_code)
    assert schema(by_steps) == schema(by_code)


def schema(engine: sa.Engine) -> dict[str, list[str]]:
    """Return the words that SQLite keeps of each table and index; a column that was added stands on another's line."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    return {
        name: sorted(
            " ".join(part.split())
            for part in _PART.split(sql.replace('"', "").strip().removesuffix(")").replace("(", "(,", 1))
        )
        for name, sql in rows
        if name != "alembic_version"
    }


def test_a_second_upgrade_changes_nothing(tmp_path: Path) -> None:
    """A start on an up-to-date folder leaves it as it is."""
    engine = Database.in_folder(tmp_path).engine
    upgrade(engine)
    before = schema(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO inbox VALUES ('p', 1, 'requests', x'00')")
    upgrade(engine)
    assert schema(engine) == before
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT number FROM inbox").scalar() == 1


def test_a_folder_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """An old program would not understand what the new one keeps; the error says what to do."""
    engine = Database.in_folder(tmp_path).engine
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match=r"newer version of Trunkline \(schema 9999.*--data"):
        upgrade(engine)


@pytest.mark.parametrize(
    ("first", "last", "said"), [(0, 1, "file is not a database"), (1, None, "disk image is malformed")]
)
def test_a_damaged_database_is_named_with_what_helps(tmp_path: Path, first: int, last: int | None, said: str) -> None:
    """Damage shows when it is opened or when its schema is asked for: more space would not help, a backup does."""
    database = Database.in_folder(tmp_path)
    upgrade(database.engine)
    file = tmp_path / "state.sqlite"
    content = bytearray(file.read_bytes())
    part = slice(first * 4096, last * 4096 if last else None)
    content[part] = b"\xa5" * len(content[part])
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"state.sqlite is damaged: .*{said}. Restore .*backup; or move"):
        upgrade(database.engine)


def test_a_database_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    """A table that is in the way stops the upgrade, and nothing of it stays."""
    engine = Database.in_folder(tmp_path).engine
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE outbox (x)")
    with pytest.raises(ConfigurationError, match=r"outbox already exists\. Nothing was changed"):
        upgrade(engine)
    assert list(schema(engine)) == ["outbox"]


def test_the_names_of_the_files_are_the_order_of_the_steps() -> None:
    """The head that the files' names tell is Alembic's own, so that most starts need not ask it."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "newline")
    scripts = ScriptDirectory.from_config(config)
    assert revisions() == [script.revision for script in scripts.walk_revisions()][::-1]
    assert revisions()[-1] == scripts.get_current_head()


def test_the_steps_stand_by_themselves() -> None:
    """A step made once is never changed by what the code becomes: it imports nothing of ours."""
    for file in (FOLDER / "versions").glob("*.py"):
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
        }
        assert imported <= {"__future__", "sqlalchemy", "alembic"}


def test_a_start_on_a_current_folder_does_without_alembic(tmp_path: Path) -> None:
    """Its import costs a tenth of a second, which only a change of the schema is worth."""
    upgrade(Database.in_folder(tmp_path).engine)
    program = (
        "import pathlib, sys\n"
        "from trunkline.state.database import Database\n"
        "from trunkline.state.migrations import upgrade\n"
        "upgrade(Database.in_folder(pathlib.Path(sys.argv[1])).engine)\n"
        "print('alembic' in sys.modules)\n"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "False"
