"""The first schema: everything that the state keeps."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _make_access()
    _make_threads()
    _make_messages()
    _make_events()
    _make_deliveries()
    _make_facts()


def _make_access() -> None:
    """Make the resources, the keys that sign, and the identities."""
    op.create_table(
        "resources",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("immutable_id", sa.String(36), nullable=False),
        sa.Column("subscription_id", sa.String(36), nullable=False),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("resource_group", sa.String(90), nullable=False),
        sa.Column("key1", sa.Text, nullable=False),
        sa.Column("key2", sa.Text, nullable=False),
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("immutable_id"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("private_pem", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
    )
    op.create_table(
        "identities",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
        sa.Column("revoked_tick", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("identities_revoked", "identities", ["revoked_tick"])
    op.create_table(
        "repeats",
        sa.Column("scope", sa.String(300), nullable=False),
        sa.Column("request", sa.String(128), nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("scope", "request"),
    )
    op.create_index("ix_repeats_made_at", "repeats", ["made_at"])


def _make_threads() -> None:
    """Make the chat threads and who takes part."""
    op.create_table(
        "chat_threads",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "chat_participants",
        sa.Column("thread_id", sa.String(80), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("joined_at", sa.BigInteger, nullable=False),
        sa.Column("shared_from", sa.BigInteger, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger),
        sa.Column("earlier", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "user_id"),
    )
    op.create_index("chat_participants_of_user", "chat_participants", ["user_id"])


def _make_messages() -> None:
    """Make the chat messages and who has read them."""
    op.create_table(
        "chat_messages",
        sa.Column("thread_id", sa.String(80), nullable=False),
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("sender_id", sa.String(200), nullable=False),
        sa.Column("sender_display_name", sa.Text, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("members", sa.JSON, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("edited_at", sa.BigInteger),
        sa.Column("deleted_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("thread_id", "id"),
    )
    op.create_table(
        "chat_receipts",
        sa.Column("thread_id", sa.String(80), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "user_id"),
    )


def _make_events() -> None:
    """Make the events to be told, and who wants to hear of them."""
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.String(128), nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.Column("told_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("outbox_untold", "outbox", ["told_at", "number"])
    op.create_table(
        "subscriptions",
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("resource", "name"),
        sa.UniqueConstraint("id"),
    )


def _make_deliveries() -> None:
    """Make the parcels on their way."""
    op.create_table(
        "parcels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription", sa.String(36), nullable=False),
        sa.Column("subscription_name", sa.String(64), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("count_header", sa.String(64), nullable=False),
        sa.Column("event_type", sa.String(128), nullable=False),
        sa.Column("event_ids", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("most_attempts", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_status", sa.Integer, nullable=False),
        sa.Column("last_outcome", sa.String(16), nullable=False),
        sa.Column("tried_at", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "parcels_finished",
        "parcels",
        ["state", "finished_at"],
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "parcels_waiting",
        "parcels",
        ["subscription", "due_at"],
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def _make_facts() -> None:
    """Make the facts on their way into the fact store."""
    op.create_table(
        "inbox",
        sa.Column("process", sa.String(40), nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("fact", sa.String(40), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("process", "number"),
    )
