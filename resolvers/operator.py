"""Commands of the operator, who runs the server and needs no permission."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from models.api_key import ApiKey
from models.database import Database
from models.member import Member, MemberSession
from models.words import folded
from models.workspace import Workspace
from realtime.transaction import Transactions
from resolvers.api_key import LIFETIME, NewApiKey, make_api_key
from resolvers.audit import record_operator_act
from resolvers.context import Services
from resolvers.errors import BadInputError, ConflictError, NotFoundError
from resolvers.passwords import check_password, hash_password
from resolvers.second_factor import clear_second_factor
from resolvers.validation import check_name
from rules.audit import AuditAction
from rules.roles import Scope
from rules.typeid import API_KEY, MEMBER, WORKSPACE, format_id


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """A member whose password was reset, and the name of the member's workspace."""

    email: str
    workspace_id: UUID
    workspace_name: str


async def reset_password(
    services: Services,
    email: str,
    password: str,
    workspace_id: UUID | None = None,
    *,
    second_factor: bool = False,
) -> ResetPassword:
    """Set the password of a member and end the member's sessions; `second_factor` removes that too.

    An email on several teams needs `workspace_id`. Raises NotFoundError and BadInputError.
    """
    check_password("password", password)
    member, workspace = await _only_member(services, email, workspace_id)
    hashed = await hash_password(services.database, services.passwords, member.email, password)
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        row = await tx.session.get_one(Member, member.id)
        row.password_hash = hashed
        target = format_id(MEMBER, member.id)
        if second_factor:
            clear_second_factor(row)
            record_operator_act(tx, workspace.id, AuditAction.RESET_SECOND_FACTOR, target)
        await tx.session.execute(delete(MemberSession).where(MemberSession.member_id == member.id))
        record_operator_act(tx, workspace.id, AuditAction.RESET_PASSWORD, target)
    return ResetPassword(member.email, workspace.id, workspace.name)


async def unlink_account(services: Services, email: str, workspace_id: UUID | None = None) -> Workspace:
    """Unlink a member from the account at the OpenID provider, and end the member's sessions.

    The next account there with the member's verified email is bound. An email on several teams needs
    `workspace_id`. Raises NotFoundError and BadInputError.
    """
    member, workspace = await _only_member(services, email, workspace_id)
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        row = await tx.session.get_one(Member, member.id)
        row.oidc_issuer = row.oidc_subject = None
        await tx.session.execute(delete(MemberSession).where(MemberSession.member_id == member.id))
        target = format_id(MEMBER, member.id)
        record_operator_act(tx, workspace.id, AuditAction.UNLINK_ACCOUNT, target)
    return workspace


async def _only_member(services: Services, email: str, workspace_id: UUID | None) -> tuple[Member, Workspace]:
    members = (
        select(Member, Workspace)
        .join(Workspace, Workspace.id == Member.workspace_id)
        .where(folded(Member.email) == folded(email), Member.removed_at.is_(None), ~Workspace.scratch)
        .order_by(Member.created_at)
    )
    if workspace_id is not None:
        members = members.where(Member.workspace_id == workspace_id)
    async with services.database.autocommit_session() as session:
        rows = [(member, workspace) for member, workspace in await session.execute(members)]
    if not rows:
        raise NotFoundError("team member")
    if len(rows) > 1:
        raise BadInputError("workspace", f"is needed: {_listed([workspace for _, workspace in rows])}")
    return rows[0]


async def create_key(
    services: Services, name: str, scopes: Sequence[Scope], workspace_id: UUID | None = None
) -> tuple[ApiKey, str]:
    """Create an API key. `workspace_id` may be omitted if there is only one workspace."""
    check_name("name", name)
    workspace = await _only_workspace(services, workspace_id)
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        key, token = make_api_key(tx, workspace.id, NewApiKey(name, scopes, tx.now + LIFETIME))
        target = format_id(API_KEY, key.id)
        record_operator_act(tx, workspace.id, AuditAction.CREATE_API_KEY, target, scopes=key.scopes)
    return key, token


async def _only_workspace(services: Services, workspace_id: UUID | None) -> Workspace:
    workspaces = select(Workspace).where(~Workspace.scratch).order_by(Workspace.created_at)
    if workspace_id is not None:
        workspaces = workspaces.where(Workspace.id == workspace_id)
    async with services.database.autocommit_session() as session:
        rows = list(await session.scalars(workspaces))
    if not rows and workspace_id is None:
        raise ConflictError("There is no workspace yet: run `baton init` first.")
    if not rows:
        raise NotFoundError("workspace")
    if len(rows) > 1:
        raise BadInputError("workspace", f"is needed: {_listed(rows)}")
    return rows[0]


def _listed(workspaces: Sequence[Workspace]) -> str:
    return ", ".join(f"{format_id(WORKSPACE, workspace.id)} ({workspace.name})" for workspace in workspaces)


async def record_everywhere(
    database: Database, transactions: Transactions, action: AuditAction, **details: Any
) -> None:
    """Record an action that concerns the whole installation in the audit log of every workspace."""
    async with database.autocommit_session() as session:
        ids = list(await session.scalars(select(Workspace.id).where(~Workspace.scratch)))
    for workspace_id in ids:
        async with transactions.begin() as tx:
            await tx.read_clock()
            record_operator_act(tx, workspace_id, action, **details)
