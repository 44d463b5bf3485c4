"""Annotations of calls, and flags of accounts."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables and the index."""
    op.create_table(
        "annotations",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("leg_id", sa.String(200), nullable=False),
        sa.Column("call_at", sa.BigInteger, nullable=False),
        sa.Column("answered_by", sa.String(20), nullable=False),
        sa.Column("connectivity_issue", sa.String(40), nullable=False),
        sa.Column("quality_issues", sa.JSON, nullable=False),
        sa.Column("spam", sa.Boolean),
        sa.Column("call_score", sa.Integer),
        sa.Column("comment", sa.Text),
        sa.Column("incident", sa.Text),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("resource", "leg_id"),
    )
    op.create_index("annotations_by_call", "annotations", ["resource", "call_at"])
    op.create_table(
        "flags",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("resource", "name"),
    )
