"""Pages of the rows that belong to each of many others, and their counts, with one statement for all.

They are meant for ids that were reached through a visible row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    FromClause,
    Select,
    Subquery,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    select,
    true,
)
from sqlalchemy.orm import aliased

from models.compiled_select import CompiledSelect
from models.escalation import Escalation, TimelineEntry
from models.message import Message
from resolvers.context import Context
from resolvers.errors import TooComplexError
from resolvers.escalation_queries import EscalationPage, shown_cursor
from resolvers.pagination import Order, Page, PageRequest, page_of, parameters, with_order
from resolvers.permissions import permitted
from resolvers.visibility import Visibility, bind_values, visible_escalations, visible_messages

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _RelatedList(Generic[T]):
    """A list that each of many rows has: `owner` is the column with the id of that row.

    `text` is the column with long texts, if there is one: they are measured before many of them are read.
    """

    entity: type[T]
    visible: Callable[[Visibility], Select[T]]
    owner: Any
    order: Order
    text: str | None = None

    async def pages(self, context: Context, ids: Sequence[UUID], request: PageRequest) -> dict[UUID, Page[T]]:
        """Return a page of each list; raises BadInputError and TooComplexError."""
        size, backward = request.size
        bounds = self.order.bounds(request)
        actor = context.actor
        kind = self, actor.is_customer, backward, tuple(bounds)
        given = bind_values(actor) | parameters(bounds) | {"ids": ids, "size": size + 1}
        if self.text is not None and len(ids) * size > _ROWS_UNMEASURED:
            ((length,),) = await _lengths(*kind).rows(context.database, **given)
            if (length or 0) > _LONGEST:
                raise TooComplexError(
                    f"The pages hold more than {_LONGEST:,} bytes of text. Ask for smaller pages."
                )
        rows_of: dict[UUID, list[T]] = {owner_id: [] for owner_id in ids}
        rows = _pages(*kind).showing(with_order(context.shown, self.entity, self.order))
        for owner_id, row in await rows.rows(context.database, **given):
            rows_of[owner_id].append(row)
        return {
            owner_id: page_of(rows, self.order, request, (size, backward))
            for owner_id, rows in rows_of.items()
        }

    async def counts(self, context: Context, ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return the length of each list; an empty one is left out."""
        actor = context.actor
        rows = await _counts(self, actor.is_customer).rows(context.database, **bind_values(actor), ids=ids)
        return dict(rows)


_IDS = bindparam("ids", type_=ARRAY(Uuid))


# A message has 20,000 characters at most: so many are 8 MB as a rule, and 32 MB of four-byte characters.
_ROWS_UNMEASURED = 400
# As long as the longest reply.
_LONGEST = 8 * 1024 * 1024


@cache
def _pages(
    listed: _RelatedList[T], customer: bool, backward: bool, bounds: tuple[str, ...]
) -> CompiledSelect[UUID, T]:
    owners, page, order = _lateral(listed, customer, backward, bounds)
    return CompiledSelect(
        select(owners.c.id, aliased(listed.entity, page))
        .join_from(owners, page, true())
        .order_by(owners.c.id, *order(page.c))
    )


@cache
def _lengths(
    listed: _RelatedList[Any], customer: bool, backward: bool, bounds: tuple[str, ...]
) -> CompiledSelect[int | None]:
    owners, page, _ = _lateral(listed, customer, backward, bounds)
    length = cast(func.sum(func.octet_length(page.c[str(listed.text)])), BigInteger)
    return CompiledSelect(select(length).select_from(owners.join(page, true())))


def _lateral(
    listed: _RelatedList[Any], customer: bool, backward: bool, bounds: tuple[str, ...]
) -> tuple[Subquery, FromClause, Callable[[Any], list[Any]]]:
    """Return the ids of the owners, the page of each, and a function that makes the order of the rows."""
    owners = select(func.unnest(_IDS).label("id")).subquery("owners")
    rows = listed.visible(Visibility.template(customer=customer)).where(listed.owner == owners.c.id)
    rows = rows.where(*(listed.order.beyond(side) for side in bounds))

    def ordered(named: Any) -> list[Any]:
        columns = [named[column.key] for column in listed.order.columns]
        return listed.order.sorted(columns, backward=backward)

    return owners, listed.order.limited(rows, backward=backward).lateral("page"), ordered


@cache
def _counts(listed: _RelatedList[Any], customer: bool) -> CompiledSelect[UUID, int]:
    rows = listed.visible(Visibility.template(customer=customer)).where(listed.owner == any_(_IDS))
    return CompiledSelect(rows.with_only_columns(listed.owner, func.count()).group_by(listed.owner))


_MESSAGES = _RelatedList(
    Message,
    visible_messages,
    Message.conversation_id,
    Order("position", (Message.position,), False),
    "content",
)
_ESCALATIONS = _RelatedList(
    Escalation,
    visible_escalations,
    Escalation.conversation_id,
    Order("newest", (Escalation.created_at, Escalation.id), True),
)
_TIMELINES = _RelatedList(
    TimelineEntry,
    lambda _: select(TimelineEntry),
    TimelineEntry.escalation_id,
    Order("timeline", (TimelineEntry.position,), False),
)


@permitted("node")
async def messages_of(
    context: Context, ids: Sequence[UUID], request: PageRequest
) -> dict[UUID, Page[Message]]:
    """Return a page of the messages of each conversation, in order."""
    return await _MESSAGES.pages(context, ids, request)


@permitted("node")
async def message_counts_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of messages of each conversation; 0 is left out."""
    return await _MESSAGES.counts(context, ids)


@permitted("node")
async def escalations_of(
    context: Context, ids: Sequence[UUID], request: PageRequest
) -> dict[UUID, EscalationPage]:
    """Return a page of the escalations of each conversation, newest first."""
    cursor = await shown_cursor(context, EscalationPage)
    pages = await _ESCALATIONS.pages(context, ids, request)
    return {conversation_id: EscalationPage(page, cursor) for conversation_id, page in pages.items()}


@permitted("node")
async def escalation_counts_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of escalations of each conversation; 0 is left out."""
    return await _ESCALATIONS.counts(context, ids)


@permitted("node")
async def timelines_of(
    context: Context, ids: Sequence[UUID], request: PageRequest
) -> dict[UUID, Page[TimelineEntry]]:
    """Return a page of the timeline of each escalation, oldest first."""
    return await _TIMELINES.pages(context, ids, request)
