"""Histories of an AI agent at any instants: the resolvers of the service, on a recorded clock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from resolvers.actor import Actor, ActorKind
from resolvers.agent import create_agent, update_escalation_settings
from resolvers.ai_control import pause_ai, resume_ai
from resolvers.analytics.rollups import (
    count_changes,
    days_to_rebuild,
    rebuild_day,
    refresh_months,
    refresh_rollups,
)
from resolvers.context import Context, Services
from resolvers.conversation import start_conversation
from resolvers.customer import Customer
from resolvers.errors import BatonError
from resolvers.escalation import (
    EscalationChanges,
    ResolutionInput,
    reopen_escalation,
    resolve_escalation,
    set_disposition,
    update_escalation,
)
from resolvers.escalation_triggers import (
    EscalateCall,
    escalate_conversation,
    report_tool_result,
    request_human,
)
from resolvers.locks import lock_conversation
from resolvers.message import NewMessage, record_message
from resolvers.reply import reply_to_escalation
from resolvers.timer_handlers import fire_if_due
from rules.escalation import Disposition, Priority
from rules.message import MessageRole
from rules.roles import EVERY_SCOPE
from rules.typeid import WORKSPACE, parse_id
from server.services import open_services
from server.settings import Settings
from tests.support.baton_client import Server, Workspace

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """Something that happens in a conversation, `after` microseconds."""

    act: str
    value: Any = None
    after: int = 0


class Recorder:
    """Records histories in a workspace, through services of its own."""

    def __init__(self, workspace: Workspace, services: Services, runner: asyncio.Runner) -> None:
        self.workspace = workspace
        self._services = services
        self._run = runner.run
        self._workspace_id = parse_id(WORKSPACE, workspace.id)
        key = workspace.server.rows("SELECT id FROM api_keys WHERE workspace_id = $1", self._workspace_id)[0][
            "id"
        ]
        self._actor = Actor(ActorKind.API_KEY, self._workspace_id, EVERY_SCOPE, api_key_id=key)
        self.members = [
            row["email"]
            for row in workspace.server.rows(
                "SELECT email FROM members WHERE workspace_id = $1 ORDER BY email", self._workspace_id
            )
        ]

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something in the loop of the services."""

        async def wrapped() -> T:
            return await work()

        return self._run(wrapped())

    def _at(self, instant: datetime | None) -> Context:
        return Context(self._services, self._actor, replay_clock=instant)

    def new_agent(self, **settings: Any) -> UUID:
        """Create an AI agent with these settings over the defaults."""

        async def create() -> UUID:
            agent = await create_agent(self._at(None), "Robot")
            await update_escalation_settings(self._at(None), agent.id, settings)
            return agent.id

        return self.run(create)

    def record(self, agent_id: UUID, start: datetime, steps: list[Step], instants: list[datetime]) -> UUID:
        """Record a conversation with these steps; refused ones change nothing."""

        async def talk() -> UUID:
            started = await start_conversation(self._at(start), agent_id, Customer())
            conversation_id = started.conversation_id
            await self._services.database.fetch(
                "UPDATE conversations SET created_at = $2 WHERE id = $1", conversation_id, start
            )
            for step, instant in zip(steps, instants, strict=True):
                try:
                    await self._act(self._at(instant), conversation_id, step)
                except BatonError:
                    continue
            return conversation_id

        return self.run(talk)

    async def _act(self, context: Context, conversation_id: UUID, step: Step) -> None:
        if step.act in _OF_CONVERSATION:
            await _OF_CONVERSATION[step.act](context, conversation_id, step.value)
            return
        result = await self._services.database.fetch(
            "SELECT id FROM escalations WHERE conversation_id = $1 ORDER BY created_at DESC LIMIT 1",
            conversation_id,
        )
        if not result:
            return
        if step.act == "assign":
            value = self.members[step.value % len(self.members)] if step.value is not None else ""
            await update_escalation(context, result[0]["id"], EscalationChanges(assign_to=value))
        else:
            await _OF_ESCALATION[step.act](context, result[0]["id"], step.value)

    def pack(self, months: bool = False) -> None:
        """Bring the roll-ups up to date."""

        async def work() -> None:
            while await count_changes(self._services.database, 1):
                await refresh_rollups(self._services.transactions)
            if months:
                await refresh_months(self._services.transactions)

        self.run(work)

    def rebuild(self, agent_id: UUID) -> None:
        """Compute the days of an AI agent again."""

        async def work() -> None:
            transactions = self._services.transactions
            for workspace_id, of, day in await days_to_rebuild(transactions):
                if of == agent_id:
                    await rebuild_day(transactions, workspace_id, of, day)

        self.run(work)


