"""Scopes, and the roles that carry them."""

from enum import StrEnum


class Scope(StrEnum):
    """A right that an API key or a team member carries."""

    CONVERSATIONS_WRITE = "CONVERSATIONS_WRITE"
    CONVERSATIONS_READ = "CONVERSATIONS_READ"
    ESCALATIONS_READ = "ESCALATIONS_READ"
    ESCALATIONS_WRITE = "ESCALATIONS_WRITE"
    SETTINGS_READ = "SETTINGS_READ"
    SETTINGS_WRITE = "SETTINGS_WRITE"
    ANALYTICS_READ = "ANALYTICS_READ"
    ADMIN = "ADMIN"
    INCOMING_WEBHOOK = "INCOMING_WEBHOOK"


class MemberRole(StrEnum):
    """A team member's role."""

    ADMIN = "ADMIN"
    AGENT = "AGENT"
    VIEWER = "VIEWER"


class ViewerKind(StrEnum):
    """The kind of the presented credential."""

    API_KEY = "API_KEY"
    TEAM_MEMBER = "TEAM_MEMBER"
    CUSTOMER = "CUSTOMER"


class RecorderKind(StrEnum):
    """The kind of a caller that recorded something."""

    API_KEY = "API_KEY"
    TEAM_MEMBER = "TEAM_MEMBER"
    CUSTOMER = "CUSTOMER"
    SYSTEM = "SYSTEM"


READING = frozenset(
    {Scope.CONVERSATIONS_READ, Scope.ESCALATIONS_READ, Scope.SETTINGS_READ, Scope.ANALYTICS_READ}
)
EVERY_SCOPE = frozenset(Scope) - {Scope.INCOMING_WEBHOOK}

SCOPES_OF_ROLE: dict[MemberRole, frozenset[Scope]] = {
    MemberRole.ADMIN: EVERY_SCOPE,
    MemberRole.AGENT: EVERY_SCOPE - {Scope.SETTINGS_WRITE, Scope.ADMIN},
    MemberRole.VIEWER: READING,
}


def can_answer(role: MemberRole) -> bool:
    """Return whether members of this role may answer customers, and so may hold an escalation."""
    return Scope.ESCALATIONS_WRITE in SCOPES_OF_ROLE[role]
