"""Brings a database to the schema of this version, with Alembic.

Each file in `versions` is one step, named by its revision; a database at the last one needs no Alembic at all.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from trunkline.errors import ConfigurationError
from trunkline.state.engine import is_damage, refusal, settle_schema, writing

FOLDER = Path(__file__).parent
_VERSION: sa.Select[str] = sa.select(sa.column("version_num")).select_from(sa.table("alembic_version"))


def upgrade(engine: sa.Engine) -> None:
    """Apply every migration that the database lacks, in one transaction.

    Raises ConfigurationError when a newer version of Trunkline wrote the database, or when it is damaged or cannot be
    changed.
    """
    try:
        _upgrade(engine)
    except DBAPIError as error:
        raise refusal(engine, error) from error


def _upgrade(engine: sa.Engine) -> None:
    known = revisions()
    with writing(engine) as connection:
        current = _current(connection)
        if current == known[-1]:
            return
        if current and current not in known:
            raise ConfigurationError(
                f"The state was written by a newer version of Trunkline (schema {current}; this one knows "
                f"{known[-1]}). Start that version, or choose another folder with --data or another database."
            )
        try:
            _apply(connection)
        except DBAPIError as error:
            if is_damage(error):
                raise
            raise ConfigurationError(
                f"The state database cannot be brought from schema {current or 'nothing'} to {known[-1]}: "
                f"{error.orig}. Nothing was changed."
            ) from error


def revisions() -> list[str]:
    """List the revisions that this version knows, the first one first."""
    return sorted(file.name.partition("_")[0] for file in (FOLDER / "versions").glob("[0-9]*_*.py"))


def _current(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(_VERSION).scalar() or "")


def _apply(connection: sa.Connection) -> None:
    # a tenth of a second to import, which only a start that changes the schema has to spend
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    settle_schema(connection)
