"""Team members."""

from datetime import datetime
from typing import Any

import strawberry

from models.member import Member as MemberRow
from resolvers.loaders import members_by_id
from resolvers.member import member_by_id
from rules import typeid
from rules.roles import MemberRole
from rules.typeid import format_id
from schema.context import GraphQLContext, forbidden_to_customers
from schema.nodes import Node, node


@node(typeid.MEMBER, "team member", member_by_id, members_by_id)
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
    has_second_factor: bool
    """True if signing in requires a code of an authenticator. Not for customers."""
    created_at: datetime
    """Time at which the member was added. Not for customers."""

    @classmethod
    def of(cls, row: MemberRow, call: GraphQLContext) -> "TeamMember":
        """Build a team member. Customers see only the name."""
        shown: dict[str, Any] = {
            "email": row.email,
            "role": row.role,
            "available": row.available and row.removed_at is None,
            "has_second_factor": row.has_second_factor,
            "created_at": row.created_at,
        }
        if call.actor.is_customer:
            shown = dict.fromkeys(shown, forbidden_to_customers()) | {"email": None}
        return cls(id=strawberry.ID(format_id(typeid.MEMBER, row.id)), name=row.name, **shown)


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
