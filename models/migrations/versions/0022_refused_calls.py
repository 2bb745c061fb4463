"""Actions of the audit log on refused calls and on commands, and the sessions that have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Every action of the audit log; the new ones are the last seven.
_ACTIONS = (
    "SIGN_IN",
    "SIGN_OUT",
    "END_SESSIONS",
    "CHANGE_PASSWORD",
    "RESET_PASSWORD",
    "CONFIRM_SECOND_FACTOR",
    "REMOVE_SECOND_FACTOR",
    "RESET_SECOND_FACTOR",
    "UNLINK_ACCOUNT",
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
    "CALL_OPERATION",
    "USE_CREDENTIAL",
    "CREATE_WORKSPACE",
    "MIGRATE_DATABASE",
    "ROTATE_SECRET_KEY",
    "RESEAL_SECRETS",
    "FORGET_SECRET_KEYS",
)
_KEEP = """
CREATE FUNCTION keep_ended_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ended_sessions (token_hash, member_id, ended_at, expired)
    VALUES (OLD.token_hash, OLD.member_id, now(), least(OLD.expires_at, OLD.idle_ends_at) <= now())
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE TRIGGER member_sessions_ended AFTER DELETE ON member_sessions
FOR EACH ROW EXECUTE FUNCTION keep_ended_session()
"""
# Processes of the version before go on ending sessions, and their transactions fire the trigger.
_GRANT = """
DO $$ DECLARE grantee text; BEGIN
    FOR grantee IN SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_schema = current_schema() AND g.table_name = 'member_sessions'
            AND g.privilege_type = 'DELETE' AND g.grantee <> current_user
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ended_sessions TO %I', grantee);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "ended_sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("ended_sessions_member_id_fkey")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("ended_sessions_pkey")),
    )
    for statement in (_KEEP, _GRANT, _TRIGGER):
        op.execute(statement)
    words = ", ".join(f"'{name}'" for name in _ACTIONS)
    for table in ("audit_log", "audit_refusals"):
        op.drop_constraint(op.f(f"{table}_action_check"), table)
        op.create_check_constraint(op.f(f"{table}_action_check"), table, f"action IN ({words})")
