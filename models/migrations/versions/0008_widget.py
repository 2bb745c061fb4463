"""The widget: identity secrets, identities of customers, and read positions."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_secrets",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("previous_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("identity_secrets_agent_id_fkey")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("identity_secrets_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("identity_secrets_pkey")),
        sa.CheckConstraint(
            "(previous IS NULL) = (previous_expires_at IS NULL)",
            name=op.f("identity_secrets_previous_expires_check"),
        ),
    )
    op.add_column("conversations", sa.Column("customer_subject", sa.Text(), nullable=True))
    for name in ("customer_read_position", "team_read_position"):
        op.add_column(
            "conversations", sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
    op.create_index(
        "conversations_subject_key",
        "conversations",
        ["agent_id", "customer_subject"],
        unique=True,
        postgresql_where=sa.text("customer_subject IS NOT NULL"),
    )