async def _fire(context: Context, conversation_id: UUID, _: Any) -> None:
    async with context.services.transactions.begin(context.replay_clock) as tx:
        await fire_if_due(tx, await lock_conversation(tx, context.actor, conversation_id))


async def _replies(context: Context, conversation_id: UUID, confidence: float | None) -> None:
    message = NewMessage(MessageRole.ASSISTANT, "Let me see.", confidence=confidence)
    await record_message(context, conversation_id, message)


async def _replies_with_topic(context: Context, conversation_id: UUID, confidence: float | None) -> None:
    message = NewMessage(MessageRole.ASSISTANT, "I see.", confidence=confidence, intents=["dispute"])
    await record_message(context, conversation_id, message)


async def _says(context: Context, conversation_id: UUID, content: str) -> None:
    await record_message(context, conversation_id, NewMessage(MessageRole.USER, content))


async def _calls(context: Context, conversation_id: UUID, reason: str) -> None:
    await escalate_conversation(context, conversation_id, EscalateCall(reason))


async def _presses(context: Context, conversation_id: UUID, _: Any) -> None:
    await request_human(context, conversation_id)


async def _fails(context: Context, conversation_id: UUID, _: Any) -> None:
    await report_tool_result(context, conversation_id, "billing", False)


async def _pauses(context: Context, conversation_id: UUID, _: Any) -> None:
    await pause_ai(context, conversation_id)


async def _resumes(context: Context, conversation_id: UUID, _: Any) -> None:
    await resume_ai(context, conversation_id)


async def _answers(context: Context, escalation_id: UUID, _: Any) -> None:
    await reply_to_escalation(context, escalation_id, "A person here.")


async def _resolves(context: Context, escalation_id: UUID, disposition: Disposition | None) -> None:
    await resolve_escalation(context, escalation_id, ResolutionInput(disposition=disposition))


async def _reopens(context: Context, escalation_id: UUID, _: Any) -> None:
    await reopen_escalation(context, escalation_id)


async def _judges(context: Context, escalation_id: UUID, disposition: Disposition | None) -> None:
    await set_disposition(context, escalation_id, disposition)


async def _prioritises(context: Context, escalation_id: UUID, priority: Priority) -> None:
    await update_escalation(context, escalation_id, EscalationChanges(priority=priority))


_Act = Callable[[Context, UUID, Any], Awaitable[None]]
_OF_CONVERSATION: dict[str, _Act] = {
    "replies": _replies,
    "replies with topic": _replies_with_topic,
    "says": _says,
    "calls": _calls,
    "presses": _presses,
    "fails": _fails,
    "pauses": _pauses,
    "resumes": _resumes,
    "fires": _fire,
}
_OF_ESCALATION: dict[str, _Act] = {
    "answers": _answers,
    "resolves": _resolves,
    "reopens": _reopens,
    "judges": _judges,
    "prioritises": _prioritises,
}


@contextmanager
def open_recorder(server: Server) -> Iterator[Recorder]:
    """Open a recorder in a new workspace with two more team members."""
    workspace = server.new_workspace()
    for name in ("bo", "cy"):
        workspace.member(f"{name}{workspace.id[-6:]}@example.com")
    settings = Settings(data_dir=server.data_dir, database_url=server.service_url)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        opened = runner.run(
            stack.enter_async_context(open_services(settings, server.service_url, live=False))
        )
        try:
            yield Recorder(workspace, opened.services, runner)
        finally:
            runner.run(stack.aclose())
