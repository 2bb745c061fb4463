"""What is written down of an escalation: one entry per fact, in its timeline and in the workspace's log."""

from collections.abc import Mapping
from typing import Any

from models.escalation import Escalation, TimelineEntry
from realtime.transaction import Transaction
from resolvers.actor import Actor


def write_fact(
    tx: Transaction,
    escalation: Escalation,
    kind: str,
    actor: Actor | None,
    told: Mapping[str, str] | None = None,
    **data: Any,
) -> None:
    """
    Writes the fact `kind` with `data` (ids and words) to the timeline, and tells the workspace of it.

    The workspace's log names what it is about, and what is `told` beside that: words of enums.

    The caller has the conversation's lock, under which positions in the timeline are given.
    """
    write_timeline(tx, escalation, kind, actor, **data)
    tx.log_to_workspace(
        escalation.workspace_id,
        f"escalation.{kind}",
        escalation=escalation.id,
        conversation=escalation.conversation_id,
        agent=escalation.agent_id,
        **(told or {}),
    )


def write_timeline(
    tx: Transaction, escalation: Escalation, kind: str, actor: Actor | None, **data: Any
) -> None:
    """Writes what the workspace hears of under a name of its own to the timeline alone."""
    escalation.timeline += 1
    tx.session.add(
        TimelineEntry(
            escalation_id=escalation.id,
            position=escalation.timeline,
            kind=kind,
            actor_id=actor.member_id if actor else None,
            data=data,
            occurred_at=tx.now,
        )
    )
