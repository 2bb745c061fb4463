"""Sources of the subscriptions.

Each `watch_*` checks the permission, resolves the cursor, and selects the entries that concern the
subscriber. Subscribers with the same source can share one reader.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from realtime.cursor import Cursor, StaleCursorError, StreamPosition, resolve_cursor
from realtime.feed import Signal, ViewerChange
from realtime.log import Entry
from realtime.pubsub import Typing
from resolvers.actor import ActorKind
from resolvers.context import Context
from resolvers.errors import ResyncRequiredError
from resolvers.permissions import permitted
from resolvers.visibility import AGENT, CONVERSATION, ESCALATION, VisibleRow
from rules.message import MessageRole, MessageStatus
from rules.sla_clock import SlaStatus


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event of a stream: its kind, its position in the log, and the ids of its rows.

    Events of typing and viewing have no `position`. `typing` is the role of the party that types, `typist`
    its id; `member_id` is the team member who types or views. `previous` and `status` of a clock are set for
    sla_on_track, sla_at_risk and sla_breached.
    """

    kind: str
    position: int | None
    cursor: str
    occurred_at: datetime
    escalation_id: UUID | None = None
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    epoch: int | None = None
    typing: MessageRole | None = None
    typist: str | None = None
    member_id: UUID | None = None
    previous: SlaStatus | None = None
    status: SlaStatus | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionSource:
    """The source of a subscription: a position in a stream, and the entries that match.

    It is equal for all subscribers with the same visibility. `typings` adds typing signals, `viewings` the
    changes of viewers.
    """

    place: StreamPosition
    matches: Callable[[Entry], bool]
    typings: bool = False
    viewings: bool = False

    def event(self, item: Entry | Signal, cursor: str) -> StreamEvent | None:
        """Return the event of a stream item, or None; a signal repeats `cursor`."""
        if isinstance(item, Typing):
            return _typing(item, cursor) if self.typings else None
        if isinstance(item, ViewerChange):
            return _viewing(item, cursor) if self.viewings else None
        return _stream_event(item) if self.matches(item) else None

    @property
    def cursor(self) -> str:
        """The cursor at which it begins."""
        return str(Cursor(self.place.stream, self.place.after, self.place.at))


@permitted("escalationCreated", AGENT)
async def watch_escalations_created(
    context: Context, agent_id: UUID | None, after: str | None
) -> SubscriptionSource:
    """Return the source of new escalations, of one AI agent or of the workspace."""
    position = await _workspace_position(context, AGENT, agent_id, after)
    return SubscriptionSource(
        position, lambda entry: entry.type == "escalation.created" and _concerns(entry, agent_id)
    )


@permitted("escalationUpdated", AGENT, ESCALATION)
async def watch_escalations(
    context: Context, agent_id: UUID | None, escalation_id: UUID | None, after: str | None
) -> SubscriptionSource:
    """Return the source of all changes to escalations, their creation included.

    A pause or a return of control is one if the escalation is active before and after it.
    """
    await _require_visible(context, ESCALATION, escalation_id)
    position = await _workspace_position(context, AGENT, agent_id, after)
    return SubscriptionSource(
        position,
        lambda entry: _changes_escalation(entry) and _concerns(entry, agent_id, escalation_id),
    )


@permitted("conversationsUpdated", AGENT)
async def watch_conversations(
    context: Context, agent_id: UUID | None, after: str | None
) -> SubscriptionSource:
    """Return the source of new conversations, their messages and the control in them."""
    position = await _workspace_position(context, AGENT, agent_id, after)
    return SubscriptionSource(
        position, lambda entry: entry.type.startswith("conversation.") and _concerns(entry, agent_id)
    )


@permitted("slaStatusChanged", AGENT)
async def watch_clocks(context: Context, agent_id: UUID | None, after: str | None) -> SubscriptionSource:
    """Return the source of clocks at risk, breached, or back on track by a new priority."""
    position = await _workspace_position(context, AGENT, agent_id, after)
    return SubscriptionSource(
        position, lambda entry: entry.type.startswith("escalation.sla_") and _concerns(entry, agent_id)
    )


@permitted("turnRequested", AGENT)
async def watch_turns(context: Context, agent_id: UUID | None, after: str | None) -> SubscriptionSource:
    """Return the source of customer messages that an AI must answer."""
    position = await _workspace_position(context, AGENT, agent_id, after)
    return SubscriptionSource(
        position, lambda entry: entry.type == "turn.requested" and _concerns(entry, agent_id)
    )


