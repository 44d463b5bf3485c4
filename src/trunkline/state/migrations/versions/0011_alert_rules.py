"""Alert rules."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "alert_rules",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("name", sa.String(260), nullable=False),
        sa.Column("rule", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("resource", "name"),
    )
