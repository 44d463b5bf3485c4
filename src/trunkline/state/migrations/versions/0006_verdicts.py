"""Verdicts: up to where calls have been judged."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table, empty: every call there is will be judged once."""
    op.create_table(
        "verdicts",
        sa.Column("process", sa.String(40), nullable=False),
        sa.Column("judged", sa.BigInteger, nullable=False),
        sa.Column("left_from", sa.BigInteger),
        sa.Column("left_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("process"),
    )
