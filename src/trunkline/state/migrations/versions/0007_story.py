"""What an id leads to: the requests behind a parcel's events, and the program brief of a number."""  # noqa: INP001 - Alembic finds it by its file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; nothing stands in them for what there is."""
    op.add_column("parcels", sa.Column("causes", sa.LargeBinary))
    op.add_column("numbers", sa.Column("brief_id", sa.String(100)))
