"""The caller that recorded each message and each entry of a timeline."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KINDS = ("API_KEY", "TEAM_MEMBER", "CUSTOMER", "SYSTEM")


def upgrade() -> None:
    for table in ("messages", "timeline_entries"):
        kind = sa.Enum(*_KINDS, name="recorder_kind", native_enum=False, length=40)
        op.add_column(table, sa.Column("recorder_kind", kind, nullable=True))
        op.add_column(table, sa.Column("recorder_id", sa.Uuid(), nullable=True))
        words = ", ".join(f"'{name}'" for name in _KINDS)
        op.create_check_constraint(op.f(f"{table}_recorder_kind_check"), table, f"recorder_kind IN ({words})")
