"""Assignees of escalations: members who can answer.

A transaction that assigns a member holds a share lock on the member's row, taken before the conversation's
lock. Removing a member, or taking away the right to answer, waits for it and then unassigns.
"""

from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from models.compiled_select import CompiledSelect
from models.escalation import Escalation
from models.member import Member
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.errors import BadInputError, UnauthenticatedError
from resolvers.locks import lock_escalation
from resolvers.member_lookup import member_of_email
from resolvers.raise_escalation import assign
from resolvers.visibility import ESCALATION
from rules.escalation import EscalationStatus
from rules.roles import MemberRole, can_answer

_LOCKED_ROLE = CompiledSelect(
    select(Member.role)
    .where(Member.id == bindparam("member", type_=Uuid), Member.removed_at.is_(None))
    .with_for_update(read=True)
)


async def lock_assignee(tx: Transaction, member_id: UUID | None) -> UUID | None:
    """Return the id of a member who can answer, share-locked, otherwise None."""
    role = await _lock_role(tx, member_id)
    return member_id if role is not None and can_answer(role) else None


async def _lock_role(tx: Transaction, member_id: UUID | None) -> MemberRole | None:
    rows = [] if member_id is None else await tx.fetch(_LOCKED_ROLE, member=member_id)
    return rows[0][0] if rows else None


async def lock_own_membership(tx: Transaction, actor: Actor) -> UUID | None:
    """Return the id of the calling member, share-locked; raises UnauthenticatedError after a removal."""
    return own_membership(actor, await _lock_role(tx, actor.member_id))


def own_membership(actor: Actor, role: MemberRole | None) -> UUID | None:
    """Return the id of the calling member, if any, who has this role now; None is that of a removed one.

    Raises UnauthenticatedError if the member cannot answer any more.
    """
    if actor.member_id is not None and (role is None or not can_answer(role)):
        raise UnauthenticatedError("You can no longer answer in this workspace.")
    return actor.member_id


async def lock_assignee_by_email(tx: Transaction, actor: Actor, field: str, email: str) -> UUID:
    """Return the id of the member with this email, share-locked; raises BadInputError for `field`."""
    member = await member_of_email(tx.session, actor.workspace_id, field, email)
    member_id = await lock_assignee(tx, member.id)
    if member_id is None:
        raise BadInputError(field, "is the email of a member who cannot answer: the role is VIEWER")
    return member_id


async def lock_assignee_of(tx: Transaction, actor: Actor, escalation_id: UUID) -> UUID | None:
    """Return the id of an escalation's assignee, share-locked, or None if there is none who can answer."""
    assignee = ESCALATION.by_id(actor, escalation_id).with_only_columns(Escalation.assignee_id)
    return await lock_assignee(tx, await tx.session.scalar(assignee))


async def release_escalations(tx: Transaction, actor: Actor, member_id: UUID) -> None:
    """Unassign the active escalations of a member, whose row the transaction has locked."""
    assigned = (
        select(Escalation.id)
        .where(
            Escalation.workspace_id == actor.workspace_id,
            Escalation.assignee_id == member_id,
            Escalation.status != EscalationStatus.RESOLVED,
        )
        # One order for all transactions that lock several conversations.
        .order_by(Escalation.conversation_id)
    )
    for escalation_id in list(await tx.session.scalars(assigned)):
        _, escalation = await lock_escalation(tx, actor, escalation_id)
        if escalation.active and escalation.assignee_id == member_id:
            escalation.version += 1
            assign(tx, escalation, None, actor)
