"""
Following what happens: the streams behind the subscriptions.

Each `watch_*` checks the permission and finds its place, then gives the entries that concern the watcher.
Nothing of the database is held while it waits.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from realtime.bell import Typing
from realtime.cursor import Cursor, Place, StaleCursorError, find_place
from realtime.log import Entry
from resolvers.context import Context
from resolvers.errors import NotFoundError, ResyncRequiredError
from resolvers.permissions import permitted
from resolvers.visible import AGENT, CONVERSATION, ESCALATION, Visible
from rules.clock import SlaStatus
from rules.lifecycle import MessageRole, MessageStatus


@dataclass(frozen=True, slots=True)
class Happening:
    """
    One thing that happened: its kind, its place in the log, and the keys of what it concerns.

    `typing` is the role of who types, for typing_started and typing_stopped; `previous` and `status` are of
    a clock, for sla_on_track, sla_at_risk and sla_breached.
    """

    kind: str
    cursor: str
    occurred_at: datetime
    escalation_id: UUID | None = None
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    epoch: int | None = None
    typing: MessageRole | None = None
    previous: SlaStatus | None = None
    status: SlaStatus | None = None


Happenings = AsyncGenerator[Happening, None]


@permitted("escalationCreated", AGENT)
async def watch_escalations_created(context: Context, agent_id: UUID | None, after: str | None) -> Happenings:
    """New escalations of one AI agent or of the whole workspace."""
    place = await _workspace_place(context, AGENT, agent_id, after)
    return _of_workspace(
        context, place, lambda entry: entry.type == "escalation.created" and _concerns(entry, agent_id)
    )


@permitted("escalationUpdated", AGENT, ESCALATION)
async def watch_escalations(
    context: Context, agent_id: UUID | None, escalation_id: UUID | None, after: str | None
) -> Happenings:
    """Every change to escalations, their creation included."""
    await _must_see(context, ESCALATION, escalation_id)
    place = await _workspace_place(context, AGENT, agent_id, after)
    return _of_workspace(
        context,
        place,
        lambda entry: entry.type.startswith("escalation.") and _concerns(entry, agent_id, escalation_id),
    )


@permitted("slaStatusChanged", AGENT)
async def watch_clocks(context: Context, agent_id: UUID | None, after: str | None) -> Happenings:
    """Clocks that are at risk, breached, or put back on track by a new priority."""
    place = await _workspace_place(context, AGENT, agent_id, after)
    return _of_workspace(
        context, place, lambda entry: entry.type.startswith("escalation.sla_") and _concerns(entry, agent_id)
    )


@permitted("turnRequested", AGENT)
async def watch_turns(context: Context, agent_id: UUID | None, after: str | None) -> Happenings:
    """Customer messages from the widget that an AI is to answer."""
    place = await _workspace_place(context, AGENT, agent_id, after)
    return _of_workspace(
        context, place, lambda entry: entry.type == "turn.requested" and _concerns(entry, agent_id)
    )


@permitted("messageAdded", CONVERSATION)
async def watch_messages(context: Context, conversation_id: UUID, after: str | None) -> Happenings:
    """The messages of one conversation that the caller may see."""
    place = await _conversation_place(context, conversation_id, after)
    return _messages(context, place)


@permitted("conversationUpdated", CONVERSATION)
async def watch_conversation(context: Context, conversation_id: UUID, after: str | None) -> Happenings:
    """What else happens to one conversation: control, its escalations, who types."""
    place = await _conversation_place(context, conversation_id, after)
    return _changes(context, place)


async def _must_see(context: Context, kind: Visible, key: UUID | None) -> None:
    if key is not None:
        async with context.house.database.reading() as session:
            if not await kind.sees(session, context.actor, key):
                raise NotFoundError(kind.name)


async def _workspace_place(context: Context, kind: Visible, key: UUID | None, after: str | None) -> Place:
    await _must_see(context, kind, key)
    return await _place(context, context.actor.workspace_id, after)


async def _conversation_place(context: Context, key: UUID, after: str | None) -> Place:
    await _must_see(context, CONVERSATION, key)
    return await _place(context, key, after)


async def _place(context: Context, stream: UUID, after: str | None) -> Place:
    try:
        async with context.house.database.reading() as session:
            return await find_place(session, stream, after)
    except StaleCursorError:
        raise ResyncRequiredError from None


async def _of_workspace(context: Context, place: Place, chosen: Callable[[Entry], bool]) -> Happenings:
    async with aclosing(context.house.feed.follow(place)) as entries:
        async for entry in entries:
            if isinstance(entry, Entry) and chosen(entry):
                yield _happening(entry)


def _concerns(entry: Entry, agent_id: UUID | None, escalation_id: UUID | None = None) -> bool:
    right_agent = agent_id is None or entry.data.get("agent") == str(agent_id)
    return right_agent and (escalation_id is None or entry.data.get("escalation") == str(escalation_id))


async def _messages(context: Context, place: Place) -> Happenings:
    async with aclosing(context.house.feed.follow(place)) as entries:
        async for entry in entries:
            if isinstance(entry, Entry) and _message_shown(context, entry):
                yield _happening(entry)


def _message_shown(context: Context, entry: Entry) -> bool:
    if entry.type != "message.added":
        return False
    return not context.actor.is_customer or entry.data["status"] == MessageStatus.DELIVERED


async def _changes(context: Context, place: Place) -> Happenings:
    cursor = str(Cursor(place.stream, place.after, place.at))
    async with aclosing(context.house.feed.follow(place)) as entries:
        async for entry in entries:
            if isinstance(entry, Typing):
                if entry.actor != str(context.actor.id):
                    yield _typing(entry, cursor)
            elif _change_shown(context, entry):
                happening = _happening(entry)
                cursor = happening.cursor
                yield happening


def _change_shown(context: Context, entry: Entry) -> bool:
    if entry.type == "message.status_changed":
        return not context.actor.is_customer
    return entry.type.startswith("conversation.")


def _happening(entry: Entry) -> Happening:
    def key(name: str) -> UUID | None:
        return UUID(entry.data[name]) if name in entry.data else None

    return Happening(
        kind=_kind(entry.type),
        cursor=str(Cursor(entry.stream, entry.position, entry.occurred_at)),
        occurred_at=entry.occurred_at,
        escalation_id=key("escalation"),
        conversation_id=key("conversation") or entry.stream,
        message_id=key("message"),
        epoch=entry.data.get("epoch"),
        previous=_status(entry, "previous"),
        status=_status(entry, "status"),
    )


def _status(entry: Entry, name: str) -> SlaStatus | None:
    return SlaStatus(entry.data[name]) if entry.type.startswith("escalation.sla_") else None


def _kind(type_: str) -> str:
    concept, _, kind = type_.partition(".")
    return kind if concept in {"escalation", "conversation"} else type_.replace(".", "_")


def _typing(typing: Typing, cursor: str) -> Happening:
    return Happening(
        kind="typing_started" if typing.typing else "typing_stopped",
        cursor=cursor,
        occurred_at=datetime.now(UTC),
        conversation_id=typing.conversation,
        typing=MessageRole(typing.role),
    )
