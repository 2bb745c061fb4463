"""Pages of escalations."""

from uuid import UUID

import strawberry

from resolvers.escalation_queries import EscalationFilter as Filter
from resolvers.escalation_queries import EscalationPage, count_escalations, count_escalations_of_conversation
from schema.basics import PageInfo
from schema.context import Info, forbidden_to_customers
from schema.escalation import LOOKUPS, Escalation
from schema.prefetch import prefetch


@strawberry.type
class EscalationEdge:
    """An escalation in its list."""

    cursor: str
    node: Escalation


@strawberry.type
class EscalationConnection:
    """A page of escalations, of the workspace or of one conversation."""

    of_what: strawberry.Private[Filter | UUID]
    edges: list[EscalationEdge]
    nodes: list[Escalation]
    page_info: PageInfo
    cursor: str

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are in all."""
        if isinstance(self.of_what, UUID):
            return await count_escalations_of_conversation(info.context, self.of_what)
        return await count_escalations(info.context, self.of_what)

    @classmethod
    async def of(cls, found: EscalationPage, info: Info, of_what: Filter | UUID) -> "EscalationConnection":
        """Dresses a page; the workspace's log is not for customers."""
        call = info.context
        await prefetch(info, found.page.rows, LOOKUPS)
        nodes = [Escalation.of(row, call) for row in found.page.rows]
        cursors = found.page.cursors
        return cls(
            of_what=of_what,
            edges=[EscalationEdge(cursor=at, node=one) for at, one in zip(cursors, nodes, strict=True)],
            nodes=nodes,
            page_info=PageInfo.of(found.page),
            cursor=forbidden_to_customers() if call.actor.is_customer else found.cursor,
        )
