"""The tables of text messages."""

from __future__ import annotations

import sqlalchemy as sa

from trunkline.state.transaction import Moment, metadata

sent = sa.Table(
    "sms_sent",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("sender", sa.String(16), nullable=False),
    sa.Column("recipient", sa.String(16), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("segments", sa.Integer, nullable=False),
    sa.Column("tag", sa.Text),
    sa.Column("wants_report", sa.Boolean, nullable=False),
    sa.Column("cause", sa.String(128), nullable=False),
    sa.Column("sent_at", Moment, nullable=False),
    # sent, delivered or failed
    sa.Column("status", sa.String(20), nullable=False),
    # when something is to be done next; nothing once it is over
    sa.Column("due_at", Moment),
    # what is to be reported then; "" means that the message is to be offered to the carrier
    sa.Column("owed", sa.String(40), nullable=False),
    # what was reported; "" until then
    sa.Column("outcome", sa.String(40), nullable=False),
    # when each offer was made, and whether the carrier took it
    sa.Column("offers", sa.JSON, nullable=False),
    sa.Index(
        "sms_sent_due",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
    sa.Index("sms_sent_of_resource", "resource", "sent_at", "id"),
    sa.Index("sms_sent_of_recipient", "resource", "recipient", "sent_at"),
)

optouts = sa.Table(
    "sms_optouts",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("sender", sa.String(16), primary_key=True),
    sa.Column("recipient", sa.String(16), primary_key=True),
    sa.Column("since", Moment, nullable=False),
)
