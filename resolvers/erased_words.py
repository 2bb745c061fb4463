"""The statements that remove words of a customer from every table that holds some."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from realtime.transaction import Transaction
from rules.triggers import REASONS

# Replaces words that a column cannot do without.
ERASED = "[erased]"
ERASED_REASON = "erased"

# By their places, which last as long as the conversations are locked: no index is searched for each.
_MESSAGES = text(
    """
    UPDATE messages SET content = :erased, intents = '{}', metadata = NULL
    WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM messages
        WHERE conversation_id = ANY(:conversations)
            AND (content <> :erased OR intents <> '{}' OR metadata IS NOT NULL)
        LIMIT :limit
    ))
    """
)

# The reasons of Baton's own triggers are words of the API; those of callers are theirs.
_OWN_REASONS = bindparam("own", list(REASONS.values()), ARRAY(Text))
_ESCALATIONS = (
    """
    UPDATE escalations SET detail = NULL, summary = NULL, metadata = NULL, resolution_note = NULL,
        confirmation = :erased,
        reason = CASE WHEN reason = ANY(:own) THEN reason ELSE :reason END
    WHERE conversation_id = ANY(:conversations)
    """,
    """
    UPDATE trigger_events SET detail = NULL,
        reason = CASE WHEN reason = ANY(:own) THEN reason ELSE :reason END
    WHERE escalation_id IN (SELECT id FROM escalations WHERE conversation_id = ANY(:conversations))
        AND (detail IS NOT NULL OR reason <> ALL(:own))
    """,
    """
    UPDATE escalation_notes SET body = :erased
    WHERE escalation_id IN (SELECT id FROM escalations WHERE conversation_id = ANY(:conversations))
    """,
    """
    UPDATE timeline_entries SET data = data
        || CASE WHEN data ? 'detail' THEN '{"detail": null}' ELSE '{}' END::jsonb
        || CASE WHEN NOT data ? 'reason' OR data ->> 'reason' = ANY(:own) THEN '{}'::jsonb
            ELSE jsonb_build_object('reason', CAST(:reason AS text)) END
    WHERE escalation_id IN (SELECT id FROM escalations WHERE conversation_id = ANY(:conversations))
        AND (data ? 'detail' OR data ? 'reason')
    """,
)

_TOOL_FAILURES = text("DELETE FROM tool_failures WHERE conversation_id = ANY(:conversations)")

# While they are locked, nothing plans deliveries of the workspace, or of a digest.
_LOCK_PLANNER = text("SELECT position FROM planned_logs WHERE workspace_id = :workspace FOR UPDATE")
_LOCK_DIGESTS = text(
    """
    SELECT id FROM digests WHERE id IN (
        SELECT digest_id FROM digest_entries
        WHERE escalation_id IN (SELECT id FROM escalations WHERE conversation_id = ANY(:conversations))
    ) ORDER BY id FOR UPDATE
    """
)

# `own` is false for digests, which are about other customers too, and for alerts.
_LOCK_DELIVERIES = text(
    """
    WITH own AS (
        SELECT id FROM deliveries WHERE conversation_id = ANY(:conversations)
        UNION SELECT id FROM deliveries
        WHERE escalation_id IN (SELECT id FROM escalations WHERE conversation_id = ANY(:conversations))
    ), shown AS (
        SELECT id FROM own UNION SELECT id FROM deliveries WHERE digest_id = ANY(:digests)
    ), touched AS (
        SELECT id FROM shown UNION SELECT id FROM deliveries WHERE about_id IN (SELECT id FROM shown)
    )
    SELECT id, id IN (SELECT id FROM own) AS own FROM deliveries
    WHERE id IN (SELECT id FROM touched) ORDER BY id FOR UPDATE
    """
)
_CLEAR_DELIVERIES = text(
    """
    UPDATE deliveries SET body = NULL, erased_at = :now,
        words = jsonb_set(words::jsonb, '{why}', '""')::text,
        note = CASE WHEN status = 'FAILED' THEN 'It failed; the customer was erased.' ELSE note END
    WHERE id = ANY(:deliveries)
    """
)
_DROP_DELIVERIES = text(
    """
    UPDATE deliveries SET status = 'DROPPED', note = 'The customer was erased before this was sent.',
        next_attempt_at = NULL, ended_at = :now
    WHERE id = ANY(:deliveries) AND status = 'PENDING'
    """
)
_ATTEMPTS = text("UPDATE delivery_attempts SET response = NULL WHERE delivery_id = ANY(:deliveries)")

# Keys are kept for a day, and no index leads to them by their results.
_KEYS = text(
    """
    DELETE FROM idempotency_keys WHERE scope_id = :conversation
        OR result ->> 'conversation' = CAST(:conversation AS text)
        OR result ->> 'escalation' IN (
            SELECT CAST(id AS text) FROM escalations WHERE conversation_id = :conversation)
        OR result ->> 'message' IN (
            SELECT CAST(id AS text) FROM messages WHERE conversation_id = :conversation)
    """
)


async def erase_messages(session: AsyncSession, conversations: Sequence[UUID], limit: int) -> int:
    """Remove the words of up to `limit` messages of locked conversations; return how many had some."""
    result: Any = await session.execute(
        _MESSAGES, {"conversations": conversations, "erased": ERASED, "limit": limit}
    )
    return int(result.rowcount)


async def erase_escalations(session: AsyncSession, conversations: Sequence[UUID]) -> None:
    """Remove the words of the escalations, triggers, notes and timelines of locked conversations."""
    values = {"conversations": conversations, "erased": ERASED, "reason": ERASED_REASON}
    for statement in _ESCALATIONS:
        clause = text(statement)
        if ":own" in statement:
            clause = clause.bindparams(_OWN_REASONS)
        wanted = {name: value for name, value in values.items() if f":{name}" in statement}
        await session.execute(clause, wanted)


async def erase_tool_failures(session: AsyncSession, conversations: Sequence[UUID]) -> None:
    """Forget which tools have failed in locked conversations."""
    await session.execute(_TOOL_FAILURES, {"conversations": conversations})


async def erase_deliveries(tx: Transaction, workspace_id: UUID, conversations: Sequence[UUID]) -> None:
    """Remove the bodies and answers of the deliveries of a workspace's locked conversations.

    Those that wait are dropped.

    Deliveries that are rendered at the moment are not sent: the claim sees the time of the erasure.
    """
    session = tx.session
    await session.execute(_LOCK_PLANNER, {"workspace": workspace_id})
    digests = list(await session.scalars(_LOCK_DIGESTS, {"conversations": conversations}))
    wanted = {"conversations": conversations, "digests": digests}
    rows = (await session.execute(_LOCK_DELIVERIES, wanted)).all()
    touched = {"deliveries": [row.id for row in rows]}
    await session.execute(_CLEAR_DELIVERIES, {**touched, "now": tx.now})
    await session.execute(_ATTEMPTS, touched)
    own = [row.id for row in rows if row.own]
    await session.execute(_DROP_DELIVERIES, {"deliveries": own, "now": tx.now})


async def forget_keys(session: AsyncSession, conversation_id: UUID) -> None:
    """Delete the idempotency keys of a conversation: a key is a caller's word as well."""
    await session.execute(_KEYS, {"conversation": conversation_id})
