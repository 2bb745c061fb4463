"""Saved replies, and the team members who have a conversation open."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_replies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("shortcut", sa.Text(), nullable=False),
        sa.Column("shortcut_key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("saved_replies_pkey")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("saved_replies_workspace_id_fkey")
        ),
        sa.UniqueConstraint("workspace_id", "shortcut_key", name=op.f("saved_replies_workspace_id_key")),
    )
    op.create_table(
        "viewings",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("member_id", "conversation_id", name=op.f("viewings_pkey")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("viewings_member_id_fkey")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("viewings_conversation_id_fkey")
        ),
        prefixes=["UNLOGGED"],
    )
    op.create_index("viewings_conversation_idx", "viewings", ["conversation_id"])
    op.create_index("viewings_ends_at_idx", "viewings", ["ends_at"])
