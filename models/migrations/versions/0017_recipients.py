"""Confirmed recipients, and the time of the last sample of each target."""

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
    connection = op.get_bind()
    for workspace_id, address in connection.execute(sa.text(_RECIPIENTS)).all():
        key = unicodedata.normalize("NFC", address).lower()
        connection.execute(sa.text(_CONFIRM), {"id": uuid4(), "workspace_id": workspace_id, "key": key})
