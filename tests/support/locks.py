"""Real concurrency: locks that a test holds, concurrent callers, and the database's state afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import httpx

from models.ids import new_id
from resolvers.credentials import SESSION_START, new_token, token_hash
from rules.typeid import CONVERSATION, ESCALATION, MEMBER, MESSAGE, WORKSPACE, parse_id
from tests.support.baton_client import DEADLINE, Caller, Refused, Server, Workspace

P = ParamSpec("P")
T = TypeVar("T")

# The server has 20 connections to its database, and some work of its own to do with them.
MANY = 16

_THREADS = ThreadPoolExecutor(96, thread_name_prefix="caller")

# Every process that waits for process $1, directly or indirectly.
_BEHIND = """WITH RECURSIVE
    waiting AS (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted),
    blocked AS (SELECT pid, unnest(pg_blocking_pids(pid)) AS by FROM waiting),
    behind AS (SELECT $1::int AS pid UNION SELECT blocked.pid FROM behind JOIN blocked ON by = behind.pid)
    SELECT pid FROM behind WHERE pid <> $1"""


def send(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Start a call in its own thread, immediately."""
    return asyncio.get_running_loop().run_in_executor(_THREADS, partial(act, *args, **kwargs))


async def outcomes(*calls: asyncio.Future[Any]) -> list[Any]:
    """Return the answer of each call, or its error code."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    for item in done:
        if isinstance(item, BaseException) and not isinstance(item, Refused):
            raise item
    return [item.code if isinstance(item, Refused) else item for item in done]


@dataclass
class Lock:
    """A row that the test keeps locked."""

    connection: asyncpg.Connection
    _waited: set[int] = field(default_factory=set)

    async def queued(self, count: int) -> list[int]:
        """Wait until `count` database processes wait for the lock, and return their ids."""
        async with asyncio.timeout(DEADLINE):
            while True:
                if len(_behind := await self._behind()) >= count:
                    return _behind
                await asyncio.sleep(0.005)

    async def has_held_up(self, count: int) -> None:
        """
        Wait until `count` database processes have waited for the lock, even if not at the same moment.

        Workers try again after lock_timeout: on a busy machine one may leave the queue before another comes.
        """
        async with asyncio.timeout(DEADLINE):
            while len(self._waited) < count:
                self._waited.update(await self._behind())
                await asyncio.sleep(0.005)

    async def in_order(self, *calls: Callable[[], T]) -> list[asyncio.Future[T]]:
        """Start calls in order: each starts when the previous one waits for the lock."""
        ahead = len(await self._behind())
        begun = []
        for place, call in enumerate(calls, 1):
            begun.append(send(call))
            await self.queued(ahead + place)
        return begun

    async def _behind(self) -> list[int]:
        rows = await self.connection.fetch(_BEHIND, self.connection.get_server_pid())
        return [row["pid"] for row in rows]


@asynccontextmanager
async def hold(server: Server, table: str, key: UUID) -> AsyncIterator[Lock]:
    """Lock a row until the end of the block, like an unfinished transaction."""
    connection = await asyncpg.connect(server.owner_url)
    try:
        async with connection.transaction():
            assert await connection.fetchval(f"SELECT id FROM {table} WHERE id = $1 FOR UPDATE", key) == key
            yield Lock(connection)
    finally:
        await connection.close()


@dataclass
class Contender(Caller):
    """A caller with every act that others may race with; `email` is a team member's."""

    email: str = ""

    def post(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL request and return the whole answer."""
        given = {"query": query, "variables": variables or {}}
        # The certificates of a TLS that is not used would take longer to load than the call takes.
        answer = httpx.post(f"{self.url}/graphql", json=given, headers=self.headers, timeout=60, verify=False)
        result: dict[str, Any] = answer.json()
        return result

    def act(self, field: str, types: str, fields: str, **given: Any) -> Any:
        """Run mutation `field` and return its payload. `types` declares its arguments."""
        passed = ", ".join(f"{name}: ${name}" for name in given)
        return self.ask(f"mutation({types}) {{ {field}({passed}) {fields} }}", **given)[field]

    def claim(self, escalation: str) -> Any:
        """claimEscalation's payload."""
        return self.act("claimEscalation", "$escalationId: ID!", _ESCALATED, escalationId=escalation)

    def reopen(self, escalation: str) -> Any:
        """reopenEscalation's payload."""
        return self.act("reopenEscalation", "$escalationId: ID!", _ESCALATED, escalationId=escalation)

    def update(self, escalation: str, **changes: Any) -> Any:
        """updateEscalation's payload."""
        given = {"escalationId": escalation, **changes}
        return self.act("updateEscalation", "$input: UpdateEscalationInput!", _ESCALATED, input=given)

    def press(self, conversation: str, **more: Any) -> Any:
        """requestHuman's payload."""
        types = "$conversationId: ID!" + ", $idempotencyKey: String" * ("idempotencyKey" in more)
        return self.act("requestHuman", types, _RAISED, conversationId=conversation, **more)

    def submit(self, conversation: str, **more: Any) -> Any:
        """submitForm's payload."""
        given = {"conversationId": conversation, "form": "contact", "fields": {"topic": "a refund"}, **more}
        return self.act("submitForm", "$input: SubmitFormInput!", _RAISED, input=given)

    def fail(self, conversation: str, tool: str = "refunds", **more: Any) -> Any:
        """reportToolResult's payload, for a critical tool that failed."""
        given = {"conversationId": conversation, "tool": tool, "succeeded": False, **more}
        fields = "{ consecutiveFailures escalation { id status } }"
        return self.act("reportToolResult", "$input: ReportToolResultInput!", fields, input=given)

    def pause(self, conversation: str) -> Any:
        """pauseAi's payload."""
        return self.act("pauseAi", "$conversationId: ID!", _CONTROL, conversationId=conversation)

    def resume(self, conversation: str) -> Any:
        """resumeAi's payload."""
        return self.act("resumeAi", "$conversationId: ID!", _CONTROL, conversationId=conversation)

    def send_draft(self, message: str, content: str | None = None) -> Any:
        """sendHeldReply's payload."""
        fields = """{ message { id role status content author { email } }
            escalation { id status assignee { email } sla { outcome } } }"""
        types = "$messageId: ID!, $content: String"
        return self.act("sendHeldReply", types, fields, messageId=message, content=content)

    def discard_draft(self, message: str) -> Any:
        """Discard a held reply and return the message."""
        return self.act("discardHeldReply", "$messageId: ID!", "{ id status }", messageId=message)


_ESCALATED = "{ escalation { id status priority version assignee { email } } }"
_RAISED = "{ created confirmationMessage escalation { id status } }"
_CONTROL = "{ conversation { ai { state epoch pausedBy } } }"


@dataclass
class Scene:
    """A conversation, and those who act in it."""

    workspace: Workspace
    key: Contender
    widget: Contender
    conversation: str
    cursor: str

    @classmethod
    def of(cls, workspace: Workspace) -> "Scene":
        """Start a new conversation."""
        key = Contender(workspace.server.url, workspace.api_key)
        started = key.start(workspace.agent_id)
        widget = Contender(key.url, started["widgetToken"])
        return cls(workspace, key, widget, started["conversation"]["id"], started["conversation"]["cursor"])

    @property
    def server(self) -> Server:
        """Return its server."""
        return self.workspace.server

    @property
    def uuid(self) -> UUID:
        """The conversation's key, its stream's too."""
        return parse_id(CONVERSATION, self.conversation)

    def escalate(self) -> str:
        """Escalate, and return the escalation's id."""
        return str(self.key.escalate(self.conversation)["escalation"]["id"])

    def escalation_uuid(self, escalation: str) -> UUID:
        """Return an escalation's UUID."""
        return parse_id(ESCALATION, escalation)

    def message_uuid(self, message: str) -> UUID:
        """Return a message's UUID."""
        return parse_id(MESSAGE, message)

    def locked(self, table: str = "conversations") -> Any:
        """Lock the conversation's row, or that of its stream."""
        return hold(self.server, table, self.uuid)

    def rows(self) -> dict[str, list[str]]:
        """Everything that the workspace's conversations have left in the database."""
        return rows_of(self.server, self.workspace)


def team(workspace: Workspace, number: int) -> list[Contender]:
    """Signed-in team members; their sessions are made without the cost and the limits of signing in."""
    key = Contender(workspace.server.url, workspace.api_key)
    return [_member(workspace, key, f"member{next(_MEMBERS)}@example.com") for _ in range(number)]


def _member(workspace: Workspace, key: Contender, email: str) -> Contender:
    given = {"email": email, "name": email.partition("@")[0], "role": "AGENT"}
    made = key.act("createMember", "$input: CreateMemberInput!", "{ member { id } }", input=given)
    token, now = new_token(SESSION_START), datetime.now(UTC)
    workspace.server.execute(
        """INSERT INTO member_sessions
            (id, token_hash, member_id, created_at, last_used_at, expires_at, idle_ends_at)
        VALUES ($1, $2, $3, $4, $4, $5, $5)""",
        new_id(),
        token_hash(token),
        parse_id(MEMBER, made["member"]["id"]),
        now,
        now + timedelta(hours=1),
    )
    return Contender(key.url, token, email)


_MEMBERS = count(1)

_CONVERSATIONS = "(SELECT id FROM conversations WHERE workspace_id = $1)"
_ESCALATIONS = "(SELECT id FROM escalations WHERE workspace_id = $1)"
_OF_WORKSPACE = {
    "conversations": "workspace_id = $1",
    "escalations": "workspace_id = $1",
    "pending_escalations": "workspace_id = $1",
    "messages": f"conversation_id IN {_CONVERSATIONS}",
    "tool_failures": f"conversation_id IN {_CONVERSATIONS}",
    "trigger_events": f"escalation_id IN {_ESCALATIONS}",
    "escalation_notes": f"escalation_id IN {_ESCALATIONS}",
    "timeline_entries": f"escalation_id IN {_ESCALATIONS}",
    "streams": f"id = $1 OR id IN {_CONVERSATIONS}",
    "log": f"stream = $1 OR stream IN {_CONVERSATIONS}",
    "idempotency_keys": f"scope_id = $1 OR scope_id IN {_CONVERSATIONS}",
}
_EVERYTHING = " UNION ALL ".join(
    f"SELECT '{table}' AS name, {table}::text AS row FROM {table} WHERE {where}"
    for table, where in _OF_WORKSPACE.items()
)


def rows_of(server: Server, workspace: Workspace) -> dict[str, list[str]]:
    """Return the workspace's rows by table, to assert that a transaction has left nothing."""
    result: dict[str, list[str]] = {table: [] for table in _OF_WORKSPACE}
    for row in server.rows(f"{_EVERYTHING} ORDER BY 1, 2", parse_id(WORKSPACE, workspace.id)):
        result[row["name"]].append(row["row"])
    return result


def is_counted(positions: Iterable[int]) -> bool:
    """Return true if positions are 1, 2, 3 … without a gap."""
    result = list(positions)
    return result == list(range(1, len(result) + 1))
