"""`python -m bench.purge`: ends the retention of many rows next to a writer, and measures both.

The words of 500,000 messages go, with those of their conversations, escalations and deliveries. Then 250,000
deliveries with an attempt each are deleted, and 500,000 idempotency keys. The writer records one message
after another over HTTP. The exit code is 1 if a purge takes longer than 30 s for 500,000 rows, or if the
writer's p99 is above 0.3 s meanwhile. PostgreSQL's CPU for a purge is that of the time without what the
writer's messages cost before the first purge.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter
from typing import Any

import asyncpg
import httpx

from bench.environment import surroundings
from bench.rounds import say
from bench.search_data import fill_index, load_conversations
from bench.server_under_test import Stage, Tenant, stage
from bench.tables import number, table
from realtime.retention import purge
from resolvers.conversation_retention import expire_conversations
from rules.typeid import AGENT, parse_id
from server.services import open_services
from server.settings import Settings

ROWS, MOST_SECONDS, MOST_P99_MS = 500_000, 30, 300
SCALE = 0.1  # of the data set of searches: 500,000 messages
CALM_SECONDS = 5
_START = "mutation($id: ID!) { startConversation(input: {agentId: $id}) { conversation { id } } }"
_RECORD = """mutation($id: ID!) { recordMessage(input: {conversationId: $id, role: USER,
    content: "Where is my parcel?"}) { message { id } } }"""
_RETAIN = """UPDATE agents SET settings = settings || '{"retention": {"closed_conversation_days": 30}}'"""
_AGENTS = """INSERT INTO agents (id, workspace_id, name, settings, settings_version)
    SELECT gen_random_uuid(), workspace_id, 'Another', settings, 1 FROM agents WHERE id = $1 RETURNING id"""
_OLD_DELIVERIES = (
    """INSERT INTO deliveries (id, workspace_id, agent_id, target_id, channel, target, event_type,
        position, occurred_at, status, created_at, ended_at)
    SELECT gen_random_uuid(), workspace_id, agent_id, id, channel, key, 'escalation.created',
        1000000000 + n, now() - interval '100 days', 'DELIVERED', now() - interval '100 days', now()
    FROM delivery_targets, generate_series(1, $1::int) n WHERE agent_id = $2""",
    """INSERT INTO delivery_attempts (id, delivery_id, attempted_at, succeeded, response, duration_ms)
    SELECT gen_random_uuid(), id, created_at, true, '204', 12 FROM deliveries WHERE position > 1000000000""",
)
_OLD_KEYS = """INSERT INTO idempotency_keys (scope_id, operation, key, input_hash, created_at)
    SELECT $2, 'recordMessage', 'key ' || n, decode(md5(n::text), 'hex'), now() - interval '2 days'
    FROM generate_series(1, $1::int) n"""


@dataclass(frozen=True, slots=True)
class Figures:
    """A purge: its rows, its seconds and PostgreSQL's CPU meanwhile; the writer's p99 and messages."""

    what: str
    rows: int
    seconds: float
    cpu: float
    p99_ms: float
    messages: int

    @property
    def seconds_for_all(self) -> float:
        """The seconds for ROWS at the same rate."""
        return self.seconds * ROWS / self.rows if self.rows else 0.0

    def cpu_for_all(self, calm: "Figures") -> float:
        """PostgreSQL's CPU for ROWS in seconds, without the writer's."""
        own = self.cpu - self.messages * calm.cpu / calm.messages
        return own * ROWS / self.rows if self.rows else 0.0


class Writer:
    """A caller that records one message after another."""

    def __init__(self, staged: Stage, tenant: Tenant, client: httpx.AsyncClient) -> None:
        self._url = f"http://{staged.target.host}:{staged.target.port}/graphql"
        self._client = client
        self._postgres = staged.postgres
        self.tenant = tenant

    async def ask(self, query: str, id_: str) -> Any:
        """Return the payload of a mutation with one id."""
        answer = await self._client.post(self._url, json={"query": query, "variables": {"id": id_}})
        (payload,) = answer.json()["data"].values()
        return payload

    async def next_to(self, what: str, rows: int, purging: Awaitable[Any]) -> Figures:
        """Write until `purging` ends."""
        conversation = (await self.ask(_START, self.tenant.agent_id))["conversation"]["id"]
        began, cpu, taken = perf_counter(), self._postgres.cpu_seconds(), list[float]()
        running = asyncio.ensure_future(purging)
        while not running.done():
            sent = perf_counter()
            await self.ask(_RECORD, conversation)
            taken.append(1000 * (perf_counter() - sent))
        seconds, cpu = perf_counter() - began, self._postgres.cpu_seconds() - cpu
        await running
        figures = Figures(what, rows, seconds, cpu, quantiles(taken, n=100)[98], len(taken))
        say(f"{what}: {figures.seconds:.1f} s, p99 of the writer {figures.p99_ms:.0f} ms")
        return figures


async def _load(staged: Stage, tenant: Tenant, scale: float) -> int:
    """Load the data set, and return its number of messages."""
    owner_url = staged.database_url.replace("//baton@", "//baton_owner@")
    agent_id = parse_id(AGENT, tenant.agent_id)
    database = await asyncpg.connect(owner_url)
    try:
        workspace = await database.fetchval("SELECT workspace_id FROM agents WHERE id = $1", agent_id)
        agents = [agent_id, *[await database.fetchval(_AGENTS, agent_id) for _ in range(2)]]
        await load_conversations(owner_url, workspace, agents, scale)
        await fill_index(owner_url)
        rows: int = await database.fetchval("SELECT count(*) FROM messages")
        return rows
    finally:
        await database.close()


async def _measure(staged: Stage, tenant: Tenant, scale: float) -> list[Figures]:
    messages = await _load(staged, tenant, scale)
    agent_id, share = parse_id(AGENT, tenant.agent_id), scale / SCALE
    owner = await asyncpg.connect(staged.database_url.replace("//baton@", "//baton_owner@"))
    headers = {"authorization": f"Bearer {tenant.api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        writer = Writer(staged, tenant, client)
        figures = [await writer.next_to("none", 0, asyncio.sleep(CALM_SECONDS))]
        await owner.execute(_RETAIN)
        figures.append(await writer.next_to("words of messages", messages, _expire(staged)))
        rows = round(ROWS / 2 * share)
        for statement in _OLD_DELIVERIES:
            await owner.execute(statement, *([rows, agent_id] if "$1" in statement else []))
        figures.append(await writer.next_to("deliveries and attempts", 2 * rows, _purge(staged)))
        await owner.execute(_OLD_KEYS, 2 * rows, agent_id)
        figures.append(await writer.next_to("idempotency keys", 2 * rows, _purge(staged)))
    await owner.close()
    return figures


async def _expire(staged: Stage) -> None:
    settings = Settings(data_dir=staged.data_dir, database_url=staged.database_url)
    async with open_services(settings, staged.database_url, live=False) as opened:
        await expire_conversations(opened.services)


async def _purge(staged: Stage) -> None:
    settings = Settings(data_dir=staged.data_dir, database_url=staged.database_url)
    async with open_services(settings, staged.database_url, live=False) as opened:
        await purge(opened.services.database)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.purge", description=__doc__)
    parser.add_argument("--scale", type=float, default=SCALE, help="of the data set of bench.search")
    scale = parser.parse_args().scale
    with stage() as staged:
        figures = asyncio.run(_measure(staged, staged.new_tenant("purge"), scale))
        facts = surroundings(staged)
    print("\n".join(table(("", ""), facts)), end="\n\n")
    heads = ("purge", "rows", "s", f"s for {ROWS:,}", "PostgreSQL's CPU", "writer's p99 ms", "messages")
    rows = [
        (
            item.what,
            f"{item.rows:,}",
            number(item.seconds),
            number(item.seconds_for_all),
            number(item.cpu_for_all(figures[0])),
            number(item.p99_ms),
            str(item.messages),
        )
        for item in figures
    ]
    print("\n".join(table(heads, rows)))
    late = any(item.seconds_for_all > MOST_SECONDS or item.p99_ms > MOST_P99_MS for item in figures)
    sys.exit(1 if late else 0)


if __name__ == "__main__":
    main()
