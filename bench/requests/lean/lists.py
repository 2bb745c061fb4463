"""The list of escalations by the credential and four selects of what is shown, without an executor."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.requests.lean import statements
from bench.requests.lean.acts import OutOfBenchError, token_hash
from rules.encoding import encode_base64url, format_datetime
from rules.sla_clock import Clock
from rules.typeid import CONVERSATION, ESCALATION, MEMBER, MESSAGE, format_id

SCOPE = "ESCALATIONS_READ"
FIRST = 50  # what the document asks for


class Lists:
    """Answers the list of the newest escalations."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def escalations(self, token: str, _: Mapping[str, Any]) -> bytes:
        """Return the newest 50, with conversation, customer, messages and assignee."""
        callers = await self._fetch(statements.KEY, token_hash(token), SCOPE)
        if not callers:
            raise OutOfBenchError("The credential is not valid, or has not the scope.")
        workspace = callers[0]["workspace_id"]
        rows = await self._fetch(statements.ESCALATIONS, workspace, FIRST + 1)
        page = rows[:FIRST]
        talks = [row["conversation_id"] for row in page]
        assignees = {row["assignee_id"] for row in page if row["assignee_id"]}
        conversations, members, messages = await asyncio.gather(
            self._fetch(statements.CONVERSATIONS, workspace, talks),
            self._fetch(statements.MEMBERS, workspace, list(assignees)),
            self._fetch(statements.MESSAGES, workspace, talks),
        )
        nodes = list(_nodes(page, _conversations(conversations, messages), _members(members)))
        ends = [
            encode_base64url(orjson.dumps(["CREATED_DESC", row["created_at"], str(row["id"])]))
            for row in page[-1:]
        ]
        shown = {"hasNextPage": len(rows) > FIRST, "endCursor": ends[0] if ends else None}
        return orjson.dumps({"data": {"escalations": {"nodes": nodes, "pageInfo": shown}}})

    async def _fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        async with self._pool.acquire() as connection:
            return await connection.fetch(statement, *values)


def _conversations(rows: list[asyncpg.Record], messages: list[asyncpg.Record]) -> dict[UUID, Any]:
    said: dict[UUID, list[dict[str, str]]] = {row["id"]: [] for row in rows}
    # The newest first, so from the end.
    for id_, conversation, role, content, created_at in reversed(messages):
        shown = {"id": format_id(MESSAGE, id_), "role": role, "content": content}
        said[conversation].append({**shown, "createdAt": format_datetime(created_at)})
    return {
        id_: {
            "id": format_id(CONVERSATION, id_),
            "customer": {"name": name, "email": email},
            "messages": {"nodes": said[id_]},
        }
        for id_, name, email in rows
    }


def _members(rows: list[asyncpg.Record]) -> dict[UUID, dict[str, str]]:
    return {id_: {"id": format_id(MEMBER, id_), "name": name} for id_, name in rows}


def _nodes(
    page: list[asyncpg.Record], conversations: Mapping[UUID, Any], members: Mapping[UUID, Any]
) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for row in page:
        clock = Clock(
            row["sla_target_minutes"],
            row["sla_started_at"],
            row["sla_at_risk_at"],
            row["sla_due_at"],
            orjson.loads(row["sla_policy"])["business_hours"],
            row["sla_stopped_at"],
        )
        yield {
            "id": format_id(ESCALATION, row["id"]),
            "status": row["status"],
            "priority": row["priority"],
            "reason": row["reason"],
            "createdAt": format_datetime(row["created_at"]),
            "sla": {
                "status": clock.status(now),
                "dueAt": format_datetime(clock.due_at),
                "remainingMinutes": clock.remaining_minutes(now),
            },
            "assignee": members.get(row["assignee_id"]),
            "conversation": conversations[row["conversation_id"]],
        }
