"""Team members."""

from datetime import datetime
from operator import attrgetter
from types import NoneType

import strawberry

from models.member import Member as MemberRow
from resolvers.loaders import members_by_id
from resolvers.member import member_by_id
from rules import typeid
from rules.roles import MemberRole
from rules.typeid import format_id
from schema.context import GraphQLContext, forbidden_to_customers
from schema.nodes import Node, node
from schema.row_fields import row_field, row_type


@node(typeid.MEMBER, "team member", member_by_id, members_by_id)
@row_type(MemberRow)
@strawberry.type
class TeamMember(Node):
    """A person on the team."""

    row: strawberry.Private[MemberRow]
    for_team: strawberry.Private[bool]
    id: strawberry.ID = row_field(lambda self: format_id(typeid.MEMBER, self.row.id))
    email: str | None = row_field(hidden=NoneType)
    """Email address for signing in. Null for customers."""
    name: str = row_field()
    """Name that customers see."""
    role: MemberRole = row_field(hidden=forbidden_to_customers)
    """Role, which decides the scopes. Not for customers."""
    available: bool = row_field(
        lambda self: self.row.available and self.row.removed_at is None,
        "available",
        "removed_at",
        hidden=forbidden_to_customers,
    )
    """True if the member is ready to take escalations. Set by the member. Not for customers."""
    has_second_factor: bool = row_field(
        attrgetter("row.has_second_factor"), "totp_confirmed_at", hidden=forbidden_to_customers
    )
    """True if signing in requires a code of an authenticator. Not for customers."""
    created_at: datetime = row_field(hidden=forbidden_to_customers)
    """Time at which the member was added. Not for customers."""

    @classmethod
    def of(cls, row: MemberRow, call: GraphQLContext) -> "TeamMember":
        """Build a team member. Customers see only the name."""
        return cls(row=row, for_team=call.for_team)


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
