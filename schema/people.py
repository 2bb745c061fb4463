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
    """Name of the workspace."""
    created_at: datetime
    """Time of its creation."""

    @classmethod
    def of(cls, row: WorkspaceRow) -> "Workspace":
        """Build the type from a row."""
        return cls(id=strawberry.ID(format_id(WORKSPACE, row.id)), name=row.name, created_at=row.created_at)


@strawberry.type
class TeamMember(Node):
    """A person on the team."""

    email: str | None
    """Email address for signing in. Null for customers."""
    name: str
    """Name that customers see."""
    role: MemberRole
    """Role, which decides the scopes. Not for customers."""
    available: bool
    """True if the member is ready to take escalations. Set by the member. Not for customers."""
    created_at: datetime
    """Time at which the member was added. Not for customers."""

    @classmethod
    def of(cls, row: MemberRow, call: GraphQLContext) -> "TeamMember":
        """Build a team member. Customers see only the name."""
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
    """Return the team member of that id, or None."""
    if key is None:
        return None
    call = info.context
    return call.resolve_node(members_by_id, key, lambda row: TeamMember.of(row, call) if row else None)


async def the_member(info: Info, key: UUID | None) -> TeamMember:
    """Return the team member of that id; raise NotFoundError."""
    result = await await_maybe(member(info, key))
    if result is None:
        raise NotFoundError("team member")
    return result


@strawberry.type
class ApiKey(Node):
    """A key of an integrator or an AI agent's back end."""

    name: str
    """Name that an administrator gave it."""
    prefix: str
    """Start of the key, enough to recognise it. The key itself is shown once, when it is created."""
    scopes: list[Scope]
    """Scopes of the key."""
    created_at: datetime
    """Time of its creation."""
    last_used_at: datetime | None
    """Time of its last use, to the minute or so; null if it was never used."""
    revoked_at: datetime | None
    """Time of its revocation; null while it is valid."""

    @classmethod
    def of(cls, row: ApiKeyRow) -> "ApiKey":
        """Build the type from a row."""
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
    """Name of the key."""
    scopes: list[Scope]
    """Scopes of the key."""


@strawberry.type
class CreateApiKeyPayload:
    """The key, shown this once."""

    api_key: ApiKey
    """The new API key."""
    key: str
    """The key itself, shown this once."""


@strawberry.input
class CreateMemberInput:
    """A new member; without a password they are invited."""

    email: str
    """Email address for signing in."""
    name: str
    """Name that customers see."""
    role: MemberRole
    """Role of the member."""
    password: str | None = None
    """Password; null invites the member."""


@strawberry.type
class MemberPayload:
    """The member after the change."""

    member: TeamMember
    """The team member after the change."""
    invitation_token: str | None = None
    """Token for acceptInvitation within 7 days, shown once, if no password was given."""


@strawberry.type
class SignInPayload:
    """A new session."""

    member: TeamMember
    """The team member."""
    token: str
    """Session token, for clients that keep no cookie."""
    expires_at: datetime
    """End of the session."""
