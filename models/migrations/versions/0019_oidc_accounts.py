"""Accounts of an OpenID provider, and the way in which a session began."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

# Every action of the audit log, with the new UNLINK_ACCOUNT.
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
)


def upgrade() -> None:
    op.add_column("members", sa.Column("oidc_issuer", sa.Text()))
    op.add_column("members", sa.Column("oidc_subject", sa.Text()))
    op.create_check_constraint(
        op.f("members_oidc_account_is_whole_check"),
        "members",
        "(oidc_issuer IS NULL) = (oidc_subject IS NULL)",
    )
    op.create_index(
        "members_oidc_key",
        "members",
        ["oidc_issuer", "oidc_subject", "workspace_id"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.add_column(
        "member_sessions", sa.Column("method", sa.String(40), server_default="PASSWORD", nullable=False)
    )
    op.create_check_constraint(
        op.f("member_sessions_method_check"), "member_sessions", "method IN ('PASSWORD', 'OIDC')"
    )
    words = ", ".join(f"'{name}'" for name in _ACTIONS)
    for table in ("audit_log", "audit_refusals"):
        op.drop_constraint(op.f(f"{table}_action_check"), table)
        op.create_check_constraint(op.f(f"{table}_action_check"), table, f"action IN ({words})")
