"""Subscriptions. The rows of each event are loaded when it is sent."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue, await_maybe

from resolvers import subscription_sources
from resolvers.errors import NotFoundError
from resolvers.loaders import conversations_by_id, escalations_by_id, messages_by_id
from resolvers.subscription_sources import StreamEvent, SubscriptionSource
from rules.message import MessageRole
from rules.sla_clock import SlaStatus
from rules.typeid import AGENT, CONVERSATION, ESCALATION
from schema.context import GraphQLContext, Info, sync_or_async_field
from schema.conversation.message import Message
from schema.conversation.types import Conversation, the_conversation
from schema.escalation.types import Escalation
from schema.team.member import TeamMember, member

T = TypeVar("T")


@strawberry.type
class EscalationEvent:
    """Something happened to an escalation."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""
    kind: str
    """Kind, such as created, assigned, status_changed, replied or resolved."""

    @classmethod
    def of(cls, event: StreamEvent) -> "EscalationEvent":
        """Build the event; its fields are loaded when resolved."""
        return cls(happening=event, cursor=event.cursor, occurred_at=event.occurred_at, kind=event.kind)

    @strawberry.field
    async def escalation(self, info: Info) -> Escalation:
        """The escalation, as it is now."""
        return await _escalation(info, self.happening)


@strawberry.type
class SlaEvent:
    """A clock is at risk, breached, or back on track."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""
    previous: SlaStatus
    """Status before the event."""
    status: SlaStatus
    """Status after the event."""

    @classmethod
    def of(cls, event: StreamEvent) -> "SlaEvent":
        """Build the event; its fields are loaded when resolved."""
        return cls(
            happening=event,
            cursor=event.cursor,
            occurred_at=event.occurred_at,
            previous=_known(event.previous),
            status=_known(event.status),
        )

    @strawberry.field
    async def escalation(self, info: Info) -> Escalation:
        """The escalation, as it is now."""
        return await _escalation(info, self.happening)


@strawberry.type
class MessageEvent:
    """A message was added."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""

    @classmethod
    def of(cls, event: StreamEvent) -> "MessageEvent":
        """Build the event; its fields are loaded when resolved."""
        return cls(happening=event, cursor=event.cursor, occurred_at=event.occurred_at)

    @strawberry.field
    async def message(self, info: Info) -> Message:
        """The message."""
        return await _message(info, self.happening)


@strawberry.type
class ConversationEvent:
    """A change of a conversation, other than a message."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""
    kind: str
    """Kind, such as ai_paused, ai_resumed, message_status_changed, read, typing_started or typing_stopped."""
    typing: MessageRole | None
    """Side that is typing, for typing_started and typing_stopped."""

    @classmethod
    def of(cls, event: StreamEvent) -> "ConversationEvent":
        """Build the event; its fields are loaded when resolved."""
        return cls(
            happening=event,
            cursor=event.cursor,
            occurred_at=event.occurred_at,
            kind=event.kind,
            typing=event.typing,
        )

    @sync_or_async_field(TeamMember | None)
    def member(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member who is typing. Customers see only the name."""
        return member(info, self.happening.member_id)

    @strawberry.field
    async def conversation(self, info: Info) -> Conversation:
        """The conversation, as it is now."""
        return await _conversation(info, self.happening)


@strawberry.type
class TurnEvent:
    """A customer waits for the AI's answer."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""
    epoch: int
    """Epoch to answer with."""

    @classmethod
    def of(cls, event: StreamEvent) -> "TurnEvent":
        """Build the event; its fields are loaded when resolved."""
        return cls(
            happening=event, cursor=event.cursor, occurred_at=event.occurred_at, epoch=event.epoch or 0
        )

    @strawberry.field
    async def latest(self, info: Info) -> bool:
        """False if the customer wrote again before this was sent: a newer turn overtakes this one."""
        conversation_id = _known(self.happening.conversation_id)
        state = await info.context.load(conversations_by_id, conversation_id)
        if state is None:
            raise NotFoundError("conversation")
        return state.row.customer_message_id == self.happening.message_id

    @strawberry.field
    async def message(self, info: Info) -> Message:
        """Customer's message that the AI must answer."""
        return await _message(info, self.happening)

    @strawberry.field
    async def conversation(self, info: Info) -> Conversation:
        """The conversation, as it is now."""
        return await _conversation(info, self.happening)


async def _escalation(info: Info, happening: StreamEvent) -> Escalation:
    row = await info.context.load(escalations_by_id, _known(happening.escalation_id))
    if row is None:
        raise NotFoundError("escalation")
    return Escalation.of(row, info.context)


