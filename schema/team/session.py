"""Sessions of team members."""

from datetime import datetime

import strawberry

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
