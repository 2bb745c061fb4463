"""Summaries of escalations, unverified customers, and indexes for lists and for words in any spelling."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _folded(column: str) -> sa.TextClause:
    return sa.text(f"lower(normalize({column}, NFKC))")


def upgrade() -> None:
    op.add_column("escalations", sa.Column("summary", sa.Text(), nullable=True))
    op.add_column("escalations", sa.Column("metadata", postgresql.JSONB(none_as_null=True), nullable=True))
    # Until now only API keys and team members named customers.
    op.add_column(
        "conversations",
        sa.Column("customer_verified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.execute(
        """UPDATE conversations SET customer_verified = true
        WHERE coalesce(customer_external_id, customer_email, customer_name) IS NOT NULL"""
    )
    op.create_index(
        "conversations_activity_idx",
        "conversations",
        ["workspace_id", sa.text("coalesce(last_message_at, created_at)"), "id"],
    )
    op.create_index(
        "conversations_external_id_idx",
        "conversations",
        ["workspace_id", _folded("customer_external_id")],
        postgresql_where=sa.text("customer_external_id IS NOT NULL"),
    )
    op.drop_index("conversations_customer_idx", "conversations")
    op.create_index(
        "conversations_customer_idx", "conversations", ["workspace_id", _folded("customer_email")]
    )
    op.drop_index("members_email_key", "members")
    op.create_index(
        "members_email_key",
        "members",
        ["workspace_id", _folded("email")],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.drop_index("members_sign_in_idx", "members")
    op.create_index(
        "members_sign_in_idx",
        "members",
        [_folded("email")],
        postgresql_where=sa.text("removed_at IS NULL"),
    )
