"""Pages of escalations."""

from operator import attrgetter
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers.escalation_queries import CURSOR, EscalationPage, count_escalations
from resolvers.escalation_queries import EscalationFilter as Filter
from resolvers.related_pages import escalation_counts_of
from rules.typeid import ESCALATION
from schema.context import Info, forbidden_to_customers, sync_or_async_field
from schema.escalation.types import Escalation
from schema.nodes import connection
from schema.pagination import Connection
from schema.row_fields import needs, row_field, row_type


@connection(ESCALATION)
@row_type(EscalationPage)
@strawberry.type
class EscalationConnection(Connection[Escalation]):
    """A page of escalations, of the workspace or of one conversation."""

    of_what: strawberry.Private[Filter | UUID]
    for_team: strawberry.Private[bool]
    head: strawberry.Private[str | None]
    cursor: str = row_field(attrgetter("head"), CURSOR, hidden=forbidden_to_customers)
    """Head of the workspace's log, taken before the rows were read. Subscribe with it as `after`."""

    @sync_or_async_field(int, needs())
    def total_count(self, info: Info) -> AwaitableOrValue[int]:
        """Number of items on all pages. Of a search, at most 1,000 are counted."""
        if isinstance(self.of_what, UUID):
            return info.context.look_up(escalation_counts_of, self.of_what, lambda count: count or 0)
        return count_escalations(info.context, self.of_what)

    @classmethod
    def of(cls, listed: EscalationPage, info: Info, of_what: Filter | UUID) -> "EscalationConnection":
        """Build a page. Customers do not see the cursor of the workspace's log."""
        call = info.context
        nodes = [Escalation.of(row, call) for row in listed.page.rows]
        return cls.build(listed.page, nodes, of_what=of_what, for_team=call.for_team, head=listed.cursor)
