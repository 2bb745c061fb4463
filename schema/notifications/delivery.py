"""Deliveries: one event for one recipient, with every attempt to deliver it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from models import delivery as models
from resolvers.loaders import attempts_of, pauses_of_targets
from resolvers.pagination import Page
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.typeid import format_id
from schema.context import GraphQLContext, Info, sync_or_async_field

if TYPE_CHECKING:
    from schema.escalation.types import Escalation
from resolvers.delivery import delivery_by_id
from rules import typeid
from schema.nodes import Node, load_optional_node, node
from schema.pagination import Connection

R = TypeVar("R")

_WAITS = "It waits, because the latest attempts at this target failed."


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


@node(typeid.DELIVERY, "delivery", delivery_by_id)
@strawberry.type
class Delivery(Node):
    """One event for one recipient."""

    key: strawberry.Private[UUID]
    escalation_key: strawberry.Private[UUID | None]
    target_key: strawberry.Private[UUID]
    attempts_made: strawberry.Private[int]
    own_next_attempt_at: strawberry.Private[datetime | None]
    own_note: strawberry.Private[str | None]
    channel: DeliveryChannel
    """Channel of the notification."""
    target: str
    """Email address, Slack channel or URL."""
    event_type: str
    """Type of the event, such as escalation.created."""
    status: DeliveryStatus
    """Status of the delivery."""
    created_at: datetime
    """Time at which it was queued."""

    @classmethod
    def of(cls, row: models.Delivery, _: GraphQLContext) -> "Delivery":
        """Build the type from a row."""
        return cls(
            id=strawberry.ID(format_id(typeid.DELIVERY, row.id)),
            key=row.id,
            escalation_key=row.escalation_id,
            target_key=row.target_id,
            attempts_made=row.attempts_made,
            own_next_attempt_at=row.next_attempt_at,
            own_note=row.note,
            channel=row.channel,
            target=row.target,
            event_type=row.event_type,
            status=row.status,
            created_at=row.created_at,
        )

    @sync_or_async_field(Annotated["Escalation", strawberry.lazy("schema.escalation.types")] | None)
    def escalation(self, info: Info) -> AwaitableOrValue["Escalation | None"]:
        """Escalation that the event belongs to, if any."""
        return load_optional_node(info, typeid.ESCALATION, self.escalation_key)

    @sync_or_async_field(datetime | None)
    def next_attempt_at(self, info: Info) -> AwaitableOrValue[datetime | None]:
        """Time of the next attempt, if there will be one: never in a pause of its target."""
        due_at = self.own_next_attempt_at
        if due_at is None:
            return None
        return self._look_up_pause(info, lambda until: max(due_at, until or due_at))

    @sync_or_async_field(str | None)
    def note(self, info: Info) -> AwaitableOrValue[str | None]:
        """Explanation of the status, if there is one."""
        due_at = self.own_next_attempt_at
        if due_at is None or self.attempts_made or self.own_note:
            return self.own_note
        return self._look_up_pause(info, lambda until: _WAITS if until and until > due_at else None)

    def _look_up_pause(self, info: Info, build: Callable[[datetime | None], R]) -> AwaitableOrValue[R]:
        return info.context.look_up(pauses_of_targets, self.target_key, build)

    @sync_or_async_field(list[DeliveryAttempt])
    def attempts(self, info: Info) -> AwaitableOrValue[list[DeliveryAttempt]]:
        """Latest 100 attempts that have come to their end, oldest first."""
        return info.context.look_up(attempts_of, self.key, lambda rows: _ended(rows or ()))


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
class DeliveryConnection(Connection[Delivery]):
    """A page of deliveries."""

    @classmethod
    def of(cls, page: Page[models.Delivery], info: Info) -> "DeliveryConnection":
        """Build a page."""
        return cls.build(page, [Delivery.of(row, info.context) for row in page.rows])
