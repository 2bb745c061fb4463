"""The audit log, its chain, and the trigger that keeps it append-only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ACTIONS = (
    "SIGN_IN",
    "SIGN_OUT",
    "END_SESSIONS",
    "CHANGE_PASSWORD",
    "RESET_PASSWORD",
    "CONFIRM_SECOND_FACTOR",
    "REMOVE_SECOND_FACTOR",
    "RESET_SECOND_FACTOR",
    "REVOKE_WIDGET_TOKENS",
    "ACCEPT_INVITATION",
    "CREATE_MEMBER",
    "UPDATE_MEMBER",
    "REMOVE_MEMBER",
    "CREATE_API_KEY",
    "ROTATE_API_KEY",
    "REVOKE_API_KEY",
    "CREATE_AGENT",
    "UPDATE_SETTINGS",
    "CONNECT_SLACK",
    "DISCONNECT_SLACK",
    "CREATE_WEBHOOK_ENDPOINT",
    "UPDATE_WEBHOOK_ENDPOINT",
    "ROTATE_WEBHOOK_SECRET",
    "DELETE_WEBHOOK_ENDPOINT",
    "ROTATE_IDENTITY_SECRET",
    "ERASE_CUSTOMER",
    "EXPORT_ESCALATIONS",
    "EXPORT_ANALYTICS",
    "EXPORT_CUSTOMER",
    "EXPORT_AUDIT_LOG",
)
_REFUSE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""
_ROWS = """
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()
"""
_TRUNCATE = """
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""
# Everybody but the owner of the tables: the service's role, whatever its name is.
_REVOKE = """
DO $$ DECLARE grantee text; BEGIN
    FOR grantee IN SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_schema = current_schema() AND g.table_name = 'audit_log' AND g.grantee <> current_user
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM %I', grantee);
    END LOOP;
END $$
"""


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", _enum("actor_kind", "TEAM_MEMBER", "API_KEY", "OPERATOR"), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("action", _enum("action", *_ACTIONS), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("outcome", _enum("outcome", "OK", "REFUSED"), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "position", name=op.f("audit_log_pkey")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("audit_heads_pkey")),
    )
    op.create_table(
        "audit_refusals",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("action", _enum("action", *_ACTIONS), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "action", "member_id", "code", name=op.f("audit_refusals_pkey")
        ),
    )
    for statement in (_REFUSE, _ROWS, _TRUNCATE, _REVOKE):
        op.execute(statement)
