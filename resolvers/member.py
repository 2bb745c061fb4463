"""Team members: joining, changing and leaving the team."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from models.member import Member, MemberSession
from models.words import folded
from models.workspace import Workspace
from realtime.recipients import is_member
from realtime.transaction import Transaction
from resolvers.agent import remove_recipient
from resolvers.assignee import release_escalations
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.credentials import INVITATION_LIFETIME, INVITATION_START, new_token, token_hash
from resolvers.errors import ConflictError, ForbiddenError
from resolvers.list_limits import MEMBERS, check_row_limit
from resolvers.passwords import check_password, hash_password
from resolvers.permissions import permitted
from resolvers.second_factor import clear_second_factor
from resolvers.validation import check_email, check_name
from resolvers.visibility import MEMBER, Visibility, visible_members
from rules.audit import AuditAction
from rules.roles import MemberRole, Scope, can_answer
from rules.typeid import MEMBER as MEMBER_PREFIX
from rules.typeid import format_id


@permitted("members")
async def members(context: Context) -> list[Member]:
    """Return the current members of the team, by name."""
    by_name = (
        visible_members(Visibility.of(context.actor))
        .where(Member.removed_at.is_(None))
        .order_by(folded(Member.name), Member.id)
    )
    async with context.database.autocommit_session() as session:
        return list(await session.scalars(by_name))


@dataclass(frozen=True, slots=True)
class NewMember:
    """The input of a new member. Without a password, the member gets an invitation."""

    email: str
    name: str
    role: MemberRole
    password: str | None = None


@permitted("createMember")
async def create_member(context: Context, new: NewMember) -> tuple[Member, str | None]:
    """Add a member; without a password, also return the token of an invitation, valid for 7 days.

    Raises ConflictError if the team has a member with this email.
    """
    check_email("email", new.email)
    check_name("name", new.name)
    password_hash = None
    if new.password is not None:
        check_password("password", new.password)
        services = context.services
        password_hash = await hash_password(
            services.across_workspaces().database, services.passwords, new.email, new.password
        )
    try:
        async with context.services.transactions.begin() as tx:
            now = await tx.read_clock()
            current = Member.workspace_id == context.actor.workspace_id, Member.removed_at.is_(None)
            await check_row_limit(tx, Member, MEMBERS, "members", *current)
            member, token = make_member(context.actor.workspace_id, new, password_hash, now)
            tx.session.add(member)
            await tx.session.flush()
            details = {"role": new.role, "invited": password_hash is None}
            target = format_id(MEMBER_PREFIX, member.id)
            await record_act(tx, context, AuditAction.CREATE_MEMBER, target, **details)
    except IntegrityError as error:
        raise ConflictError("The team already has a member with this email.") from error
    return member, token


def make_member(
    workspace_id: UUID, new: NewMember, password_hash: str | None, now: datetime
) -> tuple[Member, str | None]:
    """Return the row of a new member, and the token of an invitation if there is no password."""
    token = None if password_hash else new_token(INVITATION_START)
    member = Member(
        workspace_id=workspace_id,
        email=new.email,
        name=new.name,
        role=new.role,
        password_hash=password_hash,
        invitation_hash=token and token_hash(token),
        invitation_expires_at=token and now + INVITATION_LIFETIME,
        created_at=now,
    )
    return member, token


@permitted("updateMember", MEMBER)
async def update_member(
    context: Context,
    member_id: UUID,
    name: str | None = None,
    role: MemberRole | None = None,
    available: bool | None = None,
) -> Member:
    """Change a member. Changing roles or other members requires the scope ADMIN.

    Raises ConflictError if the team would be left without an admin.
    """
    if name is not None:
        check_name("name", name)
    async with context.services.transactions.begin() as tx:
        member = await _lock_member(tx, context, member_id)
        if Scope.ADMIN not in context.actor.scopes and (
            member_id != context.actor.member_id or role is not None
        ):
            raise ForbiddenError("Changing roles or other members requires the ADMIN scope.")
        changed = [
            field
            for field, value in (("name", name), ("role", role), ("available", available))
            if value is not None and value != getattr(member, field)
        ]
        if role is not None and role is not member.role:
            await _keep_an_admin(tx, member)
            member.role = role
            if not can_answer(role):
                await release_escalations(tx, context.actor, member_id)
        member.name = member.name if name is None else name
        member.available = member.available if available is None else available
        await tx.read_clock()
        if changed:
            details = {"changed": changed, "role": member.role}
            target = format_id(MEMBER_PREFIX, member_id)
            await record_act(tx, context, AuditAction.UPDATE_MEMBER, target, **details)
    return member


@permitted("removeMember", MEMBER)
async def remove_member(context: Context, member_id: UUID) -> None:
    """Remove a member from the team, end their sessions and unassign their active escalations.

    Their address is no recipient of notifications any more. Their messages keep the author.
    """
    async with context.services.transactions.begin() as tx:
        member = await _lock_member(tx, context, member_id)
        await _keep_an_admin(tx, member)
        member.removed_at = await tx.read_clock()
        member.password_hash = member.invitation_hash = None
        clear_second_factor(member)
        await tx.session.execute(delete(MemberSession).where(MemberSession.member_id == member_id))
        await tx.session.flush()
        if not await is_member(tx.session, member.workspace_id, member.email):
            await remove_recipient(tx, context, member.email)
        await release_escalations(tx, context.actor, member_id)
        await record_act(tx, context, AuditAction.REMOVE_MEMBER, format_id(MEMBER_PREFIX, member_id))


async def _lock_member(tx: Transaction, context: Context, member_id: UUID) -> Member:
    # The lock on the workspace's row guards the rule that a team keeps an admin.
    workspace_id = context.actor.workspace_id
    await tx.session.execute(
        select(Workspace.id).where(Workspace.id == workspace_id).with_for_update(key_share=True)
    )
    current = MEMBER.by_id(context.actor, member_id).where(Member.removed_at.is_(None))
    return MEMBER.known(await tx.session.scalar(current.with_for_update(key_share=True)))


async def _keep_an_admin(tx: Transaction, member: Member) -> None:
    if member.role is not MemberRole.ADMIN:
        return
    others = await tx.session.scalar(
        select(func.count())
        .select_from(Member)
        .where(
            Member.workspace_id == member.workspace_id,
            Member.role == MemberRole.ADMIN,
            Member.removed_at.is_(None),
            Member.id != member.id,
        )
    )
    if not others:
        raise ConflictError("The team would be left without an admin; make another member an admin first.")


@permitted("members", MEMBER)
async def member_by_id(context: Context, member_id: UUID) -> Member | None:
    """Return the team member, removed or not, or None."""
    return await MEMBER.find(context.database, context.actor, member_id)
