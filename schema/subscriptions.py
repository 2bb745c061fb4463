"""Subscriptions. The rows of each event are loaded when it is sent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers.context import Context
from resolvers.errors import NotFoundError
from resolvers.loaders import ConversationState, conversations_by_id
from resolvers.subscription_sources import (
    StreamEvent,
    SubscriptionSource,
    watch_clocks,
    watch_conversation,
    watch_conversations,
    watch_escalations,
    watch_escalations_created,
    watch_messages,
    watch_turns,
)
from rules.message import MessageRole
from rules.sla_clock import SlaStatus
from rules.typeid import AGENT, CONVERSATION, ESCALATION, MEMBER, MESSAGE
from schema.context import Info, parse_global_id, sync_or_async_field
from schema.conversation.message import Message
from schema.conversation.types import Conversation
from schema.escalation.types import Escalation
from schema.nodes import load_node, load_optional_node
from schema.team.member import TeamMember

P = ParamSpec("P")
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

    @sync_or_async_field(Escalation)
    def escalation(self, info: Info) -> AwaitableOrValue[Escalation]:
        """The escalation, as it is now."""
        return load_node(info, ESCALATION, _known(self.happening.escalation_id))


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

    @sync_or_async_field(Escalation)
    def escalation(self, info: Info) -> AwaitableOrValue[Escalation]:
        """The escalation, as it is now."""
        return load_node(info, ESCALATION, _known(self.happening.escalation_id))


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

    @sync_or_async_field(Message)
    def message(self, info: Info) -> AwaitableOrValue[Message]:
        """The message."""
        return load_node(info, MESSAGE, _known(self.happening.message_id))


@strawberry.type
class ConversationEvent:
    """A change of a conversation, other than a message."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""
    kind: str
    """Kind, such as ai_paused, ai_resumed, message_status_changed, read, typing_started or viewing_stopped.

    Events of typing and viewing repeat the cursor of the event before. A viewing event may come twice.
    """
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
        """Team member who is typing or viewing. Customers see only the name, and no viewing."""
        return load_optional_node(info, MEMBER, self.happening.member_id)

    @sync_or_async_field(Conversation)
    def conversation(self, info: Info) -> AwaitableOrValue[Conversation]:
        """The conversation, as it is now."""
        return load_node(info, CONVERSATION, _known(self.happening.conversation_id))


@strawberry.type
class ConversationsEvent:
    """A change in any conversation of the workspace, for lists that stay live."""

    happening: strawberry.Private[StreamEvent]
    cursor: str
    """Position of the event in the log. Subscribe with it as `after` to continue."""
    occurred_at: datetime
    """Time of the event."""
    kind: str
    """Kind, such as created, message_added, ai_paused, ai_resumed or customer_changed."""

    @classmethod
    def of(cls, event: StreamEvent) -> "ConversationsEvent":
        """Build the event; its fields are loaded when resolved."""
        return cls(happening=event, cursor=event.cursor, occurred_at=event.occurred_at, kind=event.kind)

    @sync_or_async_field(Conversation)
    def conversation(self, info: Info) -> AwaitableOrValue[Conversation]:
        """The conversation, as it is now."""
        return load_node(info, CONVERSATION, _known(self.happening.conversation_id))

    @sync_or_async_field(Message | None)
    def message(self, info: Info) -> AwaitableOrValue[Message | None]:
        """The new message, for message_added."""
        if self.happening.message_id is None:
            return None
        return load_node(info, MESSAGE, self.happening.message_id)


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

    @sync_or_async_field(bool)
    def latest(self, info: Info) -> AwaitableOrValue[bool]:
        """False if the customer wrote again before this was sent: a newer turn overtakes this one."""

        def build(state: ConversationState | None) -> bool:
            if state is None:
                raise NotFoundError("conversation")
            return state.row.customer_message_id == self.happening.message_id

        return info.context.look_up(conversations_by_id, _known(self.happening.conversation_id), build)

    @sync_or_async_field(Message)
    def message(self, info: Info) -> AwaitableOrValue[Message]:
        """Customer's message that the AI must answer."""
        return load_node(info, MESSAGE, _known(self.happening.message_id))

    @sync_or_async_field(Conversation)
    def conversation(self, info: Info) -> AwaitableOrValue[Conversation]:
        """The conversation, as it is now."""
        return load_node(info, CONVERSATION, _known(self.happening.conversation_id))


