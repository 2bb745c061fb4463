"""Announcements of SLA clocks, and pending escalations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RUNNING = sa.text("sla_stopped_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "pending_escalations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "WAITING",
                "AVERTED",
                "FIRED",
                "TAKEN_OVER",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'WAITING') = (ended_at IS NULL)",
            name=op.f("pending_escalations_ended_has_a_time_check"),
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("pending_escalations_agent_id_fkey")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("pending_escalations_conversation_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("pending_escalations_message_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("pending_escalations_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pending_escalations_pkey")),
    )
    waiting = sa.text("outcome = 'WAITING'")
    op.create_index(
        "pending_escalations_waiting_key",
        "pending_escalations",
        ["conversation_id"],
        unique=True,
        postgresql_where=waiting,
    )
    op.create_index(
        "pending_escalations_due_idx", "pending_escalations", ["fires_at"], postgresql_where=waiting
    )
    op.create_index("pending_escalations_agent_idx", "pending_escalations", ["agent_id", "requested_at"])
    op.add_column("conversations", sa.Column("pending_escalation_id", sa.Uuid(), nullable=True))
    op.add_column("escalations", sa.Column("sla_next_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "escalations",
        sa.Column(
            "sla_status",
            sa.Enum(
                "ON_TRACK",
                "AT_RISK",
                "BREACHED",
                name="sla_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="ON_TRACK",
            nullable=False,
        ),
    )
    op.execute(_TAKE_OVER)
    op.create_index(
        "escalations_clock_due_idx",
        "escalations",
        ["workspace_id", "sla_status", "sla_due_at", "id"],
        postgresql_where=_RUNNING,
    )
    op.create_index(
        "escalations_clock_at_risk_idx",
        "escalations",
        ["workspace_id", "sla_status", "sla_at_risk_at"],
        postgresql_where=_RUNNING,
    )
    op.create_index(
        "escalations_stopped_idx",
        "escalations",
        ["workspace_id", "sla_status", "created_at"],
        postgresql_where=sa.text("sla_stopped_at IS NOT NULL"),
    )
    op.create_index(
        "escalations_next_idx",
        "escalations",
        ["sla_next_at"],
        postgresql_where=sa.text("sla_next_at IS NOT NULL"),
    )


# What has passed by now is taken as announced; what is still to come will be.
_TAKE_OVER = """
WITH stands AS (
    SELECT escalations.id, sla_at_risk_at, sla_due_at,
           sla_stopped_at IS NULL AND NOT workspaces.scratch AS running,
           coalesce(sla_stopped_at, now()) AS at
    FROM escalations JOIN workspaces ON workspaces.id = workspace_id
)
UPDATE escalations SET
    sla_status = CASE
        WHEN stands.at >= stands.sla_due_at THEN 'BREACHED'
        WHEN stands.at >= stands.sla_at_risk_at THEN 'AT_RISK'
        ELSE 'ON_TRACK' END,
    sla_next_at = CASE
        WHEN NOT stands.running OR stands.at >= stands.sla_due_at THEN NULL
        WHEN stands.at >= stands.sla_at_risk_at THEN stands.sla_due_at
        ELSE stands.sla_at_risk_at END
FROM stands WHERE stands.id = escalations.id
"""