async def _message(info: Info, happening: StreamEvent) -> Message:
    row = await info.context.load(messages_by_id, _known(happening.message_id))
    if row is None:
        raise NotFoundError("message")
    return Message.of(row, info.context)


async def _conversation(info: Info, happening: StreamEvent) -> Conversation:
    return await await_maybe(the_conversation(info, _known(happening.conversation_id)))


def _known(value: T | None) -> T:
    # The log names what each of its entries is about.
    assert value is not None
    return value


@dataclass(frozen=True, slots=True)
class Followed:
    """The source of a subscription after a cursor, and the function that builds its events."""

    watch: Callable[[str | None], Awaitable[SubscriptionSource]]
    dress: Callable[[StreamEvent], Any]


Arguments = Mapping[str, Any]


def _key(call: GraphQLContext, arguments: Arguments, name: str, prefix: str) -> UUID | None:
    call.require_signed_in()
    text = arguments.get(name)
    return None if text is None else call.parse_global_id(prefix, text, name)


def _escalations_created(call: GraphQLContext, arguments: Arguments) -> Followed:
    agent = _key(call, arguments, "agentId", AGENT)
    return Followed(partial(subscription_sources.watch_escalations_created, call, agent), EscalationEvent.of)


def _escalations_updated(call: GraphQLContext, arguments: Arguments) -> Followed:
    agent = _key(call, arguments, "agentId", AGENT)
    escalation = _key(call, arguments, "escalationId", ESCALATION)
    return Followed(
        partial(subscription_sources.watch_escalations, call, agent, escalation), EscalationEvent.of
    )


def _clocks(call: GraphQLContext, arguments: Arguments) -> Followed:
    agent = _key(call, arguments, "agentId", AGENT)
    return Followed(partial(subscription_sources.watch_clocks, call, agent), SlaEvent.of)


def _messages(call: GraphQLContext, arguments: Arguments) -> Followed:
    key = _known(_key(call, arguments, "conversationId", CONVERSATION))
    return Followed(partial(subscription_sources.watch_messages, call, key), MessageEvent.of)


def _conversations(call: GraphQLContext, arguments: Arguments) -> Followed:
    key = _known(_key(call, arguments, "conversationId", CONVERSATION))
    return Followed(partial(subscription_sources.watch_conversation, call, key), ConversationEvent.of)


def _turns(call: GraphQLContext, arguments: Arguments) -> Followed:
    agent = _key(call, arguments, "agentId", AGENT)
    return Followed(partial(subscription_sources.watch_turns, call, agent), TurnEvent.of)


FOLLOWED: dict[str, Callable[[GraphQLContext, Arguments], Followed]] = {
    "escalationCreated": _escalations_created,
    "escalationUpdated": _escalations_updated,
    "slaStatusChanged": _clocks,
    "messageAdded": _messages,
    "conversationUpdated": _conversations,
    "turnRequested": _turns,
}


class NotHereError(Exception):
    """A subscription was run as a query is: they are followed by `schema.live.groups`."""


async def _elsewhere() -> AsyncGenerator[Any, None]:
    raise NotHereError
    yield


@strawberry.type
class Subscription:
    """Subscriptions."""

    @strawberry.subscription
    async def escalation_created(
        self, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> AsyncGenerator[EscalationEvent, None]:
        """New escalations, of one AI agent or of the whole workspace."""
        return _elsewhere()

    @strawberry.subscription
    async def escalation_updated(
        self,
        agent_id: strawberry.ID | None = None,
        escalation_id: strawberry.ID | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[EscalationEvent, None]:
        """Every change to escalations, their creation included."""
        return _elsewhere()

    @strawberry.subscription
    async def sla_status_changed(
        self, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> AsyncGenerator[SlaEvent, None]:
        """An escalation becomes at risk or breached, or is put back on track by a new priority."""
        return _elsewhere()

    @strawberry.subscription
    async def message_added(
        self, conversation_id: strawberry.ID, after: str | None = None
    ) -> AsyncGenerator[MessageEvent, None]:
        """Messages of one conversation."""
        return _elsewhere()

    @strawberry.subscription
    async def conversation_updated(
        self, conversation_id: strawberry.ID, after: str | None = None
    ) -> AsyncGenerator[ConversationEvent, None]:
        """Changes of one conversation, other than messages."""
        return _elsewhere()

    @strawberry.subscription
    async def turn_requested(
        self, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> AsyncGenerator[TurnEvent, None]:
        """Customer messages from the widget, while the AI may answer."""
        return _elsewhere()
