"""Workspaces."""

from datetime import datetime

import strawberry

from models.workspace import Workspace as WorkspaceRow
from resolvers.caller import workspace_by_id
from resolvers.loaders import workspaces_by_id
from rules import typeid
from rules.typeid import format_id
from schema.context import GraphQLContext
from schema.nodes import Node, node


@node(typeid.WORKSPACE, "workspace", workspace_by_id, workspaces_by_id)
@strawberry.type
class Workspace(Node):
    """A team's data, separate from every other team's."""

    name: str
    """Name of the workspace."""
    created_at: datetime
    """Time of its creation."""

    @classmethod
    def of(cls, row: WorkspaceRow, _: GraphQLContext) -> "Workspace":
        """Build the type from a row."""
        return cls(
            id=strawberry.ID(format_id(typeid.WORKSPACE, row.id)), name=row.name, created_at=row.created_at
        )
