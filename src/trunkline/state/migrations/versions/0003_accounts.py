"""Accounts: a parent, credentials of more kinds, and API keys with roles."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns, empty for the accounts there are: their credentials are made at start; make the keys."""
    with op.batch_alter_table("resources") as table:
        table.add_column(sa.Column("parent", sa.String(64), nullable=False, server_default=""))
        table.add_column(sa.Column("auth_token", sa.Text, nullable=False, server_default=""))
        table.add_column(sa.Column("app_key", sa.Text, nullable=False, server_default=""))
    with op.batch_alter_table("resources") as table:  # what is new from now on must not be empty by oversight
        for name in ("parent", "auth_token", "app_key"):
            table.alter_column(name, server_default=None)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id"),
    )
