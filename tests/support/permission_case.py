"""A use of a root field, and what each caller is answered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLNonNull

from resolvers.actor import ActorKind
from resolvers.permissions import PERMISSIONS, Permission
from rules.roles import Scope
from tests.support.callers import Rows, Who
from tests.support.permission_targets import (
    AGENT,
    CONVERSATION,
    ESCALATION,
    MESSAGE,
    QUERY,
    ROOTS,
    WORKSPACE,
    Target,
)

# Rows that a customer sees: only in its own conversation, or in the whole workspace.
_OWN = {CONVERSATION, ESCALATION, MESSAGE}
_ANYBODYS = {AGENT, WORKSPACE}


def nothing(_: Rows) -> dict[str, Any]:
    """Return no arguments."""
    return {}


@dataclass(frozen=True)
class Case:
    """
    A use of a root field: its selection, the row it aims at, and its arguments.

    `once`: it uses up its target. `also`: a scope that this use needs in addition to the field's own.
    `by`: the name of the permission, if `node` uses that of another field. `origin`: that of the page.
    `error`: the code that even those get who have the right, because the arguments are wrong.
    """

    field: str
    shows: str = ""
    target: Target | None = None
    given: Callable[[Rows], dict[str, Any]] = nothing
    once: bool = False
    also: Scope | None = None
    by: str = ""
    origin: str | None = None
    error: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the use needs."""
        return {"origin": self.origin} if self.origin else {}

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.field, self.by, self.target.name if self.target else "")))

    @property
    def kind(self) -> str:
        return ROOTS[self.field][0]

    @property
    def nullable(self) -> bool:
        """Return true if the answer for a missing row is null."""
        return self.kind == QUERY and not isinstance(ROOTS[self.field][1].type, GraphQLNonNull)

    def document(self, given: dict[str, Any]) -> str:
        """Return the operation, with a variable for each argument."""
        arguments = ROOTS[self.field][1].args
        heads = ", ".join(f"${name}: {arguments[name].type}" for name in given)
        uses = ", ".join(f"{name}: ${name}" for name in given)
        shows = f" {{ {self.shows} }}" if self.shows else ""
        return (
            f"{self.kind}{f'({heads})' if given else ''}"
            f" {{ {self.field}{f'({uses})' if given else ''}{shows} }}"
        )

    def grants(self, who: Who) -> bool:
        """Return true if the table grants the permission to `who`."""
        permissions = [PERMISSIONS[self.field], *([PERMISSIONS[self.by]] if self.by else [])]
        return all(permission is None or _grants(permission, who) for permission in permissions) and (
            self.also is None or self.also in who.scopes
        )

    def shows_to(self, who: Who) -> bool:
        """Return true if `who` sees the target row in their own workspace."""
        if self.target is None or not who.is_customer:
            return True
        return self.target in _ANYBODYS or (self.target in _OWN and who.own)

    def expected(self, who: Who, at_home: bool) -> str | None:
        """Return the expected error code, or None if it is granted."""
        if who.revoked or (who.kind is None and PERMISSIONS[self.field] is not None):
            return "UNAUTHENTICATED"
        if self.target and not (at_home and self.shows_to(who)):
            return "NOT_FOUND"
        if self.grants(who):
            return None
        return "UNAUTHENTICATED" if who.expired else "FORBIDDEN"


def _grants(permission: Permission, who: Who) -> bool:
    if who.is_customer:
        return permission.customers and (permission.expired_customers or not who.expired)
    if permission.members_only if who.kind is not ActorKind.TEAM_MEMBER else not permission.members:
        return False
    if Scope.INCOMING_WEBHOOK in who.scopes:
        return permission.scope is Scope.INCOMING_WEBHOOK
    return permission.scope is None or permission.scope in who.scopes
