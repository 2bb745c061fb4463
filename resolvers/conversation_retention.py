"""Retention of closed conversations: their words go after the days that the AI agent's settings allow.

A conversation is closed while it has no active escalation. It loses its words like one whose customer was
erased: its rows stay, so no figure changes. A transaction erases a batch. If the batch holds more messages
than a transaction erases, others follow. A worker that dies in between leaves marks, which the sweep of
erasures finds.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select, tuple_

from models.agent import Agent
from models.conversation import Conversation
from models.escalation import Escalation
from models.workspace import Workspace
from realtime.retention import PAUSE_SECONDS
from resolvers.context import Services
from resolvers.erasure import LockedRow, erase_locked, erase_words, mark_erased
from rules.escalation import EscalationStatus

BATCH = 500  # conversations that expire together

_active_at = func.coalesce(Conversation.last_message_at, Conversation.created_at)


@dataclass(frozen=True, slots=True)
class _Rule:
    """The retention of one AI agent's conversations. `until` is the end of the expired time."""

    workspace_id: UUID
    agent_id: UUID
    until: datetime


async def expire_conversations(services: Services, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Erase the words of all closed conversations whose retention has ended; return their number.

    Conversations that another transaction has locked are left to the next time.
    """
    expired = 0
    for rule in await _rules(services):
        place: tuple[datetime, UUID] | None = None
        while not is_stopping():
            ids, place, complete = await _expire_batch(services, rule, place)
            if not complete:
                await erase_words(services, ids, notify=False)
            expired += len(ids)
            if place is None:
                break
            await asyncio.sleep(PAUSE_SECONDS)
    return expired


async def _rules(services: Services) -> Sequence[_Rule]:
    days = Agent.settings["retention"]["closed_conversation_days"].as_integer()
    rules = (
        select(Agent.workspace_id, Agent.id, func.now() - func.make_interval(0, 0, 0, days))
        .join(Workspace, Workspace.id == Agent.workspace_id)
        .where(days.is_not(None), ~Workspace.scratch)
        .order_by(Agent.id)
    )
    async with services.database.autocommit_session() as session:
        return [_Rule(*row) for row in await session.execute(rules)]


async def _expire_batch(
    services: Services, rule: _Rule, after: tuple[datetime, UUID] | None
) -> tuple[Sequence[UUID], tuple[datetime, UUID] | None, bool]:
    """Expire the next conversations after a place.

    Return them, the place if there may be more, and whether they are without words.
    """
    async with services.transactions.begin() as tx:
        rows = (await tx.session.execute(_expired(rule, after))).all()
        ids = sorted(conversation_id for conversation_id, _ in rows)
        await tx.read_clock()
        locked = [LockedRow(id_, rule.workspace_id, rule.agent_id) for id_ in ids]
        complete = await erase_locked(tx, locked, notify=False)
        await mark_erased(tx, ids, due=not complete)
    if len(rows) < BATCH:
        return ids, None, complete
    last_id, last_at = rows[-1]
    return ids, (last_at, last_id), complete


def _expired(rule: _Rule, after: tuple[datetime, UUID] | None) -> Select[UUID, datetime]:
    recently_active = exists().where(
        Escalation.conversation_id == Conversation.id,
        or_(Escalation.status != EscalationStatus.RESOLVED, Escalation.resolved_at >= rule.until),
    )
    rows = (
        select(Conversation.id, _active_at)
        .where(
            Conversation.workspace_id == rule.workspace_id,
            Conversation.agent_id == rule.agent_id,
            Conversation.erased_at.is_(None),
            Conversation.pending_escalation_id.is_(None),
            _active_at < rule.until,
            ~recently_active,
        )
        .order_by(_active_at, Conversation.id)
        .limit(BATCH)
        .with_for_update(of=Conversation, key_share=True, skip_locked=True)
    )
    return rows.where(tuple_(_active_at, Conversation.id) > after) if after else rows
