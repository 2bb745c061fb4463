"""Count what a delivery costs the database: transactions, statements and the time of open transactions.

    python -m bench.deliveries

A server without a worker raises escalations. This process plans and delivers them, one after the other and
many together, to receivers of its own.
"""

import asyncio
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from bench.server_under_test import Stage, Tenant, stage
from models.delivery import DeliveryTarget
from notifications.attempts import deliver_due
from notifications.pages import next_pages
from notifications.planner import plan
from notifications.services import NotificationServices
from resolvers.context import Services
from rules.mail_limits import MailLimits
from rules.typeid import AGENT, parse_id
from server.services import open_services
from server.settings import Settings

ROUNDS = 40
TOGETHER = 20

_GRAPHQL = {
    "endpoint": """mutation($input: CreateWebhookEndpointInput!) {
        createWebhookEndpoint(input: $input) { endpoint { id } } }""",
    "start": """mutation($agentId: ID!) { startConversation(input: {agentId: $agentId,
        customer: {name: "Jane", email: "jane@example.com"}}) { conversation { id } } }""",
    "say": """mutation($id: ID!) { recordMessage(input: {conversationId: $id, role: USER,
        content: "Where is my parcel?"}) { message { id } } }""",
    "escalate": """mutation($id: ID!) { escalateConversation(input: {conversationId: $id,
        reason: "needs a person"}) { escalation { id } } }""",
}


@dataclass
class Counts:
    """The work of one call in the database; `held` is the time of open transactions in seconds."""

    statements: int = 0
    transactions: int = 0
    held: float = 0.0
    began: dict[int, float] = field(default_factory=dict)

    def watch(self) -> None:
        """Count in every connection of this process from now on."""
        event.listen(Engine, "before_cursor_execute", self._statement)
        execute = asyncpg.Connection.execute

        async def watched(connection: asyncpg.Connection, query: str, *values: Any, **given: Any) -> Any:
            if query == "BEGIN":
                self.transactions += 1
                self.began[id(connection)] = time.perf_counter()
            try:
                return await execute(connection, query, *values, **given)
            finally:
                if query in ("COMMIT", "ROLLBACK") and (began := self.began.pop(id(connection), None)):
                    self.held += time.perf_counter() - began

        cast(Any, asyncpg.Connection).execute = watched

    def reset(self) -> None:
        """Begin to count from zero."""
        self.statements, self.transactions, self.held = 0, 0, 0.0

    def _statement(self, *_: Any) -> None:
        self.statements += 1


def _ask(stage: Stage, tenant: Tenant, operation: str, **variables: Any) -> Any:
    body = json.dumps({"query": _GRAPHQL[operation], "variables": variables}).encode()
    request = urllib.request.Request(  # the server of this measurement
        f"http://{stage.target.host}:{stage.target.port}/graphql",
        body,
        {"authorization": f"Bearer {tenant.api_key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        payload = json.load(answer)
    if "errors" in payload:
        raise RuntimeError(payload["errors"])
    return payload["data"]


def _escalate(stage: Stage, tenant: Tenant) -> None:
    conversation = _ask(stage, tenant, "start", agentId=tenant.agent_id)["startConversation"]["conversation"]
    for _ in range(10):
        _ask(stage, tenant, "say", id=conversation["id"])
    _ask(stage, tenant, "escalate", id=conversation["id"])


@asynccontextmanager
async def _receiver() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def _target_of(services: Services, workspace_id: UUID) -> UUID:
    async with services.database.autocommit_session() as session:
        target_id: UUID = (
            await session.scalars(
                select(DeliveryTarget.id).where(DeliveryTarget.workspace_id == workspace_id)
            )
        ).one()
        return target_id


async def _workspace_of(services: Services, agent_id: str) -> UUID:
    rows = await services.database.fetch(
        "SELECT workspace_id FROM agents WHERE id = $1", parse_id(AGENT, agent_id)
    )
    return UUID(str(rows[0]["workspace_id"]))


async def _measure(stage: Stage, tenant: Tenant) -> None:
    counts = Counts()
    settings = Settings(data_dir=stage.data_dir, webhook_allow_private=True)
    async with open_services(settings, stage.database_url) as opened, _receiver() as url:
        services, notifications = opened.services, opened.notifications
        endpoint = {"agentId": tenant.agent_id, "url": url, "eventTypes": ["escalation.created"]}
        await asyncio.to_thread(_ask, stage, tenant, "endpoint", input=endpoint)
        workspace = await _workspace_of(services, tenant.agent_id)
        counts.watch()

        async def prepare(number: int) -> UUID:
            for _ in range(number):
                await asyncio.to_thread(_escalate, stage, tenant)
            for page in await next_pages(services.database):
                await plan(services.transactions, page, MailLimits())
            return await _target_of(services, workspace)

        async def take(number: int, rounds: int) -> list[str]:
            return await _rounds(counts, lambda: prepare(number), notifications, number, rounds)

        await take(1, 3)
        sys.stdout.write("| deliveries in a turn | transactions | statements | ms in transactions | ms |\n")
        sys.stdout.write("| --- | --- | --- | --- | --- |\n")
        for number, rounds in ((1, ROUNDS), (TOGETHER, 3)):
            sys.stdout.write(f"| {number} | {' | '.join(await take(number, rounds))} |\n")


async def _rounds(
    counts: Counts,
    prepare: Callable[[], Awaitable[UUID]],
    services: NotificationServices,
    number: int,
    rounds: int,
) -> list[str]:
    """Return the medians of one delivery: transactions, statements, milliseconds held and taken."""
    taken: list[tuple[float, float, float, float]] = []
    for _ in range(rounds):
        target = await prepare()
        counts.reset()
        began = time.perf_counter()
        await deliver_due(services, target)
        seconds = time.perf_counter() - began
        taken.append((counts.transactions, counts.statements, counts.held * 1_000, seconds * 1_000))
    return [f"{statistics.median(column) / number:.3g}" for column in zip(*taken, strict=True)]


def main() -> None:
    """Measure, and print a table."""
    with stage("--no-worker", BATON_WEBHOOK_ALLOW_PRIVATE="true") as running:
        asyncio.run(_measure(running, running.new_tenant("deliveries")))


if __name__ == "__main__":
    main()
