"""Sessions of team members."""

from datetime import datetime

import strawberry

from models.member import MemberSession as SessionRow
from rules.sign_in import SignInMethod
from rules.typeid import SESSION, format_id
from schema.context import GraphQLContext
from schema.team.member import TeamMember


@strawberry.type
class SignInPayload:
    """A new session."""

    member: TeamMember
    """The team member."""
    token: str
    """Session token, for clients that keep no cookie."""
    expires_at: datetime
    """End of the session."""


@strawberry.type
class MemberSession:
    """A session of a team member: one browser or program that has signed in."""

    id: strawberry.ID
    """TypeID of the session, for endSession."""
    created_at: datetime
    """Time of the sign-in."""
    last_used_at: datetime
    """Time of the last request, to the minute."""
    expires_at: datetime
    """End of the session: 30 days after the sign-in, or earlier if it is not used."""
    address: str | None
    """Network address of the last request."""
    user_agent: str | None
    """User agent that signed in, as it named itself."""
    method: SignInMethod
    """Way in which the member signed in."""
    current: bool
    """True for the session of this request."""

    @classmethod
    def of(cls, row: SessionRow, call: GraphQLContext) -> "MemberSession":
        """Build the type from a row."""
        return cls(
            id=strawberry.ID(format_id(SESSION, row.id)),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=min(row.expires_at, row.idle_ends_at),
            address=row.address,
            user_agent=row.user_agent,
            method=row.method,
            current=row.token_hash == call.actor.session_hash,
        )
