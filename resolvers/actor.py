"""The caller that a credential identifies."""

from dataclasses import dataclass
from uuid import UUID

from rules.roles import Scope, ViewerKind


@dataclass(frozen=True, slots=True)
class Actor:
    """
    A caller, or Baton itself.

    Exactly one of the three ids is set, by the kind of the credential. Baton itself has neither kind nor id.
    An `expired` widget token can only be exchanged for a new one.
    """

    kind: ViewerKind | None
    workspace_id: UUID
    scopes: frozenset[Scope] = frozenset()
    member_id: UUID | None = None
    api_key_id: UUID | None = None
    conversation_id: UUID | None = None
    session_hash: bytes | None = None
    expired: bool = False

    @classmethod
    def system(cls, workspace_id: UUID) -> "Actor":
        """Return the actor of timers in a workspace: Baton itself."""
        return cls(None, workspace_id)

    @property
    def viewer_kind(self) -> ViewerKind:
        """The kind of the credential; Baton itself presents none."""
        if self.kind is None:
            raise RuntimeError("Baton itself presents no credential")
        return self.kind

    @property
    def is_customer(self) -> bool:
        """True for a widget token."""
        return self.kind is ViewerKind.CUSTOMER

    @property
    def idempotency_scope(self) -> UUID:
        """The id within which this caller's idempotency keys are unique."""
        return self.conversation_id or self.workspace_id

    @property
    def id(self) -> UUID:
        """The id of the member, API key or conversation."""
        id_ = self.member_id or self.api_key_id or self.conversation_id
        if id_ is None:
            raise RuntimeError("Baton itself has no id")
        return id_
