"""Sessions of members: listing and ending them."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Delete, Select, delete, func, select

from models.member import Member, MemberSession
from resolvers.actor import Actor
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.errors import NotFoundError
from resolvers.permissions import permitted
from rules.audit import AuditAction
from rules.roles import Scope
from rules.typeid import MEMBER, format_id

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class EndedSession:
    """The result of ending a session: none is ended if the caller sees none with this id."""

    ended: bool
    current: bool


@permitted("sessions")
async def sessions(context: Context, member_id: UUID | None) -> list[MemberSession]:
    """Return the valid sessions of a member, the last used first; those of the caller for None.

    Raises NotFoundError for another member unless the caller is an admin.
    """
    actor = context.actor
    if member_id not in (None, actor.member_id) and Scope.ADMIN not in actor.scopes:
        raise NotFoundError("team member")
    valid = (
        _visible(actor)
        .where(
            MemberSession.member_id == (member_id or actor.member_id),
            func.least(MemberSession.expires_at, MemberSession.idle_ends_at) > func.now(),
        )
        .order_by(MemberSession.last_used_at.desc(), MemberSession.id)
        .limit(_SHOWN)
    )
    async with context.database.autocommit_session() as session:
        return list(await session.scalars(valid))


def _visible(actor: Actor) -> Select[MemberSession]:
    """Select the caller's own sessions, and for an admin those of the whole workspace."""
    own = select(MemberSession).join(Member, Member.id == MemberSession.member_id)
    if Scope.ADMIN in actor.scopes:
        return own.where(Member.workspace_id == actor.workspace_id)
    return own.where(Member.id == actor.member_id)


@permitted("endSession")
async def end_session(context: Context, session_id: UUID) -> EndedSession:
    """End a session of the caller, or as an admin one of any member. Its sockets end within 5 seconds."""
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        row = await tx.session.scalar(_visible(context.actor).where(MemberSession.id == session_id))
        if row is None:
            return EndedSession(ended=False, current=False)
        await tx.session.execute(delete(MemberSession).where(MemberSession.id == session_id))
        target = format_id(MEMBER, row.member_id)
        await record_act(tx, context, AuditAction.END_SESSIONS, target, sessions=1)
    return EndedSession(ended=True, current=row.token_hash == context.actor.session_hash)


@permitted("endOtherSessions")
async def end_other_sessions(context: Context) -> int:
    """End the caller's sessions except the presented one, and return their number."""
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        others = list(await tx.session.scalars(_others(context.actor).returning(MemberSession.id)))
        if others:
            await record_act(tx, context, AuditAction.END_SESSIONS, sessions=len(others))
    return len(others)


def _others(actor: Actor) -> Delete:
    return delete(MemberSession).where(
        MemberSession.member_id == actor.member_id,
        MemberSession.token_hash != (actor.session_hash or b""),
    )
