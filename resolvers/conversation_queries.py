"""Queries of conversations and their messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, bindparam, exists, func, not_

from models.compiled_select import Shown
from models.conversation import Conversation
from models.escalation import Escalation
from models.search_entry import SearchEntry, SearchSource
from models.words import folded
from resolvers.context import Context
from resolvers.customer_conversations import without_policy
from resolvers.escalation_queries import shown_cursor
from resolvers.field_scopes import check_filter_scopes
from resolvers.list_select import Condition, ListSelect, equals, is_among, is_null
from resolvers.loaders import ConversationState, conversations_by_id
from resolvers.pagination import Order, Page, PageRequest, count_rows, read_page
from resolvers.permissions import permitted
from resolvers.search import COUNTED, SearchedWord, has_message, search_conditions
from resolvers.validation import check_searched
from resolvers.visibility import CONVERSATION, Visibility, visible_conversations
from rules import typeid
from rules.ai_control import AiState


class ConversationOrder(StrEnum):
    """The order of a list of conversations."""

    CREATED_DESC = "CREATED_DESC"
    CREATED_ASC = "CREATED_ASC"
    LAST_MESSAGE_DESC = "LAST_MESSAGE_DESC"


# A conversation without a message stands at the time of its start.
_ACTIVITY = func.coalesce(Conversation.last_message_at, Conversation.created_at)


def _activity(row: Conversation) -> tuple[Any, ...]:
    return row.last_message_at or row.created_at, row.id


_ORDERS = {
    ConversationOrder.CREATED_DESC: Order("created", (Conversation.created_at, Conversation.id), True),
    ConversationOrder.CREATED_ASC: Order("oldest", (Conversation.created_at, Conversation.id), False),
    ConversationOrder.LAST_MESSAGE_DESC: Order("active", (_ACTIVITY, Conversation.id), True, _activity),
}
# A page has ids only.
_OF_CURSORS: Shown = {Conversation: frozenset({"created_at", "last_message_at"})}


@permitted("conversation", CONVERSATION)
async def conversation_by_id(context: Context, conversation_id: UUID) -> ConversationState | None:
    """Return the conversation if the caller may see it, otherwise None."""
    return (await conversations_by_id(context, [conversation_id])).get(conversation_id)


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """A filter of conversations; None does not restrict.

    `awaiting_ai`: the AI may answer, and the customer's last message has no answer.
    """

    agent_id: UUID | None = None
    ai_state: AiState | None = None
    escalated: bool | None = None
    customer_email: str | None = None
    customer_external_id: str | None = None
    awaiting_ai: bool | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """A page of ids, with the head of the workspace's log from before its rows were read."""

    page: Page[UUID]
    cursor: str | None


@permitted("conversations")
async def conversations(
    context: Context, wanted: ConversationFilter, order: ConversationOrder, request: PageRequest
) -> ConversationPage:
    """Return a page of conversations."""
    return await _read_conversations(context, wanted, order, request)


@permitted("conversations(filter: {awaitingAi: true})")
async def conversations_awaiting_ai(
    context: Context, wanted: ConversationFilter, order: ConversationOrder, request: PageRequest
) -> ConversationPage:
    """Return a page of conversations that wait for the AI; the scope of a back end is enough."""
    return await _read_conversations(context, replace(wanted, awaiting_ai=True), order, request)


async def _read_conversations(
    context: Context, wanted: ConversationFilter, order: ConversationOrder, request: PageRequest
) -> ConversationPage:
    listed = await _matching(context, wanted)
    cursor = await shown_cursor(context, ConversationPage)
    page = await read_page(context, listed, _ORDERS[order], request, _OF_CURSORS)
    return ConversationPage(page.of([row.id for row in page.rows]), cursor)


@permitted("node")
async def count_conversations(context: Context, wanted: ConversationFilter) -> int:
    """Count the conversations that match the filter; of a search, up to COUNTED."""
    return await count_rows(
        context, await _matching(context, wanted), None if wanted.search is None else COUNTED
    )


async def _matching(context: Context, wanted: ConversationFilter) -> ListSelect[Conversation]:
    check_filter_scopes(context.actor, "ConversationFilter", wanted)
    search = await search_conditions(context, wanted.search, _IDS, _in_text)
    named = list(_of_customer(wanted))
    if named and context.across_workspaces() is not context:
        named = [await _among_named(context, named)]
    return ListSelect(Conversation, visible_conversations, [*_conditions(wanted), *named, *search])


async def _among_named(context: Context, named: Sequence[Condition]) -> Condition:
    rows = visible_conversations(Visibility.of(context.actor)).with_only_columns(Conversation.id)
    for condition in named:
        rows = rows.where(condition.make(*condition.given)).params(condition.values)
    async with context.list_session() as session:
        ids = await session.scalars(await without_policy(context, rows))
        return is_among(Conversation, "id", list(ids))


def _conditions(wanted: ConversationFilter) -> Iterator[Condition]:
    if wanted.agent_id:
        yield equals(Conversation, "agent_id", wanted.agent_id)
    if wanted.ai_state:
        yield equals(Conversation, "ai_state", wanted.ai_state)
    if wanted.escalated is not None:
        yield Condition(_is_escalated, (wanted.escalated,))
    if wanted.awaiting_ai is not None:
        yield Condition(_awaits_ai, (wanted.awaiting_ai,))


def _of_customer(wanted: ConversationFilter) -> Iterator[Condition]:
    for name in ("customer_email", "customer_external_id"):
        if (text := getattr(wanted, name)) is not None:
            check_searched(f"filter.{name}", text)
            yield Condition(_is_folded, (name,), {name: text})
    if wanted.customer_external_id is not None:
        # The index has the folded ids, and no nulls. Ids that differ in case are those of two customers.
        yield is_null(Conversation, "customer_external_id", False)
        yield equals(Conversation, "customer_external_id", wanted.customer_external_id)


def _is_escalated(escalated: bool) -> ColumnElement[bool]:
    any_escalation = exists().where(Escalation.conversation_id == Conversation.id)
    return any_escalation if escalated else ~any_escalation


def _is_folded(name: str) -> ColumnElement[bool]:
    return folded(getattr(Conversation, name)) == folded(bindparam(name, type_=String))


def _awaits_ai(awaits: bool) -> ColumnElement[bool]:
    awaiting = and_(Conversation.ai_state == AiState.ACTIVE, Conversation.awaiting_answer)
    return awaiting if awaits else not_(awaiting)


def _has_escalation(escalation_id: Any) -> ColumnElement[bool]:
    return exists().where(Escalation.conversation_id == Conversation.id, Escalation.id == escalation_id)


_IDS = {
    typeid.CONVERSATION: lambda row_id: Conversation.id == row_id,
    typeid.ESCALATION: _has_escalation,
    typeid.MESSAGE: lambda row_id: has_message(Conversation.id, row_id),
}


def _in_text(word: SearchedWord) -> ColumnElement[bool]:
    shown = SearchEntry.source != SearchSource.ESCALATION
    if word.frequent:
        return word.has_entry(Conversation.id, shown)
    return word.leads_to(Conversation.id, SearchEntry.conversation_id, shown)
