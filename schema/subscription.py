"""The subscriptions: each event is looked up anew, as it is when it is sent."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import strawberry

from resolvers import watch
from resolvers.batches import escalations_by_id, messages_by_id
from resolvers.errors import NotFoundError
from resolvers.watch import Happening
from rules.clock import SlaStatus
from rules.lifecycle import MessageRole
from rules.typeid import AGENT, CONVERSATION, ESCALATION
from schema.context import Info, key_of
from schema.conversation import Conversation, the_conversation
from schema.escalation import Escalation
from schema.message import Message

T = TypeVar("T")


@strawberry.type
class EscalationEvent:
    """Something happened to an escalation."""

    happening: strawberry.Private[Happening]
    cursor: str
    occurred_at: datetime
    kind: str

    @classmethod
    def of(cls, one: Happening, info: Info) -> "EscalationEvent":
        """Dresses a happening; what it shows is looked up anew."""
        info.context.begin_event(one.occurred_at)
        return cls(happening=one, cursor=one.cursor, occurred_at=one.occurred_at, kind=one.kind)

    @strawberry.field
    async def escalation(self, info: Info) -> Escalation:
        """The escalation, as it is now."""
        return await _escalation(info, self.happening)


@strawberry.type
class SlaEvent:
    """A clock is at risk, breached, or back on track."""

    happening: strawberry.Private[Happening]
    cursor: str
    occurred_at: datetime
    previous: SlaStatus
    status: SlaStatus

    @classmethod
    def of(cls, one: Happening, info: Info) -> "SlaEvent":
        """Dresses a happening; what it shows is looked up anew."""
        info.context.begin_event(one.occurred_at)
        return cls(
            happening=one,
            cursor=one.cursor,
            occurred_at=one.occurred_at,
            previous=_known(one.previous),
            status=_known(one.status),
        )

    @strawberry.field
    async def escalation(self, info: Info) -> Escalation:
        """The escalation, as it is now."""
        return await _escalation(info, self.happening)


@strawberry.type
class MessageEvent:
    """A message was added."""

    happening: strawberry.Private[Happening]
    cursor: str
    occurred_at: datetime

    @classmethod
    def of(cls, one: Happening, info: Info) -> "MessageEvent":
        """Dresses a happening; what it shows is looked up anew."""
        info.context.begin_event(one.occurred_at)
        return cls(happening=one, cursor=one.cursor, occurred_at=one.occurred_at)

    @strawberry.field
    async def message(self, info: Info) -> Message:
        """The message."""
        return await _message(info, self.happening)


@strawberry.type
class ConversationEvent:
    """Something happened to a conversation beside its messages."""

    happening: strawberry.Private[Happening]
    cursor: str
    occurred_at: datetime
    kind: str
    typing: MessageRole | None

    @classmethod
    def of(cls, one: Happening, info: Info) -> "ConversationEvent":
        """Dresses a happening; what it shows is looked up anew."""
        info.context.begin_event(one.occurred_at)
        return cls(
            happening=one,
            cursor=one.cursor,
            occurred_at=one.occurred_at,
            kind=one.kind,
            typing=one.typing,
        )

    @strawberry.field
    async def conversation(self, info: Info) -> Conversation:
        """The conversation, as it is now."""
        return await _conversation(info, self.happening)


@strawberry.type
class TurnEvent:
    """A customer waits for the AI's answer."""

    happening: strawberry.Private[Happening]
    cursor: str
    occurred_at: datetime
    epoch: int

    @classmethod
    def of(cls, one: Happening, info: Info) -> "TurnEvent":
        """Dresses a happening; what it shows is looked up anew."""
        info.context.begin_event(one.occurred_at)
        return cls(happening=one, cursor=one.cursor, occurred_at=one.occurred_at, epoch=one.epoch or 0)

    @strawberry.field
    async def message(self, info: Info) -> Message:
        """The customer's message that the AI is to answer."""
        return await _message(info, self.happening)

    @strawberry.field
    async def conversation(self, info: Info) -> Conversation:
        """The conversation, as it is now."""
        return await _conversation(info, self.happening)


