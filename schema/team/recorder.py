"""Callers that recorded something."""

from typing import Any, Protocol
from uuid import UUID

import strawberry

from rules.roles import RecorderKind
from rules.typeid import API_KEY, MEMBER, format_id

_PREFIXES = {RecorderKind.API_KEY: API_KEY, RecorderKind.TEAM_MEMBER: MEMBER}


class _Recorded(Protocol):
    recorder_kind: Any
    recorder_id: Any


@strawberry.type
class Recorder:
    """The caller that recorded a message or an entry."""

    kind: RecorderKind
    """Kind of the caller."""
    id: strawberry.ID | None
    """TypeID of the API key or the team member; null for a customer and for Baton itself."""

    @classmethod
    def of(cls, row: _Recorded) -> "Recorder | None":
        """Build the recorder of a row; None if an older version of Baton wrote it."""
        kind: RecorderKind | None = row.recorder_kind
        key: UUID | None = row.recorder_id
        if kind is None:
            return None
        prefix = _PREFIXES.get(kind)
        return cls(kind=kind, id=strawberry.ID(format_id(prefix, key)) if prefix and key else None)
