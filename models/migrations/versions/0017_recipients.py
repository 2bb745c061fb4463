"""Confirmed recipients, the time of the last sample, digests of storms, and counts of mails."""

import unicodedata
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

# Recipients who got notifications before addresses had to be confirmed go on getting them.
_RECIPIENTS = """
SELECT DISTINCT workspace_id, address
FROM agents, jsonb_array_elements_text(settings #> '{notifications,email,recipients}') address
"""
_CONFIRM = """
INSERT INTO delivery_targets (id, workspace_id, channel, key, confirmed_at)
VALUES (:id, :workspace_id, 'EMAIL', :key, now())
ON CONFLICT (workspace_id, channel, key) DO UPDATE SET confirmed_at = excluded.confirmed_at
"""


def upgrade() -> None:
    for name in ("sampled_at", "confirmed_at", "confirmation_sent_at"):
        op.add_column("delivery_targets", sa.Column(name, sa.DateTime(timezone=True)))
    for table in ("delivery_targets", "planned_logs"):
        op.add_column(table, sa.Column("mails_since", sa.DateTime(timezone=True)))
        op.add_column(table, sa.Column("mails", sa.Integer(), server_default="0", nullable=False))
    _digests()
    connection = op.get_bind()
    for workspace_id, address in connection.execute(sa.text(_RECIPIENTS)).all():
        key = unicodedata.normalize("NFC", address).lower()
        connection.execute(sa.text(_CONFIRM), {"id": uuid4(), "workspace_id": workspace_id, "key": key})


def _digests() -> None:
    op.add_column("digests", sa.Column("event_type", sa.Text(), server_default="digest", nullable=False))
    op.add_column("digests", sa.Column("since", sa.DateTime(timezone=True)))
    op.add_column("digests", sa.Column("target_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("digests_target_id_fkey"), "digests", "delivery_targets", ["target_id"], ["id"]
    )
    op.drop_constraint("digests_agent_id_due_at_key", "digests")
    op.create_unique_constraint(
        "digests_key",
        "digests",
        ["agent_id", "due_at", "event_type", "target_id"],
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "mailed_notices",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notices", sa.Integer(), nullable=False),
        sa.Column("continues", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("mailed_notices_agent_id_fkey")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("mailed_notices_pkey")),
    )
