"""Workspaces."""

from datetime import datetime

import strawberry

from models.workspace import Workspace as WorkspaceRow
from rules.typeid import WORKSPACE, format_id
from schema.nodes import Node


@strawberry.type
class Workspace(Node):
    """A team's own world."""

    name: str
    """Name of the workspace."""
    created_at: datetime
    """Time of its creation."""

    @classmethod
    def of(cls, row: WorkspaceRow) -> "Workspace":
        """Build the type from a row."""
        return cls(id=strawberry.ID(format_id(WORKSPACE, row.id)), name=row.name, created_at=row.created_at)
