"""Which log tables are written where, and how far that has come."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "log_settings",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("name", sa.String(260), nullable=False),
        sa.Column("setting", sa.LargeBinary, nullable=False),
        sa.Column("mark", sa.String(40), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("resource", "name"),
    )
    op.create_table(
        "log_hours",
        sa.Column("mark", sa.String(40), nullable=False),
        sa.Column("log_table", sa.String(80), nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("figure", sa.String(200), nullable=False),
        sa.Column("pending", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("mark", "log_table", "hour"),
    )
    op.create_table(
        "log_known",
        sa.Column("mark", sa.String(40), nullable=False),
        sa.Column("log_table", sa.String(80), nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("digests", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("mark", "log_table", "hour", "number"),
    )
