"""The timeline of an escalation and its entries in the workspace's log, one per fact."""

from collections.abc import Mapping
from typing import Any

from models.escalation import Escalation, TimelineEntry
from models.plain_row import new_row
from realtime.transaction import Transaction
from resolvers.actor import Actor, recorder_of
from rules.escalation import TimelineKind


def write_fact(
    tx: Transaction,
    escalation: Escalation,
    kind: TimelineKind,
    actor: Actor | None,
    extra_data: Mapping[str, str] | None = None,
    **data: Any,
) -> None:
    """Write the fact `kind` with `data` (ids and enum values) to the timeline and the workspace's log.

    The log entry holds ids, the position in the timeline, the version, and `extra_data` in addition. The
    caller has counted the version up, and holds the conversation's lock, which orders the timeline.
    """
    write_timeline(tx, escalation, kind, actor, **data)
    tx.log_to_workspace(
        escalation.workspace_id,
        f"escalation.{kind}",
        escalation=escalation.id,
        conversation=escalation.conversation_id,
        agent=escalation.agent_id,
        timeline=escalation.timeline,
        version=escalation.version,
        **(extra_data or {}),
    )


def write_timeline(
    tx: Transaction, escalation: Escalation, kind: TimelineKind, actor: Actor | None, **data: Any
) -> None:
    """Write a timeline entry without a workspace event."""
    escalation.timeline += 1
    tx.add(
        new_row(
            TimelineEntry,
            escalation_id=escalation.id,
            position=escalation.timeline,
            kind=kind.value,
            actor_id=actor.member_id if actor else None,
            data=data,
            occurred_at=tx.now,
            **recorder_of(actor),
        )
    )