def _known(value: T | None) -> T:
    # The log names what each of its entries is about.
    assert value is not None
    return value


# Opens the source for a caller, after a cursor.
Watch = Callable[[Context, str | None], Awaitable[SubscriptionSource]]


class _Event(Protocol):
    @classmethod
    def of(cls, event: StreamEvent) -> Any: ...


@dataclass(frozen=True, slots=True)
class LiveSource:
    """The result of a subscription's resolver: `watch` opens its source, `build` makes its events.

    It is the same for all callers who see the same, and for every cursor.
    """

    watch: Watch
    build: Callable[[StreamEvent], Any]


def subscription(event: type[_Event]) -> Callable[[Callable[P, Watch]], Any]:
    """Declare a subscription by a resolver that checks its arguments, except `after`, and returns its Watch.

    The field's `subscribe` returns a LiveSource. `schema.live` calls it, because subscribers share sources.
    """

    def declare(resolver: Callable[P, Watch]) -> Any:
        @wraps(resolver)
        def subscribe(*args: P.args, **kwargs: P.kwargs) -> LiveSource:
            return LiveSource(resolver(*args, **kwargs), event.of)

        return strawberry.subscription(subscribe, graphql_type=event)

    return declare


def _optional_id(info: Info, prefix: str, text: str | None, name: str) -> UUID | None:
    info.context.require_signed_in()
    return None if text is None else parse_global_id(info, prefix, text, name)


@strawberry.type
class Subscription:
    """Streams of events: those since a cursor first, then each as it happens."""

    @subscription(EscalationEvent)
    def escalation_created(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> Watch:
        """New escalations, of one AI agent or of the whole workspace."""
        agent = _optional_id(info, AGENT, agent_id, "agent_id")
        return lambda context, after: watch_escalations_created(context, agent, after)

    @subscription(EscalationEvent)
    def escalation_updated(
        self,
        info: Info,
        agent_id: strawberry.ID | None = None,
        escalation_id: strawberry.ID | None = None,
        after: str | None = None,
    ) -> Watch:
        """Every change to escalations, including creation, and changes of control while one is active."""
        agent = _optional_id(info, AGENT, agent_id, "agent_id")
        escalation = _optional_id(info, ESCALATION, escalation_id, "escalation_id")
        return lambda context, after: watch_escalations(context, agent, escalation, after)

    @subscription(SlaEvent)
    def sla_status_changed(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> Watch:
        """An escalation becomes at risk or breached, or is put back on track by a new priority."""
        agent = _optional_id(info, AGENT, agent_id, "agent_id")
        return lambda context, after: watch_clocks(context, agent, after)

    @subscription(MessageEvent)
    def message_added(self, info: Info, conversation_id: strawberry.ID, after: str | None = None) -> Watch:
        """Messages of one conversation."""
        conversation = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        return lambda context, after: watch_messages(context, conversation, after)

    @subscription(ConversationEvent)
    def conversation_updated(
        self, info: Info, conversation_id: strawberry.ID, after: str | None = None
    ) -> Watch:
        """Changes of one conversation, other than messages."""
        conversation = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        return lambda context, after: watch_conversation(context, conversation, after)

    @subscription(ConversationsEvent)
    def conversations_updated(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> Watch:
        """New conversations, messages, control and customers, of one AI agent or of the whole workspace."""
        agent = _optional_id(info, AGENT, agent_id, "agent_id")
        return lambda context, after: watch_conversations(context, agent, after)

    @subscription(TurnEvent)
    def turn_requested(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> Watch:
        """Customer messages from the widget, while the AI may answer.

        For the AI agent's back end, which answers each by recordMessage with its epoch. When control returns
        to the AI, the customer's last message comes again with the new epoch, if it has no answer.
        """
        agent = _optional_id(info, AGENT, agent_id, "agent_id")
        return lambda context, after: watch_turns(context, agent, after)
