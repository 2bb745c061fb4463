"""The workspace that all servers work on, and the requests of each kind of work."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from uuid import UUID

from bench.client import Asked, Target, post, run
from bench.server_under_test import Stage, Tenant
from bench.workloads import SAID, Tray, start_conversations
from models.ids import new_id
from models.row_scope import connect_across
from resolvers.credentials import SESSION_START, new_token, token_hash
from rules.typeid import AGENT, parse_id

CONVERSATIONS, ESCALATIONS, MEMBERS = 400, 200, 16
RECORDS, REPLIES, LISTS = WORKS = (
    "recordMessage",
    "replyToEscalation",
    "escalations(first: 50) with messages",
)
REPLY = """mutation Reply($input: ReplyInput!) { replyToEscalation(input: $input) {
  message { id position status } } }"""
REPLIED = b'{"data":{"replyToEscalation":{"message":{"id":'
LIST = """query Escalations { escalations(first: 50) {
  nodes { id status priority reason createdAt sla { status dueAt remainingMinutes } assignee { id name }
    conversation { id customer { name email } messages(last: 3) { nodes { id role content createdAt } } } }
  pageInfo { hasNextPage endCursor } } }"""
LISTED = b'{"data":{"escalations":{"nodes":[{"id":'


@dataclass(slots=True)
class Workspace:
    """A workspace, with the ids and tokens that the requests name."""

    id: UUID
    tenant: Tenant
    conversations: list[str] = field(default_factory=list)
    escalations: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def work(self, name: str, target: Target, list_document: str = LIST) -> Asked:
        """Return the requests of one kind of work, without end; WORKSPACE in a document is the id."""
        if name == RECORDS:
            return Tray(target, self.tenant.api_key).records(self.conversations)
        if name == REPLIES:
            return Asked(cycle(self.replies(target)), REPLIED)
        document = list_document.replace("WORKSPACE", str(self.id))
        return Asked(cycle([post(target, "/graphql", _body(document), self.tenant.api_key)]), LISTED)

    def replies(self, target: Target) -> Iterator[bytes]:
        """Yield one reply to each escalation, of the members in turn."""
        for escalation, session in zip(self.escalations, cycle(self.sessions), strict=False):
            body = _body(REPLY, {"escalationId": escalation, "content": "A person here."})
            yield post(target, "/graphql", body, session)


async def prepare(staged: Stage) -> Workspace:
    """Fill a workspace: conversations, assigned escalations with messages, and members with sessions.

    Each escalation has its first reply: the later ones are measured.
    """
    tenant = staged.new_tenant("requests")
    target, tray = staged.target, Tray(staged.target, tenant.api_key)
    emails = [f"member{place}@example.com" for place in range(MEMBERS)]
    await run(target, tray.members(emails), 1, 60)
    talks = await start_conversations(target, tray, tenant.agent_id, CONVERSATIONS)
    escalated = await start_conversations(target, tray, tenant.agent_id, ESCALATIONS)
    raised = await run(target, tray.escalations(escalated, emails), 4, 60, keep_bodies=True)
    result = Workspace(await _workspace_of(staged, tenant), tenant, talks)
    result.escalations = [
        json.loads(body)["data"]["escalateConversation"]["escalation"]["id"] for body in raised.bodies
    ]
    spoken = [
        post(target, "/graphql", _record(conversation, content), tenant.api_key)
        for conversation in escalated
        for content in SAID[:3]
    ]
    await run(target, Asked(iter(spoken), b'{"data":'), 4, 60)
    result.sessions = await _sign_in(staged)
    await run(target, Asked(result.replies(target), REPLIED), 4, 60)
    return result


def _body(query: str, given: dict[str, str] | None = None) -> bytes:
    return json.dumps({"query": query, "variables": {"input": given} if given else {}}).encode()


def _record(conversation: str, content: str) -> bytes:
    query = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { id } } }"
    return _body(query, {"conversationId": conversation, "role": "USER", "content": content})


async def _workspace_of(staged: Stage, tenant: Tenant) -> UUID:
    connection = await connect_across(staged.database_url)
    agent = parse_id(AGENT, tenant.agent_id)
    result = await connection.fetchval("SELECT workspace_id FROM agents WHERE id = $1", agent)
    await connection.close()
    assert isinstance(result, UUID)
    return result


async def _sign_in(staged: Stage) -> list[str]:
    """Return tokens of new sessions, one for each member, without the cost of signing in."""
    connection = await connect_across(staged.database_url)
    now, tokens = datetime.now(UTC), []
    for row in await connection.fetch("SELECT id FROM members WHERE role = 'AGENT'"):
        tokens.append(new_token(SESSION_START))
        await connection.execute(
            "INSERT INTO member_sessions (id, token_hash, member_id, created_at, last_used_at, expires_at, "
            "idle_ends_at) VALUES ($1, $2, $3, $4, $4, $5, $5)",
            new_id(),
            token_hash(tokens[-1]),
            row["id"],
            now,
            now + timedelta(hours=1),
        )
    await connection.close()
    return tokens
