"""Emails to members whose password someone has tried to guess, at most one a day for each member."""

from collections.abc import Sequence

import orjson
from sqlalchemy import or_, select, update

from models.agent import Agent
from models.member import Member
from realtime.delivery_queue import TargetKey, find_targets, pending_delivery, schedule_delivery_unlocked
from realtime.transaction import Transaction
from resolvers.context import Context
from rules.events import SIGN_IN_ALERT


async def alert_of_attempts(context: Context, members: Sequence[Member]) -> None:
    """Alert the members with one email of failed attempts; nothing happens while no mail is connected."""
    if not members or not context.services.external.email_connected:
        return
    async with context.services.transactions.begin() as tx:
        today = (await tx.read_clock()).date()
        due = update(Member).where(
            Member.id.in_([member.id for member in members]),
            or_(Member.alerted_on.is_(None), Member.alerted_on < today),
        )
        alerted = list(await tx.session.scalars(due.values(alerted_on=today).returning(Member.id)))
        # They share the address: one mail is enough.
        for member in [member for member in members if member.id in alerted][:1]:
            await _send_alert(tx, member, context.address)


async def _send_alert(tx: Transaction, member: Member, address: str) -> None:
    first_agent = select(Agent.id).where(Agent.workspace_id == member.workspace_id).order_by(Agent.id)
    agent_id = await tx.session.scalar(first_agent.limit(1))
    if agent_id is None:
        return
    key = TargetKey.email(member.email)
    target_id = (await find_targets(tx, member.workspace_id, [key]))[key]
    tx.session.add(
        pending_delivery(
            tx,
            member.workspace_id,
            target_id,
            key,
            SIGN_IN_ALERT,
            agent_id=agent_id,
            alert_data=orjson.dumps({"address": address}).decode(),
        )
    )
    schedule_delivery_unlocked(tx, target_id, tx.now)