@permitted("messageAdded", CONVERSATION)
async def watch_messages(context: Context, conversation_id: UUID, after: str | None) -> SubscriptionSource:
    """Return the source of the messages that the caller may see in one conversation."""
    position = await _conversation_position(context, conversation_id, after)
    customer = context.actor.is_customer
    return SubscriptionSource(position, lambda entry: _message_shown(customer, entry))


@permitted("conversationUpdated", CONVERSATION)
async def watch_conversation(
    context: Context, conversation_id: UUID, after: str | None
) -> SubscriptionSource:
    """Return the source of other changes to one conversation: control, escalations, typing, viewing."""
    position = await _conversation_position(context, conversation_id, after)
    customer = context.actor.is_customer
    return SubscriptionSource(
        position,
        lambda entry: _change_shown(customer, entry),
        typings=True,
        # API keys have no use for it, and customers must not see it.
        viewings=context.actor.kind is ActorKind.TEAM_MEMBER,
    )


async def _require_visible(context: Context, kind: VisibleRow[Any], row_id: UUID | None) -> None:
    if row_id is not None:
        await kind.require_visible(context.database, context.actor, row_id)


async def _workspace_position(
    context: Context, kind: VisibleRow[Any], row_id: UUID | None, after: str | None
) -> StreamPosition:
    await _require_visible(context, kind, row_id)
    return await _position(context, context.actor.workspace_id, after)


async def _conversation_position(
    context: Context, conversation_id: UUID, after: str | None
) -> StreamPosition:
    await _require_visible(context, CONVERSATION, conversation_id)
    return await _position(context, conversation_id, after)


async def _position(context: Context, stream: UUID, after: str | None) -> StreamPosition:
    try:
        return await resolve_cursor(context.database, stream, after)
    except StaleCursorError:
        raise ResyncRequiredError from None


def _changes_escalation(entry: Entry) -> bool:
    return entry.type.startswith("escalation.") or "active" in entry.data


def _concerns(entry: Entry, agent_id: UUID | None, escalation_id: UUID | None = None) -> bool:
    right_agent = agent_id is None or entry.data.get("agent") == str(agent_id)
    return right_agent and (escalation_id is None or _escalation_of(entry) == str(escalation_id))


def _escalation_of(entry: Entry) -> str | None:
    # The cause of a pause, or an escalation that was active already.
    return entry.data.get("escalation") or entry.data.get("active")


def _message_shown(customer: bool, entry: Entry) -> bool:
    if entry.type != "message.added":
        return False
    return not customer or entry.data["status"] == MessageStatus.DELIVERED


def _change_shown(customer: bool, entry: Entry) -> bool:
    if entry.type in {"message.status_changed", "conversation.metadata_changed"}:
        return not customer
    return entry.type.startswith("conversation.")


def _stream_event(entry: Entry) -> StreamEvent:
    def id_of(name: str) -> UUID | None:
        return UUID(entry.data[name]) if name in entry.data else None

    escalation = _escalation_of(entry)
    return StreamEvent(
        kind=_kind(entry.type),
        position=entry.position,
        cursor=str(Cursor(entry.stream, entry.position, entry.occurred_at)),
        occurred_at=entry.occurred_at,
        escalation_id=UUID(escalation) if escalation else None,
        conversation_id=id_of("conversation") or entry.stream,
        message_id=id_of("message"),
        epoch=entry.data.get("epoch"),
        previous=_status(entry, "previous"),
        status=_status(entry, "status"),
    )


def _status(entry: Entry, name: str) -> SlaStatus | None:
    return SlaStatus(entry.data[name]) if entry.type.startswith("escalation.sla_") else None


def _kind(type_: str) -> str:
    concept, _, kind = type_.partition(".")
    return kind if concept in {"escalation", "conversation"} else type_.replace(".", "_")


def _typing(typing: Typing, cursor: str) -> StreamEvent:
    return StreamEvent(
        kind="typing_started" if typing.typing else "typing_stopped",
        position=None,
        cursor=cursor,
        occurred_at=datetime.now(UTC),
        conversation_id=typing.conversation,
        typing=MessageRole(typing.role),
        typist=typing.actor,
        member_id=UUID(typing.actor) if typing.role == MessageRole.HUMAN else None,
    )


def _viewing(change: ViewerChange, cursor: str) -> StreamEvent:
    return StreamEvent(
        kind="viewing_started" if change.viewing else "viewing_stopped",
        position=None,
        cursor=cursor,
        occurred_at=datetime.now(UTC),
        conversation_id=change.conversation,
        member_id=change.member,
    )
