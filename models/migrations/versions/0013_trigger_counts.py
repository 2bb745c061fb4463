"""Equal triggers within a minute count on one entry."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trigger_events", sa.Column("count", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("trigger_events", sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE trigger_events SET last_occurred_at = occurred_at")
    op.alter_column("trigger_events", "last_occurred_at", nullable=False)
    op.alter_column("trigger_events", "count", server_default=None)
