"""Pages of escalations."""

from uuid import UUID

import strawberry

from resolvers.escalation_queries import EscalationFilter as Filter
from resolvers.escalation_queries import EscalationPage, count_escalations, count_escalations_of_conversation
from schema.context import Info, forbidden_to_customers
from schema.escalation.types import LOOKUPS, Escalation
from schema.pagination import PageInfo
from schema.prefetch import prefetch


@strawberry.type
class EscalationEdge:
    """An escalation in its list."""

    cursor: str
    """Cursor of the item in this list."""
    node: Escalation
    """The item."""


@strawberry.type
class EscalationConnection:
    """A page of escalations, of the workspace or of one conversation."""

    of_what: strawberry.Private[Filter | UUID]
    edges: list[EscalationEdge]
    """Items of the page, with their cursors."""
    nodes: list[Escalation]
    """Items of the page."""
    page_info: PageInfo
    """Position of the page in the list."""
    cursor: str
    """Head of the workspace's log, taken before the rows were read. Subscribe with it as `after`."""

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """Number of items on all pages."""
        if isinstance(self.of_what, UUID):
            return await count_escalations_of_conversation(info.context, self.of_what)
        return await count_escalations(info.context, self.of_what)

    @classmethod
    async def of(cls, listed: EscalationPage, info: Info, of_what: Filter | UUID) -> "EscalationConnection":
        """Build a page. Customers do not see the cursor of the workspace's log."""
        call = info.context
        await prefetch(info, listed.page.rows, LOOKUPS)
        nodes = [Escalation.of(row, call) for row in listed.page.rows]
        cursors = listed.page.cursors
        return cls(
            of_what=of_what,
            edges=[EscalationEdge(cursor=at, node=node) for at, node in zip(cursors, nodes, strict=True)],
            nodes=nodes,
            page_info=PageInfo.of(listed.page),
            cursor=forbidden_to_customers() if call.actor.is_customer else listed.cursor,
        )
