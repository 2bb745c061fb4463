"""The operator's rules for signing in."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SignInRules:
    """The ways of signing in that the settings allow.

    Without `passwords`, only the OpenID provider signs members in. With `domains`, its accounts need a
    verified email in one of them. `new_members_in` is the workspace that unknown accounts join.
    """

    passwords: bool = True
    domains: frozenset[str] = frozenset()
    new_members_in: UUID | None = None
