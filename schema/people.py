"""Workspaces, team members, API keys, and who is calling."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue, await_maybe

from models.api_key import ApiKey as ApiKeyRow
from models.member import Member as MemberRow
from models.workspace import Workspace as WorkspaceRow
from resolvers.errors import NotFoundError
from resolvers.loaders import members_by_id
from rules.roles import MemberRole, Scope
from rules.typeid import API_KEY, MEMBER, WORKSPACE, format_id
from schema.basics import Node
from schema.context import GraphQLContext, Info, forbidden_to_customers


@strawberry.type
class Workspace(Node):
    """A team's own world."""

    name: str
    created_at: datetime

    @classmethod
    def of(cls, row: WorkspaceRow) -> "Workspace":
        """Dresses a row."""
        return cls(id=strawberry.ID(format_id(WORKSPACE, row.id)), name=row.name, created_at=row.created_at)


@strawberry.type
class TeamMember(Node):
    """A person on the team."""

    email: str | None
    name: str
    role: MemberRole
    available: bool
    created_at: datetime

    @classmethod
    def of(cls, row: MemberRow, call: GraphQLContext) -> "TeamMember":
        """Dresses a row; customers see the name."""
        shown: dict[str, Any] = {
            "email": row.email,
            "role": row.role,
            "available": row.available and row.removed_at is None,
            "created_at": row.created_at,
        }
        if call.actor.is_customer:
            shown = dict.fromkeys(shown, forbidden_to_customers()) | {"email": None}
        return cls(id=strawberry.ID(format_id(MEMBER, row.id)), name=row.name, **shown)


def member(info: Info, key: UUID | None) -> AwaitableOrValue[TeamMember | None]:
    """The member of that key, None for none."""
    if key is None:
        return None
    call = info.context
    return call.resolve_node(members_by_id, key, lambda row: TeamMember.of(row, call) if row else None)


async def the_member(info: Info, key: UUID | None) -> TeamMember:
    """The member of that key; raises NotFoundError."""
    found = await await_maybe(member(info, key))
    if found is None:
        raise NotFoundError("team member")
    return found


@strawberry.type
class ApiKey(Node):
    """A key of an integrator or an AI agent's back end."""

    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: ApiKeyRow) -> "ApiKey":
        """Dresses a row."""
        return cls(
            id=strawberry.ID(format_id(API_KEY, row.id)),
            name=row.name,
            prefix=row.prefix,
            scopes=[Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )


@strawberry.input
class CreateApiKeyInput:
    """A new key."""

    name: str
    scopes: list[Scope]


@strawberry.type
class CreateApiKeyPayload:
    """The key, shown this once."""

    api_key: ApiKey
    key: str


@strawberry.input
class CreateMemberInput:
    """A new member; without a password they are invited."""

    email: str
    name: str
    role: MemberRole
    password: str | None = None


@strawberry.type
class MemberPayload:
    """The member after the change."""

    member: TeamMember
    invitation_token: str | None = None


@strawberry.type
class SignInPayload:
    """A new session."""

    member: TeamMember
    token: str
    expires_at: datetime
