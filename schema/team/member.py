"""Team members."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue, await_maybe

from models.member import Member as MemberRow
from resolvers.errors import NotFoundError
from resolvers.loaders import members_by_id
from rules.roles import MemberRole
from rules.typeid import MEMBER, format_id
from schema.context import GraphQLContext, Info, forbidden_to_customers
from schema.nodes import Node


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
