"""Who is calling."""

from dataclasses import dataclass
from uuid import UUID

from rules.roles import Scope, ViewerKind


@dataclass(frozen=True, slots=True)
class Actor:
    """
    Whom a presented credential speaks for; exactly one of the three ids is set, by its kind;
    none for Baton itself.

    An `expired` widget token is good for a fresh one and for nothing else.
    """

    kind: ViewerKind
    workspace_id: UUID
    scopes: frozenset[Scope] = frozenset()
    member_id: UUID | None = None
    api_key_id: UUID | None = None
    conversation_id: UUID | None = None
    session_hash: bytes | None = None
    expired: bool = False

    @classmethod
    def system(cls, workspace_id: UUID) -> "Actor":
        """Who does what timers do in a workspace: nobody in particular."""
        return cls(ViewerKind.API_KEY, workspace_id)

    @property
    def is_customer(self) -> bool:
        """Whether a widget token was presented."""
        return self.kind is ViewerKind.CUSTOMER

    @property
    def idempotency_scope(self) -> UUID:
        """Where this caller's idempotency keys count."""
        return self.conversation_id or self.workspace_id

    @property
    def id(self) -> UUID:
        """What tells this caller from others."""
        found = self.member_id or self.api_key_id or self.conversation_id
        assert found is not None
        return found