async def _escalation(info: Info, happening: Happening) -> Escalation:
    row = await info.context.load(escalations_by_id, _known(happening.escalation_id))
    if row is None:
        raise NotFoundError("escalation")
    return Escalation.of(row, info.context)


async def _message(info: Info, happening: Happening) -> Message:
    row = await info.context.load(messages_by_id, _known(happening.message_id))
    if row is None:
        raise NotFoundError("message")
    return Message.of(row, info.context)


async def _conversation(info: Info, happening: Happening) -> Conversation:
    return await the_conversation(info, _known(happening.conversation_id))


def _known(found: T | None) -> T:
    # The log names what each of its entries is about.
    assert found is not None
    return found


def _key(info: Info, prefix: str, text: str | None, name: str) -> UUID | None:
    info.context.must_be_signed_in()
    return None if text is None else key_of(info, prefix, text, name)


@strawberry.type
class Subscription:
    """What may be followed live."""

    @strawberry.subscription
    async def escalation_created(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> AsyncGenerator[EscalationEvent, None]:
        """New escalations, of one AI agent or of the whole workspace."""
        agent = _key(info, AGENT, agent_id, "agent_id")
        async with aclosing(
            await watch.watch_escalations_created(info.context.context, agent, after)
        ) as happenings:
            async for one in happenings:
                yield EscalationEvent.of(one, info)

    @strawberry.subscription
    async def escalation_updated(
        self,
        info: Info,
        agent_id: strawberry.ID | None = None,
        escalation_id: strawberry.ID | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[EscalationEvent, None]:
        """Every change to escalations, their creation included."""
        agent = _key(info, AGENT, agent_id, "agent_id")
        escalation = _key(info, ESCALATION, escalation_id, "escalation_id")
        async with aclosing(
            await watch.watch_escalations(info.context.context, agent, escalation, after)
        ) as happenings:
            async for one in happenings:
                yield EscalationEvent.of(one, info)

    @strawberry.subscription
    async def sla_status_changed(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> AsyncGenerator[SlaEvent, None]:
        """An escalation becomes at risk or breached, or is put back on track by a new priority."""
        agent = _key(info, AGENT, agent_id, "agent_id")
        async with aclosing(await watch.watch_clocks(info.context.context, agent, after)) as happenings:
            async for one in happenings:
                yield SlaEvent.of(one, info)

    @strawberry.subscription
    async def message_added(
        self, info: Info, conversation_id: strawberry.ID, after: str | None = None
    ) -> AsyncGenerator[MessageEvent, None]:
        """Messages of one conversation."""
        key = key_of(info, CONVERSATION, conversation_id, "conversation_id")
        async with aclosing(await watch.watch_messages(info.context.context, key, after)) as happenings:
            async for one in happenings:
                yield MessageEvent.of(one, info)

    @strawberry.subscription
    async def conversation_updated(
        self, info: Info, conversation_id: strawberry.ID, after: str | None = None
    ) -> AsyncGenerator[ConversationEvent, None]:
        """What happens to one conversation beside its messages."""
        key = key_of(info, CONVERSATION, conversation_id, "conversation_id")
        async with aclosing(await watch.watch_conversation(info.context.context, key, after)) as happenings:
            async for one in happenings:
                yield ConversationEvent.of(one, info)

    @strawberry.subscription
    async def turn_requested(
        self, info: Info, agent_id: strawberry.ID | None = None, after: str | None = None
    ) -> AsyncGenerator[TurnEvent, None]:
        """Customer messages from the widget, while the AI may answer."""
        agent = _key(info, AGENT, agent_id, "agent_id")
        async with aclosing(await watch.watch_turns(info.context.context, agent, after)) as happenings:
            async for one in happenings:
                yield TurnEvent.of(one, info)
