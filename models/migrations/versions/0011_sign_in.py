"""Sign-in: counted attempts, alerts of members, families of widget tokens, sessions, and API keys that end."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
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
    _describe_sessions()
    _describe_api_keys()


def _describe_sessions() -> None:
    for name, column, default in (
        ("id", sa.Uuid(), "gen_random_uuid()"),
        ("last_used_at", sa.DateTime(timezone=True), "now()"),
        ("idle_ends_at", sa.DateTime(timezone=True), "now() + interval '12 hours'"),
    ):
        op.add_column(
            "member_sessions", sa.Column(name, column, server_default=sa.text(default), nullable=False)
        )
        op.alter_column("member_sessions", name, server_default=None)
    op.create_unique_constraint("member_sessions_id_key", "member_sessions", ["id"])
    op.add_column("member_sessions", sa.Column("address", sa.Text()))
    op.add_column("member_sessions", sa.Column("user_agent", sa.Text()))


def _describe_api_keys() -> None:
    op.add_column("api_keys", sa.Column("owner_id", sa.Uuid()))
    op.create_foreign_key(op.f("api_keys_owner_id_fkey"), "api_keys", "members", ["owner_id"], ["id"])
    op.add_column("api_keys", sa.Column("networks", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("api_keys", sa.Column("last_address", sa.Text()))
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True)))
