"""Control: unanswered customer messages, kinds of messages, languages, and withdrawn escalations."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OUTCOMES = "'WAITING', 'AVERTED', 'FIRED', 'TAKEN_OVER', 'WITHDRAWN'"


def upgrade() -> None:
    op.add_column("messages", sa.Column("kind", sa.String(40), nullable=True))
    op.execute(
        """UPDATE messages SET kind = CASE content
            WHEN 'A member of our team is taking over this conversation.' THEN 'TAKEN_OVER'
            WHEN 'Our AI assistant is answering in this conversation again.' THEN 'HANDED_BACK'
            ELSE 'CONFIRMATION' END
        WHERE role = 'SYSTEM'"""
    )
    op.create_check_constraint(
        op.f("messages_kind_check"), "messages", "kind IN ('CONFIRMATION', 'TAKEN_OVER', 'HANDED_BACK')"
    )
    op.create_check_constraint(
        op.f("messages_only_baton_has_a_kind_check"), "messages", "kind IS NULL OR role = 'SYSTEM'"
    )
    op.add_column("conversations", sa.Column("customer_message_id", sa.Uuid(), nullable=True))
    for name in ("awaiting_answer", "turn_due"):
        op.add_column(
            "conversations", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    op.add_column("conversations", sa.Column("language", sa.Text(), nullable=True))
    # The way in which an old message came is unknown, so no turn is due for it.
    op.execute(
        """UPDATE conversations SET customer_message_id = last.id, awaiting_answer = NOT EXISTS (
            SELECT 1 FROM messages WHERE conversation_id = conversations.id AND position > last.position
                AND role IN ('ASSISTANT', 'HUMAN') AND status = 'DELIVERED')
        FROM (
            SELECT DISTINCT ON (conversation_id) conversation_id, id, position FROM messages
            WHERE role = 'USER' ORDER BY conversation_id, position DESC) AS last
        WHERE last.conversation_id = conversations.id"""
    )
    op.drop_constraint(op.f("pending_escalations_outcome_check"), "pending_escalations")
    op.create_check_constraint(
        op.f("pending_escalations_outcome_check"), "pending_escalations", f"outcome IN ({_OUTCOMES})"
    )
    # Removed members and viewers cannot answer, so they hold no active escalation.
    op.execute(
        """UPDATE escalations SET assignee_id = NULL FROM members
        WHERE members.id = escalations.assignee_id AND escalations.status <> 'RESOLVED'
            AND (members.removed_at IS NOT NULL OR members.role = 'VIEWER')"""
    )
