"""Analytics: changes are noted by the quarter of an hour, and months are packed in another form."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION note_analytics_change(agent uuid, instant timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO analytics_changes (agent_id, slot)
    VALUES (agent, date_bin('15 minutes', instant, timestamptz 'epoch'));
END $$
""",
    """
CREATE OR REPLACE FUNCTION note_conversation_change(conversation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO analytics_changes (agent_id, slot)
    SELECT agent_id, date_bin('15 minutes', created_at, timestamptz 'epoch')
    FROM conversations WHERE id = conversation;
END $$
""",
)


def upgrade() -> None:
    op.alter_column("analytics_changes", "hour", new_column_name="slot")
    # A note of an hour now is its first quarter: note the other three.
    op.execute(
        "INSERT INTO analytics_changes (agent_id, slot) "
        "SELECT agent_id, slot + place * interval '15 minutes' "
        "FROM analytics_changes, generate_series(1, 3) AS place"
    )
    for function in _FUNCTIONS:
        op.execute(function)
    op.execute("UPDATE analytics_months SET stale = true")
