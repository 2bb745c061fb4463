"""Creation of workspaces, for `baton init`, the demo and replays."""

from dataclasses import dataclass
from uuid import UUID

from models.agent import Agent
from models.ids import new_id
from models.member import Member
from models.planned_log import PlannedLog
from models.workspace import Workspace
from realtime.log import open_stream
from resolvers.agent import make_agent
from resolvers.api_key import LIFETIME, NewApiKey, make_api_key
from resolvers.audit import record_operator_act
from resolvers.context import Services
from resolvers.member import NewMember, make_member
from resolvers.passwords import check_password, hash_password
from resolvers.validation import check_email, check_name
from rules.agent_settings import EscalationSettings
from rules.audit import AuditAction
from rules.roles import EVERY_SCOPE, MemberRole
from rules.typeid import WORKSPACE, format_id


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """The input of a new workspace. A `scratch` one sends no notifications."""

    name: str
    agent_name: str
    admin: NewMember
    settings: EscalationSettings | None = None
    scratch: bool = False


@dataclass(frozen=True, slots=True)
class MadeWorkspace:
    """A workspace with its first AI agent, admin, and an API key of every scope, shown only once."""

    workspace_id: UUID
    agent: Agent
    admin: Member
    api_key_id: UUID
    api_key: str


async def make_workspace(services: Services, new: NewWorkspace) -> MadeWorkspace:
    """Create the workspace in one transaction. Only the operator calls it: no permission is checked."""
    check_name("workspace", new.name)
    check_name("agent", new.agent_name)
    check_email("email", new.admin.email)
    password = check_password("password", new.admin.password or "")
    password_hash = await hash_password(services.database, services.passwords, new.admin.email, password)
    async with services.transactions.begin() as tx:
        now = await tx.read_clock()
        workspace = Workspace(id=new_id(), name=new.name, scratch=new.scratch, created_at=now)
        tx.session.add(workspace)
        await tx.session.flush()
        await open_stream(tx.session, workspace.id, now)
        if not new.scratch:
            tx.session.add(PlannedLog(workspace_id=workspace.id))
        agent = make_agent(tx, workspace.id, new.agent_name, new.settings)
        admin, _ = make_member(
            workspace.id, NewMember(new.admin.email, new.admin.name, MemberRole.ADMIN), password_hash, now
        )
        tx.session.add(admin)
        await tx.session.flush()
        key, token = make_api_key(
            tx, workspace.id, NewApiKey("First key", sorted(EVERY_SCOPE), now + LIFETIME, owner_id=admin.id)
        )
        await tx.session.flush()
        if not new.scratch:
            target = format_id(WORKSPACE, workspace.id)
            record_operator_act(tx, workspace.id, AuditAction.CREATE_WORKSPACE, target)
    return MadeWorkspace(workspace.id, agent, admin, key.id, token)
