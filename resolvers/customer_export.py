"""Everything that is held about one customer, page by page, in constant memory.

Each record is a row of a table, its columns under the names of the API. A conversation comes before what
belongs to it, an escalation and a delivery before theirs.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select

from models.conversation import Conversation
from models.database import Database
from resolvers.audit import record_export
from resolvers.context import Context
from resolvers.customer_conversations import conversations_of_customer, without_policy
from resolvers.errors import camel
from resolvers.permissions import permitted
from rules.audit import AuditAction
from rules.typeid import AGENT, CONVERSATION, DELIVERY, ESCALATION, MEMBER, MESSAGE, NOTE, format_id

PAGE: Final = 500
_FIRST: Final = UUID(int=0)
_PREFIXES: Final = {
    "agent_id": AGENT,
    "assignee_id": MEMBER,
    "resolved_by_id": MEMBER,
    "author_id": MEMBER,
    "actor_id": MEMBER,
    "conversation_id": CONVERSATION,
    "escalation_id": ESCALATION,
    "delivery_id": DELIVERY,
}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of record: its rows after `key`, of the parent $1, and the kinds below it."""

    name: str
    sql: str
    key: str = "id"
    first: Any = _FIRST
    prefix: str | None = None
    below: tuple["_Kind", ...] = field(default=())


_ESCALATION_PARTS = (
    _Kind(
        "trigger",
        """SELECT id, escalation_id, trigger, reason, detail, confidence, occurred_at FROM trigger_events
        WHERE escalation_id = $1 AND id > $2 ORDER BY id LIMIT $3""",
    ),
    _Kind(
        "note",
        """SELECT id, escalation_id, author_id, body, created_at FROM escalation_notes
        WHERE escalation_id = $1 AND id > $2 ORDER BY id LIMIT $3""",
        prefix=NOTE,
    ),
    _Kind(
        "timelineEntry",
        """SELECT escalation_id, position, kind, actor_id, data, occurred_at FROM timeline_entries
        WHERE escalation_id = $1 AND position > $2 ORDER BY position LIMIT $3""",
        key="position",
        first=0,
    ),
)
_ATTEMPT = _Kind(
    "attempt",
    """SELECT id, delivery_id, attempted_at, succeeded, response, duration_ms FROM delivery_attempts
    WHERE delivery_id = $1 AND id > $2 ORDER BY id LIMIT $3""",
)
_CONVERSATION_PARTS = (
    _Kind(
        "message",
        """SELECT id, conversation_id, position, role, status, content, kind, author_id, confidence, intents,
            metadata, created_at
        FROM messages WHERE conversation_id = $1 AND position > $2 ORDER BY position LIMIT $3""",
        key="position",
        first=0,
        prefix=MESSAGE,
    ),
    _Kind(
        "escalation",
        """SELECT id, conversation_id, agent_id, status, priority, trigger, reason, detail, summary, metadata,
            confidence, confirmation, assignee_id, created_at, first_responded_at, resolved_at,
            resolved_by_id, resolution_note, disposition, sla_started_at, sla_due_at, sla_stopped_at,
            sla_status
        FROM escalations WHERE conversation_id = $1 AND id > $2 ORDER BY id LIMIT $3""",
        prefix=ESCALATION,
        below=_ESCALATION_PARTS,
    ),
    _Kind(
        "toolFailure",
        """SELECT conversation_id, tool, consecutive FROM tool_failures
        WHERE conversation_id = $1 AND tool > $2 ORDER BY tool LIMIT $3""",
        key="tool",
        first="",
    ),
    _Kind(
        "delivery",
        """SELECT id, conversation_id, escalation_id, agent_id, channel, target, event_type, status, note,
            body, occurred_at, created_at, ended_at
        FROM deliveries WHERE conversation_id = $1 AND id > $2 ORDER BY id LIMIT $3""",
        prefix=DELIVERY,
        below=(_ATTEMPT,),
    ),
)
_CONVERSATIONS = """
    SELECT id, agent_id, customer_external_id, customer_email, customer_name, customer_verified,
        customer_subject, language, metadata, ai_state, messages, customer_read_position, team_read_position,
        created_at, last_message_at
    FROM conversations WHERE id = $1
"""


@permitted("GET /exports/customer.jsonl")
async def export_customer(
    context: Context, external_id: str | None, email: str | None
) -> AsyncIterator[list[Record]]:
    """Return pages of everything about a customer, as `eraseCustomer` finds it; raises BadInputError.

    Nothing is locked and no connection is held between pages: what changes meanwhile is old or new.
    """
    wanted = conversations_of_customer(context.actor.workspace_id, external_id, email)
    await record_export(context, AuditAction.EXPORT_CUSTOMER)
    return _pages(context.database, await without_policy(context, wanted))


async def _pages(database: Database, matching: Select[UUID]) -> AsyncIterator[list[Record]]:
    last = _FIRST
    while True:
        page = (
            select(Conversation.id)
            .where(Conversation.id.in_(matching), Conversation.id > last)
            .order_by(Conversation.id)
            .limit(PAGE)
        )
        async with database.autocommit_session() as session:
            ids = list(await session.scalars(page))
        for conversation_id in ids:
            rows = await database.fetch(_CONVERSATIONS, conversation_id)
            yield [_record("conversation", CONVERSATION, dict(row)) for row in rows]
            for kind in _CONVERSATION_PARTS:
                async for records in _rows(database, kind, conversation_id):
                    yield records
        if len(ids) < PAGE:
            return
        last = ids[-1]


async def _rows(database: Database, kind: _Kind, parent_id: UUID) -> AsyncIterator[list[Record]]:
    last = kind.first
    while True:
        rows = await database.fetch(kind.sql, parent_id, last, PAGE)
        if kind.below:
            for row in rows:
                yield [_record(kind.name, kind.prefix, dict(row))]
                for below in kind.below:
                    async for records in _rows(database, below, row["id"]):
                        yield records
        elif rows:
            yield [_record(kind.name, kind.prefix, dict(row)) for row in rows]
        if len(rows) < PAGE:
            return
        last = rows[-1][kind.key]


def _record(name: str, prefix: str | None, row: Mapping[str, Any]) -> Record:
    record: Record = {"type": name}
    for column, value in row.items():
        column_prefix = prefix if column == "id" else _PREFIXES.get(column)
        if isinstance(value, UUID):
            value = format_id(column_prefix, value) if column_prefix else str(value)
        elif isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        record[camel(column)] = value
    return record
