"""Analytics: business seconds of escalations, roll-ups, and triggers that note what has changed."""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from rules.business_hours import hours_of

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DAY_PARTS = ("counts", "sums", "last_replies", "resolutions", "details", "replies", "risks", "reviews")
_MONTH_PARTS = (
    "totals",
    "assignee_counts",
    "reasons",
    "calibration",
    "counts",
    "last_replies",
    "resolutions",
    "risks",
    "reviews",
)

# A change concerns the hour in which an escalation was created, and that in which its conversation started.
_FUNCTIONS = """
CREATE FUNCTION note_analytics_change(agent uuid, instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO analytics_changes (agent_id, hour) VALUES (agent, date_trunc('hour', instant, 'UTC'));
END $$;

CREATE FUNCTION note_conversation_change(conversation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO analytics_changes (agent_id, hour)
    SELECT agent_id, date_trunc('hour', created_at, 'UTC') FROM conversations WHERE id = conversation;
END $$;

CREATE FUNCTION analytics_of_conversation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_analytics_change(OLD.agent_id, OLD.created_at);
    PERFORM note_analytics_change(NEW.agent_id, NEW.created_at);
    RETURN NULL;
END $$;

CREATE FUNCTION analytics_of_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_conversation_change(coalesce(NEW.conversation_id, OLD.conversation_id));
    RETURN NULL;
END $$;

CREATE FUNCTION analytics_of_escalation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM note_analytics_change(OLD.agent_id, OLD.created_at);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.created_at <> OLD.created_at) THEN
        PERFORM note_analytics_change(NEW.agent_id, NEW.created_at);
    END IF;
    PERFORM note_conversation_change(coalesce(NEW.conversation_id, OLD.conversation_id));
    RETURN NULL;
END $$;

CREATE FUNCTION analytics_of_trigger_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_conversation_change(
        (SELECT conversation_id FROM escalations WHERE id = coalesce(NEW.escalation_id, OLD.escalation_id))
    );
    RETURN NULL;
END $$;

CREATE FUNCTION analytics_of_pending_escalation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM note_analytics_change(OLD.agent_id, OLD.requested_at);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.requested_at <> OLD.requested_at) THEN
        PERFORM note_analytics_change(NEW.agent_id, NEW.requested_at);
    END IF;
    RETURN NULL;
END $$;
"""

_ESCALATION_COLUMNS = (
    "status",
    "priority",
    "trigger",
    "reason",
    "assignee_id",
    "created_at",
    "sla_due_at",
    "sla_stopped_at",
    "sla_status",
    "first_responded_at",
    "resolved_at",
    "disposition",
    "first_response_business_us",
    "resolution_business_us",
)


def _changed(columns: tuple[str, ...]) -> str:
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"({old}) IS DISTINCT FROM ({new})"


_SHOWN = "role = 'ASSISTANT' AND {row}.status = 'DELIVERED'"
_NEW_REPLY = f"NEW.{_SHOWN.format(row='NEW')}"
_OLD_REPLY = f"OLD.{_SHOWN.format(row='OLD')}"

# (table, function, event, condition)
_TRIGGERS = (
    ("conversations", "conversation", "UPDATE OF created_at, agent_id", ""),
    ("messages", "message", "INSERT", _NEW_REPLY),
    ("messages", "message", "UPDATE OF status, confidence, created_at", f"({_OLD_REPLY}) OR ({_NEW_REPLY})"),
    ("messages", "message", "DELETE", _OLD_REPLY),
    ("escalations", "escalation", "INSERT", ""),
    ("escalations", "escalation", "UPDATE", _changed(_ESCALATION_COLUMNS)),
    ("escalations", "escalation", "DELETE", ""),
    ("trigger_events", "trigger_event", "INSERT", "NEW.trigger <> 'LOW_CONFIDENCE'"),
    ("trigger_events", "trigger_event", "UPDATE OF occurred_at", ""),
    ("pending_escalations", "pending_escalation", "INSERT", "NEW.outcome <> 'WAITING'"),
    ("pending_escalations", "pending_escalation", "UPDATE", _changed(("outcome", "requested_at"))),
)


def upgrade() -> None:
    for name in ("first_response_business_us", "resolution_business_us"):
        op.add_column("escalations", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_table(
        "analytics_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("analytics_changes_pkey")),
    )
    _create_rollup("analytics_days", "day", _DAY_PARTS)
    _create_rollup(
        "analytics_months", "month", _MONTH_PARTS, sa.Column("stale", sa.Boolean(), nullable=False)
    )
    _fill_business_time()
    _note_everything()
    for statement in _FUNCTIONS.strip().split("$$;"):
        if statement.strip():
            op.execute(f"{statement}$$")
    for table, function, event, condition in _TRIGGERS:
        name = f"analytics_{event.split()[0].lower()}"
        when = f"WHEN ({condition}) " if condition else ""
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} "
            f"FOR EACH ROW {when}EXECUTE FUNCTION analytics_of_{function}()"
        )


def _create_rollup(table: str, period: str, parts: tuple[str, ...], *more: sa.Column[bool]) -> None:
    op.create_table(
        table,
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(period, sa.Date(), nullable=False),
        *more,
        sa.Column("assignees", sa.ARRAY(sa.Uuid()), nullable=False),
        *(sa.Column(part, sa.LargeBinary(), nullable=False) for part in parts),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f(f"{table}_agent_id_fkey")),
        sa.PrimaryKeyConstraint("agent_id", period, name=op.f(f"{table}_pkey")),
    )
    for part in parts:
        # They are read in part, and compress badly.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {part} SET STORAGE EXTERNAL")


def _fill_business_time() -> None:
    """Compute the business time of what was answered or resolved before."""
    connection = op.get_bind()
    result = connection.execute(
        sa.text(
            "SELECT id, created_at, first_responded_at, resolved_at, sla_policy -> 'business_hours' "
            "FROM escalations WHERE coalesce(first_responded_at, resolved_at) IS NOT NULL"
        )
    ).all()
    if not result:
        return
    update = sa.text(
        "UPDATE escalations SET first_response_business_us = :response, resolution_business_us = :resolution "
        "WHERE id = :id"
    )
    rows = []
    for key, created_at, responded_at, resolved_at, document in result:
        hours = hours_of(document)
        response, resolution = (
            end and hours.between(created_at, end) // timedelta(microseconds=1)
            for end in (responded_at, resolved_at)
        )
        rows.append({"id": key, "response": response, "resolution": resolution})
    connection.execute(update, rows)


def _note_everything() -> None:
    """Leave it to the worker to take in what is there already."""
    op.execute(
        "INSERT INTO analytics_changes (agent_id, hour) "
        "SELECT agent_id, date_trunc('hour', created_at, 'UTC') FROM conversations UNION "
        "SELECT agent_id, date_trunc('hour', created_at, 'UTC') FROM escalations UNION "
        "SELECT agent_id, date_trunc('hour', requested_at, 'UTC') FROM pending_escalations"
    )
