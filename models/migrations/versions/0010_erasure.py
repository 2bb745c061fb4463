"""Erasure of customers: marks on conversations and deliveries, and the delivery that an alert is about."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "conversations",
        sa.Column("erasure_due", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "conversations_erasure_due_idx",
        "conversations",
        ["erased_at"],
        postgresql_where=sa.text("erasure_due"),
    )
    op.add_column("deliveries", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("about_id", sa.Uuid(), nullable=True))
    op.create_index(
        "deliveries_about_idx", "deliveries", ["about_id"], postgresql_where=sa.text("about_id IS NOT NULL")
    )
    op.create_index(
        "deliveries_digest_idx",
        "deliveries",
        ["digest_id"],
        postgresql_where=sa.text("digest_id IS NOT NULL"),
    )
    op.create_index(
        "deliveries_conversation_idx",
        "deliveries",
        ["conversation_id"],
        postgresql_where=sa.text("conversation_id IS NOT NULL"),
    )
    op.create_index("digest_entries_escalation_idx", "digest_entries", ["escalation_id"])
    # Until now nothing said what an alert is about. A sent alert is shown without its words.
    op.execute("UPDATE deliveries SET body = NULL WHERE event_type = 'alert' AND status <> 'PENDING'")
    op.execute(
        """UPDATE deliveries SET words = jsonb_set(words::jsonb, '{why}', '""')::text
        WHERE event_type = 'alert' AND words IS NOT NULL"""
    )
