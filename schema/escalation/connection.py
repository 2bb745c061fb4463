"""Pages of escalations."""

from uuid import UUID

import strawberry

from resolvers.escalation_queries import EscalationFilter as Filter
from resolvers.escalation_queries import EscalationPage, count_escalations
from resolvers.related_pages import escalation_counts_of
from rules.typeid import ESCALATION
from schema.context import Info, forbidden_to_customers
from schema.escalation.types import LOOKUPS, Escalation
from schema.nodes import connection
from schema.pagination import Connection
from schema.prefetch import prefetch


@connection(ESCALATION)
@strawberry.type
class EscalationConnection(Connection[Escalation]):
    """A page of escalations, of the workspace or of one conversation."""

    of_what: strawberry.Private[Filter | UUID]
    cursor: str
    """Head of the workspace's log, taken before the rows were read. Subscribe with it as `after`."""

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """Number of items on all pages. Of a search, at most 1,000 are counted."""
        if isinstance(self.of_what, UUID):
            return await info.context.load(escalation_counts_of, self.of_what) or 0
        return await count_escalations(info.context, self.of_what)

    @classmethod
    async def of(cls, listed: EscalationPage, info: Info, of_what: Filter | UUID) -> "EscalationConnection":
        """Build a page. Customers do not see the cursor of the workspace's log."""
        call = info.context
        await prefetch(info, listed.page.rows, LOOKUPS)
        nodes = [Escalation.of(row, call) for row in listed.page.rows]
        cursor = forbidden_to_customers() if call.actor.is_customer else listed.cursor
        return cls.build(listed.page, nodes, of_what=of_what, cursor=cursor)
