"""Sign-in: counted attempts, alerts of members, and families of widget tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("sign_in_attempts_pkey")),
    )
    op.create_index("sign_in_attempts_last_idx", "sign_in_attempts", ["last_at"])
    op.add_column("members", sa.Column("alerted_on", sa.Date()))
    op.add_column(
        "conversations", sa.Column("widget_family", sa.Integer(), server_default="0", nullable=False)
    )
