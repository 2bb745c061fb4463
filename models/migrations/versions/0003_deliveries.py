"""Deliveries and their targets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "planned_logs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("planned_logs_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("planned_logs_pkey")),
    )
    op.create_table(
        "digests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("digests_agent_id_fkey")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("digests_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("digests_pkey")),
        sa.UniqueConstraint("agent_id", "due_at", name=op.f("digests_agent_id_due_at_key")),
    )
    op.create_index(
        "digests_due_idx", "digests", ["due_at"], unique=False, postgresql_where=sa.text("planned_at IS NULL")
    )
    op.create_table(
        "slack_connections",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("team_name", sa.Text(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("slack_connections_agent_id_fkey")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("slack_connections_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("slack_connections_pkey")),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("webhook_endpoints_agent_id_fkey")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("webhook_endpoints_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_endpoints_pkey")),
    )
    op.create_index(op.f("webhook_endpoints_agent_id_idx"), "webhook_endpoints", ["agent_id"], unique=False)
    op.create_table(
        "delivery_targets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "EMAIL",
                "SLACK",
                "WEBHOOK",
                name="channel",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("endpoint_id", sa.Uuid(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("next_job_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alerted_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("delivery_targets_agent_id_fkey")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("delivery_targets_endpoint_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("delivery_targets_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("delivery_targets_pkey")),
        sa.UniqueConstraint(
            "workspace_id", "channel", "key", name=op.f("delivery_targets_workspace_id_channel_key_key")
        ),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "EMAIL",
                "SLACK",
                "WEBHOOK",
                name="channel",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("escalation_id", sa.Uuid(), nullable=True),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("digest_id", sa.Uuid(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "PENDING",
                "DELIVERED",
                "FAILED",
                "DROPPED",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("attempts_made", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("deliveries_agent_id_fkey")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("deliveries_conversation_id_fkey")
        ),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("deliveries_digest_id_fkey")),
        sa.ForeignKeyConstraint(
            ["escalation_id"], ["escalations.id"], name=op.f("deliveries_escalation_id_fkey")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("deliveries_message_id_fkey")),
        sa.ForeignKeyConstraint(
            ["target_id"], ["delivery_targets.id"], name=op.f("deliveries_target_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("deliveries_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
        sa.UniqueConstraint("target_id", "digest_id", name=op.f("deliveries_target_id_digest_id_key")),
        sa.UniqueConstraint("target_id", "position", name=op.f("deliveries_target_id_position_key")),
    )
    op.create_index(
        "deliveries_due_idx",
        "deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "deliveries_escalation_idx", "deliveries", ["escalation_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "deliveries_listing_idx", "deliveries", ["workspace_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "deliveries_next_idx",
        "deliveries",
        ["target_id", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_table(
        "digest_entries",
        sa.Column("digest_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("escalation_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("digest_entries_digest_id_fkey")),
        sa.ForeignKeyConstraint(
            ["escalation_id"], ["escalations.id"], name=op.f("digest_entries_escalation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("digest_id", "position", name=op.f("digest_entries_pkey")),
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("delivery_attempts_delivery_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("delivery_attempts_pkey")),
    )
    op.create_index(
        op.f("delivery_attempts_delivery_id_idx"), "delivery_attempts", ["delivery_id"], unique=False
    )
    # Earlier entries cause no notification.
    op.execute(
        "INSERT INTO planned_logs (workspace_id, position) "
        "SELECT workspaces.id, head FROM workspaces JOIN streams ON streams.id = workspaces.id WHERE NOT scratch"
    )
