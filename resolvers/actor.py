"""The caller of a query or mutation."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from rules.roles import RecorderKind, Scope, ViewerKind


class ActorKind(StrEnum):
    """The kind of an actor: that of its credential, or SYSTEM for Baton itself."""

    API_KEY = "API_KEY"
    TEAM_MEMBER = "TEAM_MEMBER"
    CUSTOMER = "CUSTOMER"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, slots=True)
class Actor:
    """The holder of a credential. Its kind says which of the three ids is set; SYSTEM has none.

    An `expired` widget token can be exchanged for a fresh one and is valid for nothing else.
    """

    kind: ActorKind
    workspace_id: UUID
    scopes: frozenset[Scope] = frozenset()
    member_id: UUID | None = None
    api_key_id: UUID | None = None
    conversation_id: UUID | None = None
    session_hash: bytes | None = None
    expired: bool = False

    @classmethod
    def system(cls, workspace_id: UUID) -> "Actor":
        """Return the actor of timers in a workspace. It sees the whole workspace and has no scope."""
        return cls(ActorKind.SYSTEM, workspace_id)

    @property
    def viewer_kind(self) -> ViewerKind:
        """The kind of the credential. Raises ValueError for SYSTEM, which presents none."""
        return ViewerKind(self.kind.value)

    @property
    def is_customer(self) -> bool:
        """The actor presented a widget token."""
        return self.kind is ActorKind.CUSTOMER

    @property
    def idempotency_scope(self) -> UUID:
        """The id within which this actor's idempotency keys are unique."""
        return self.conversation_id or self.workspace_id

    @property
    def id(self) -> UUID:
        """The id that distinguishes this actor from others; for SYSTEM that of the workspace."""
        return self.member_id or self.api_key_id or self.conversation_id or self.workspace_id


def recorder_of(actor: Actor | None) -> dict[str, Any]:
    """Return the columns that say which caller recorded a row; None is Baton itself."""
    if actor is None:
        return {"recorder_kind": RecorderKind.SYSTEM, "recorder_id": None}
    return {
        "recorder_kind": RecorderKind(actor.kind.value),
        "recorder_id": actor.member_id or actor.api_key_id,
    }
