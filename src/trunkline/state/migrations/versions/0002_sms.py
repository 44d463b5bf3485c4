"""Text messages: numbers, what was sent, who opted out; and chat messages found by when they came."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables and the index."""
    _make_sent()
    _make_others()
    op.create_index("chat_messages_by_id", "chat_messages", ["id"])


def _make_sent() -> None:
    """Make what was sent."""
    op.create_table(
        "sms_sent",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("sender", sa.String(16), nullable=False),
        sa.Column("recipient", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("tag", sa.Text),
        sa.Column("wants_report", sa.Boolean, nullable=False),
        sa.Column("cause", sa.String(128), nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("owed", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("offers", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("sms_sent_due", "sms_sent", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_index("sms_sent_of_resource", "sms_sent", ["resource", "sent_at", "id"])
    op.create_index("sms_sent_of_recipient", "sms_sent", ["resource", "recipient", "sent_at"])


def _make_others() -> None:
    """Make the numbers, and who opted out."""
    op.create_table(
        "numbers",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("resource", "number"),
    )
    op.create_table(
        "sms_optouts",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("sender", sa.String(16), nullable=False),
        sa.Column("recipient", sa.String(16), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("resource", "sender", "recipient"),
    )
