"""Brings a database to the schema of this version, with Alembic."""

from __future__ import annotations

from importlib.resources import as_file, files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from trunkline.errors import ConfigurationError
from trunkline.state.database import writing


def upgrade(engine: sa.Engine) -> None:
    """Apply every migration that the database lacks, in one transaction.

    Raises ConfigurationError when a newer version of Trunkline wrote the database.
    """
    with as_file(files("trunkline.state") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        scripts = ScriptDirectory.from_config(config)
        with writing(engine) as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current == scripts.get_current_head():
                return
            if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
                raise ConfigurationError(
                    f"The data folder was written by a newer version of Trunkline (schema {current}); "
                    "start that version, or choose another folder with --data."
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
