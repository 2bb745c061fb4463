"""Measure the cost of the roll-ups for writes, in pairs of rounds with and without their triggers.

    python -m bench.analytics_writes

A round writes escalations from the first message to the disposition. It includes the worker's turn that takes
in the changes. The CPU of the server and of PostgreSQL is counted together.
"""

import argparse
import asyncio
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg
import httpx

from bench.environment import surroundings
from bench.rounds import say
from bench.server_under_test import Stage, Tenant, stage
from bench.tables import number, spread, table
from server.worker import ANALYTICS_SECONDS, MANY_CHANGES

CONVERSATIONS, TOGETHER = 60, 4
WRITES = 6 * CONVERSATIONS
SETTLE_SECONDS = 60
_TABLES = ("conversations", "messages", "escalations", "trigger_events", "pending_escalations")
_GRAPHQL = {
    "start": "mutation($id: ID!) { startConversation(input: {agentId: $id}) { conversation { id } } }",
    "ask": """mutation($id: ID!) { recordMessage(input: {conversationId: $id, role: USER,
        content: "Where is my parcel?"}) { message { id } } }""",
    "reply": """mutation($id: ID!) { recordMessage(input: {conversationId: $id, role: ASSISTANT,
        content: "It is on its way.", confidence: 80}) { message { id } } }""",
    "escalate": """mutation($id: ID!) { escalateConversation(input: {conversationId: $id,
        reason: "needs a person"}) { escalation { id } } }""",
    "resolve": "mutation($id: ID!) { resolveEscalation(input: {escalationId: $id}) { escalation { id } } }",
    "judge": """mutation($id: ID!) { setDisposition(escalationId: $id, disposition: NEEDED) {
        escalation { id } } }""",
}


class Round:
    """Rounds of writes to one server."""

    def __init__(self, staged: Stage, tenant: Tenant, client: httpx.AsyncClient, database: Any) -> None:
        self._staged = staged
        self._tenant = tenant
        self._client = client
        self._database = database

    async def measure(self, noted: bool) -> tuple[float, float]:
        """Return the CPU of a write in milliseconds: the server's, and that of PostgreSQL."""
        mode = "ENABLE" if noted else "DISABLE"
        for name in _TABLES:
            await self._database.execute(f"ALTER TABLE {name} {mode} TRIGGER USER")
        before = self._cpu()
        await asyncio.gather(*(self._write(CONVERSATIONS // TOGETHER) for _ in range(TOGETHER)))
        await self._settle(noted)
        server, postgres = (
            1000 * (now - then) / WRITES for now, then in zip(self._cpu(), before, strict=True)
        )
        return server, postgres

    async def _write(self, conversations: int) -> None:
        for _ in range(conversations):
            conversation = await self._ask("start", self._tenant.agent_id, "conversation")
            await self._ask("ask", conversation)
            await self._ask("reply", conversation)
            escalation = await self._ask("escalate", conversation, "escalation")
            await self._ask("resolve", escalation)
            await self._ask("judge", escalation)

    async def _ask(self, name: str, key: str, made: str = "") -> str:
        url = f"http://{self._staged.target.host}:{self._staged.target.port}/graphql"
        answer = await self._client.post(url, json={"query": _GRAPHQL[name], "variables": {"id": key}})
        (payload,) = answer.json()["data"].values()
        return str(payload[made]["id"]) if made else ""

    async def _settle(self, noted: bool) -> None:
        """Have the worker take in all changes, and let as much time pass without any."""
        if not noted:
            await asyncio.sleep(2 * ANALYTICS_SECONDS)
            return
        missing = "INSERT INTO analytics_changes (agent_id, slot) SELECT agent_id, slot FROM ("
        missing += "SELECT agent_id, slot FROM analytics_changes LIMIT 1) note, generate_series(1, $1)"
        await self._database.execute(missing, MANY_CHANGES)
        for _ in range(SETTLE_SECONDS * 5):
            if not await self._database.fetchval("SELECT count(*) FROM analytics_changes"):
                return
            await asyncio.sleep(0.2)
        raise TimeoutError("the worker has not taken in the changes")

    def _cpu(self) -> tuple[float, float]:
        return self._staged.server.cpu_seconds(), self._staged.postgres.cpu_seconds()


async def _measure(staged: Stage, tenant: Tenant, pairs: int) -> dict[bool, list[tuple[float, float]]]:
    results: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    database = await asyncpg.connect(staged.database_url.replace("//baton@", "//baton_owner@"))
    headers = {"authorization": f"Bearer {tenant.api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        rounds = Round(staged, tenant, client, database)
        await rounds.measure(True)
        for pair in range(pairs):
            began = perf_counter()
            for noted in (True, False) if pair % 2 else (False, True):
                results[noted].append(await rounds.measure(noted))
            say(f"pair {pair + 1} of {pairs} took {perf_counter() - began:.0f} s: {_last(results)}")
    await database.close()
    return results


def _last(results: dict[bool, list[tuple[float, float]]]) -> str:
    return f"{sum(results[True][-1]):.2f} ms a write, {sum(results[False][-1]):.2f} ms without roll-ups"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.analytics_writes", description=__doc__)
    parser.add_argument("--pairs", type=int, default=8, help="number of pairs of rounds")
    given = parser.parse_args()
    with stage() as staged:
        results = asyncio.run(_measure(staged, staged.new_tenant("writes"), given.pairs))
        named = surroundings(staged)
    lines = [
        (name, spread([server for server, _ in results[noted]]), spread([used for _, used in results[noted]]))
        for name, noted in (("with roll-ups", True), ("without", False))
    ]
    shares = [
        100 * (sum(more) / sum(less) - 1) for more, less in zip(results[True], results[False], strict=True)
    ]
    print("\n".join(table(("", ""), named)), end="\n\n")
    print("\n".join(table(("a write", "server CPU ms", "PostgreSQL CPU ms"), lines)))
    print(f"\nRoll-ups cost {number(median(shares))} % more CPU (pairs: {spread(shares)}).")


if __name__ == "__main__":
    main()
