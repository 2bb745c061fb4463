"""Deliveries: one event for one recipient, with every attempt to deliver it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from models import delivery as models
from resolvers.loaders import attempts_of, escalations_by_id
from resolvers.pagination import Page
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.typeid import DELIVERY, format_id
from schema.context import Info
from schema.escalation.types import Escalation
from schema.nodes import Node
from schema.pagination import PageInfo


@strawberry.type
class DeliveryAttempt:
    """One attempt to deliver."""

    attempted_at: datetime
    """Time of the attempt."""
    succeeded: bool
    """True if the other side accepted it."""
    response: str | None
    """HTTP status, SMTP reply code or Slack's error name."""
    duration_ms: int
    """Duration in milliseconds."""


@strawberry.type
class Delivery(Node):
    """One event for one recipient."""

    key: strawberry.Private[UUID]
    escalation_key: strawberry.Private[UUID | None]
    channel: DeliveryChannel
    """Channel of the notification."""
    target: str
    """Email address, Slack channel or URL."""
    event_type: str
    """Type of the event, such as escalation.created."""
    status: DeliveryStatus
    """Status of the delivery."""
    next_attempt_at: datetime | None
    """Time of the next attempt, if there will be one."""
    note: str | None
    """Explanation of the status, if there is one."""
    created_at: datetime
    """Time at which it was queued."""

    @classmethod
    def of(cls, row: models.Delivery) -> "Delivery":
        """Build the type from a row."""
        return cls(
            id=strawberry.ID(format_id(DELIVERY, row.id)),
            key=row.id,
            escalation_key=row.escalation_id,
            channel=row.channel,
            target=row.target,
            event_type=row.event_type,
            status=row.status,
            next_attempt_at=row.next_attempt_at,
            note=row.note,
            created_at=row.created_at,
        )

    @strawberry.field
    async def escalation(self, info: Info) -> Escalation | None:
        """Escalation that the event belongs to, if any."""
        key = self.escalation_key
        if key is None or (row := await info.context.load(escalations_by_id, key)) is None:
            return None
        return Escalation.of(row, info.context)

    @strawberry.field
    async def attempts(self, info: Info) -> list[DeliveryAttempt]:
        """Every attempt that has come to its end, oldest first."""
        rows = await info.context.load(attempts_of, self.key)
        return _ended(rows or [])


def _ended(rows: Sequence[models.DeliveryAttempt]) -> list[DeliveryAttempt]:
    # The last one without a result may be under way; one before it never had any.
    return [
        DeliveryAttempt(
            attempted_at=row.attempted_at,
            succeeded=row.succeeded or False,
            response=row.response
            if row.succeeded is not None
            else "not known: the worker ended during the attempt",
            duration_ms=row.duration_ms or 0,
        )
        for row in rows
        if row.succeeded is not None or row is not rows[-1]
    ]


@strawberry.type
class DeliveryEdge:
    """A delivery in its list."""

    cursor: str
    """Cursor of the item in this list."""
    node: Delivery
    """The item."""


@strawberry.type
class DeliveryConnection:
    """A page of deliveries."""

    edges: list[DeliveryEdge]
    """Items of the page, with their cursors."""
    nodes: list[Delivery]
    """Items of the page."""
    page_info: PageInfo
    """Position of the page in the list."""

    @classmethod
    def of(cls, page: Page[models.Delivery]) -> "DeliveryConnection":
        """Build a page."""
        nodes = [Delivery.of(row) for row in page.rows]
        edges = [DeliveryEdge(cursor=at, node=node) for at, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=PageInfo.of(page))
