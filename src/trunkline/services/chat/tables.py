"""The tables of chat."""

from __future__ import annotations

import sqlalchemy as sa

from trunkline.state.transaction import Moment, metadata

threads = sa.Table(
    "chat_threads",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("deleted_at", Moment),
    sa.Column("version", sa.BigInteger, nullable=False),
)

participants = sa.Table(
    "chat_participants",
    metadata,
    sa.Column("thread_id", sa.String(80), primary_key=True),
    sa.Column("user_id", sa.String(200), primary_key=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("joined_at", Moment, nullable=False),
    # messages older than this are invisible to the participant
    sa.Column("shared_from", Moment, nullable=False),
    # the number of the participant's joining, so that lists keep one order
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("removed_at", Moment),
    # the first and last message ids that former stays in the thread let the participant read
    sa.Column("earlier", sa.JSON, nullable=False),
    sa.Index("chat_participants_of_user", "user_id"),
)

messages = sa.Table(
    "chat_messages",
    metadata,
    sa.Column("thread_id", sa.String(80), primary_key=True),
    # milliseconds since 1970, unique and growing within a thread
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("sender_id", sa.String(200), nullable=False),
    sa.Column("sender_display_name", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("members", sa.JSON, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("edited_at", Moment),
    sa.Column("deleted_at", Moment),
    sa.Index("chat_messages_by_id", "id"),
)

receipts = sa.Table(
    "chat_receipts",
    metadata,
    sa.Column("thread_id", sa.String(80), primary_key=True),
    sa.Column("user_id", sa.String(200), primary_key=True),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("read_at", Moment, nullable=False),
)
